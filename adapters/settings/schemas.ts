/** What settings of both commands are made of. */
import { z } from "zod";

/**
 * An absolute URL whose scheme is a key of `schemes`, with the scheme replaced by its value. `forms` is said of what is none.
 */
export function baseUrl(
  schemes: Readonly<Record<string, string>>,
  example: string,
  forms = `must be a URL, such as ${example}`,
) {
  return z.string(`is required, such as ${example}`).transform((text, context) => {
    const url = URL.parse(text);
    const scheme = schemes[url?.protocol ?? ""];
    if (url === null || scheme === undefined) return refuse(context, forms);
    if (url.username !== "" || url.password !== "") {
      return refuse(context, "must not hold a user name or password");
    }
    if (url.search !== "" || url.hash !== "") return refuse(context, "must not hold a query or fragment");
    return new URL(url.href.replace(url.protocol, scheme));
  });
}

/** Of the tunnel server, as its agent takes it. */
export const serverUrl = baseUrl(
  { "http:": "http:", "https:": "https:", "ws:": "http:", "wss:": "https:" },
  "https://tunnel.example.org",
);

/** What an `Authorization: Bearer` can carry everywhere. */
export const token = z
  .string()
  .regex(/^[\x21-\x7e]+$/, "must be visible ASCII without spaces")
  .nullable()
  .default(null);

export const ON_OFF = ["on", "off"] as const;

export const onOff = z.enum(ON_OFF, "must be on or off").transform((word) => word === "on");

/** Of a home, or of one of its tokens. */
export const clientIdText = z
  .string("is required")
  .refine(
    (text) => text.isWellFormed() && [...text].length <= 64 && !/\p{Cc}/u.test(text),
    "must be at most 64 characters, none of them a control character",
  );

export const clientId = clientIdText.nullable().default(null);

/** Of a setting that is a secret whatever it says. */
export const always = () => true;

/** Fails the setting that is being read, or one item of it; the message completes "NAME ...", and quotes no value. */
export function refuse(context: z.RefinementCtx, message: string, item?: number): never {
  context.addIssue({ code: "custom", message, ...(item === undefined ? {} : { path: [item] }) });
  return z.NEVER;
}
