/** Lists in which a client weighs what it takes, such as `Accept` and `Accept-Encoding` (RFC 9110 section 12.4.2). */
import { type HeaderList, headerValues } from "./headers.ts";
import { trimmed } from "./whitespace.ts";

/**
 * The weight, 0 to 1, of each lower-case element of a header, other parameters left aside. Of a repeated element the highest
 * counts; an element with a malformed weight is left out.
 */
export function weightsOf(headers: HeaderList, name: string): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const field of headerValues(headers, name)) {
    for (const element of field.split(",")) {
      const [token = "", ...parameters] = element.toLowerCase().split(";");
      const key = trimmed(token);
      const weight = weightOf(parameters);
      if (key !== "" && weight !== null) weights.set(key, Math.max(weight, weights.get(key) ?? 0));
    }
  }
  return weights;
}

const WEIGHT = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

function weightOf(parameters: readonly string[]): number | null {
  const parameter = parameters.map((each) => trimmed(each)).find((each) => each.startsWith("q="));
  if (parameter === undefined) return 1;
  const weight = WEIGHT.exec(parameter)?.[1];
  return weight === undefined ? null : Number(weight);
}
