/** Lists in fields (RFC 9110 section 5.6.1), and the white space around what they list. */
import { type HeaderList, headerValues } from "./headers.ts";
import { trimmed } from "./whitespace.ts";

/** What the fields of that name list, in order, without the empty elements. No element may have a comma in quotes. */
export function elementsOf(headers: HeaderList, name: string): string[] {
  const elements: string[] = [];
  for (const value of headerValues(headers, name)) {
    for (const element of value.split(",")) {
      const text = trimmed(element);
      if (text !== "") elements.push(text);
    }
  }
  return elements;
}

/** Whether one of the fields of that name lists this lower-case element, in any case. */
export function hasElement(headers: HeaderList, name: string, element: string): boolean {
  return headerValues(headers, name).some((value) =>
    // Most fields list one thing.
    value.includes(",")
      ? value.split(",").some((each) => isElement(each, element))
      : isElement(value, element),
  );
}

function isElement(text: string, element: string): boolean {
  return trimmed(text).toLowerCase() === element;
}
