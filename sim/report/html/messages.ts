/** What a message is: its family, a label, and what it says of itself. */
import { latin1Text } from "../../tools/text.ts";
import { readSimPacket } from "../../wire/packet.ts";
import { bytesLabel, type Field, fieldsOf, labelled } from "./show.ts";

/** One colour each. */
export type Family = "http" | "tunnel" | "socket" | "control" | "registry" | "origin";

export type Described = {
  readonly family: Family;
  readonly label: string;
  readonly fields: readonly Field[];
  /** The numbers that the wire carries: of a request, and of a visitor socket. */
  readonly wireIds: readonly number[];
};

type Content = Readonly<Record<string, unknown>>;

/** `tunnel` tells whether frames are those of a tunnel or of a visitor socket. */
export function describeMessage(message: object, tunnel: boolean): Described {
  const content: Content = { ...message };
  if ("operation" in content) return registryCall(content);
  if (typeof content.type === "string") return registryAnswer(content.type, content);
  if ("visit" in content) return originMessage(content);
  if ("target" in content) return knock(content);
  if ("flushBytes" in content) return socketFrame(content, tunnel);
  return lineFrame(content);
}

/** The label and the ids of a frame's text. */
export function describeText(text: string): { readonly label: string; readonly wireIds: readonly number[] } {
  const packet = /^TUNNEL_RESPONSE:(\d+)\|(\d+)\|(\d)/.exec(text);
  if (packet !== null) {
    const [, requestId, packetId, last] = packet;
    return { label: packetLabel(Number(packetId), last === "1", text.length), wireIds: [Number(requestId)] };
  }
  const frame = parsed(text);
  if (frame === null) return { label: labelled(text), wireIds: [] };
  const wireIds = [frame.request_id, frame.conn_id].filter((id) => typeof id === "number");
  if (frame.type === "HTTP") return { label: labelled(`${frame.method} /${frame.path}`), wireIds };
  if (typeof frame.type === "string") return { label: labelled(frame.type), wireIds };
  return { label: labelled(text), wireIds };
}

/** The label and the ids of a binary message; `bytes` may end after the packet's header. */
export function describeBytes(
  bytes: Uint8Array,
  length: number,
): { readonly label: string; readonly wireIds: readonly number[] } {
  const packet = readSimPacket(bytes);
  if (packet === null) return { label: `no packet, ${bytesLabel(length)}`, wireIds: [] };
  return { label: packetLabel(packet.packetId, packet.last, length), wireIds: [packet.requestId] };
}

function packetLabel(packetId: number, last: boolean, length: number): string {
  return `packet ${packetId}${last ? " (last)" : ""}, ${bytesLabel(length)}`;
}

function registryCall({ operation, interference }: Content): Described {
  const { type, ...rest } = { ...(operation as object) } as Content;
  const fields = fieldsOf(rest);
  if (typeof interference === "object" && interference !== null) {
    fields.push([
      "fault",
      fieldsOf(interference)
        .map((field) => field.join(" "))
        .join(", "),
    ]);
  }
  return { family: "registry", label: String(type), fields, wireIds: [] };
}

function registryAnswer(type: string, content: Content): Described {
  return { family: "registry", label: outcomeLabel(type, content), fields: fieldsOf(content), wireIds: [] };
}

/** An outcome in two words. */
export function outcomeLabel(type: string, content: Content): string {
  if (type === "failed") return `failed, ${content.fault}`;
  if (type === "token_checked" || type === "signature_used")
    return content.valid === true ? "token valid" : "token not valid";
  if (type === "visitor_checked") return content.kind === null ? "token not valid" : "token valid";
  if (type === "connection_upserted" && content.current !== true) return "connection is another's";
  return type.replaceAll("_", " ");
}

function originMessage({ visit, kind, ...content }: Content): Described {
  const label = {
    request: "request",
    head: `head ${content.status}`,
    body: content.bytes instanceof Uint8Array ? bytesLabel(content.bytes.length) : "body",
    end: "end",
    failed: `failed, ${content.fault}`,
  }[String(kind)];
  return { family: "origin", label: label ?? String(kind), fields: fieldsOf(content), wireIds: [] };
}

/** The first that a node hears of somebody. */
function knock(content: Content): Described {
  const family = "method" in content ? "http" : "control";
  const label = labelled(`${content.method ?? "upgrade"} ${content.target}`);
  return { family, label, fields: fieldsOf(content), wireIds: [] };
}

function socketFrame({ kind, text, bytes, code, size }: Content, tunnel: boolean): Described {
  const family = tunnel ? "tunnel" : "socket";
  const shared: Field[] = [["on the line", `${size} bytes`]];
  if (kind === "text" && typeof text === "string") {
    return { family, ...describeText(text), fields: [...fieldsOf({ text }), ...shared] };
  }
  if (kind === "bytes" && bytes instanceof Uint8Array) {
    return { family, ...describeBytes(bytes, bytes.length), fields: [...fieldsOf({ bytes }), ...shared] };
  }
  if (kind === "void") return { family, label: "taken away by a fault", fields: [], wireIds: [] };
  const label = {
    accepted: "accepted",
    refused: `refused ${code}`,
    close: `close ${code} ${text}`.trim(),
    ended: "connection ends",
  }[String(kind)];
  return { family: "control", label: labelled(label ?? String(kind)), fields: [], wireIds: [] };
}

function lineFrame({ kind, bytes }: Content): Described {
  const shared = { family: "http", wireIds: [] } as const;
  if (kind === "bytes" && bytes instanceof Uint8Array) {
    const label = messageLine(bytes) ?? bytesLabel(bytes.length);
    return { ...shared, label, fields: fieldsOf({ bytes }) };
  }
  const label = {
    connect: "connects",
    refused: "connection refused",
    fin: "ends its side",
    reset: "connection breaks",
  }[String(kind)];
  return { ...shared, label: label ?? String(kind), fields: [] };
}

/** The first line of a request or of a response that begins here; null where none does. */
function messageLine(bytes: Uint8Array): string | null {
  const text = latin1Text(bytes.subarray(0, LINE_BYTES_MAX));
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1];
  if (status !== undefined) return `head ${status}`;
  const line = /^([A-Z][A-Z-]* \S*)/.exec(text)?.[1];
  return line === undefined ? null : labelled(line);
}

const LINE_BYTES_MAX = 200;

function parsed(text: string): Content | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
}
