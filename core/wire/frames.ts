/**
 * The JSON text frames of the MoosicBox protocol, both directions (protocol-moosicbox.md, Server to agent, Agent to server).
 *
 * JSON that the tunnel only carries, request bodies and the messages of visitor sockets, stays the text it is and is embedded
 * as such. `ABORT` from an agent is Culvert's own: the origin broke off, the exchange will not be finished. A deployed
 * server counts it as an unknown text and lives on.
 */
import { validHeader } from "../http/headers.ts";
import { jsonMembers, jsonString } from "./json.ts";
import {
  decodeTextPacket,
  type Packet,
  type PacketProblem,
  parseWireId,
  TEXT_PACKET_PREFIX,
  type WireId,
} from "./packet.ts";

/** A visitor's request, on its way to the agent. */
export type HttpFrame = {
  readonly type: "http_request";
  readonly requestId: WireId;
  readonly method: string;
  /** Without the leading slash. */
  readonly path: string;
  /** Decoded. */
  readonly query: ReadonlyMap<string, string>;
  /** The request body as raw JSON text, null where there is none. */
  readonly payload: string | null;
  /** By lower-case name; servers send `accept` and `range`. All are valid in HTTP. */
  readonly headers: ReadonlyMap<string, string>;
  readonly profile: string | null;
};

/** A message of a visitor socket, on its way to the agent. */
export type SocketFrame = {
  readonly type: "socket_message";
  readonly connectionId: WireId;
  readonly requestId: WireId;
  /** Raw JSON text. */
  readonly body: string;
  readonly profile: string | null;
};

/** The exchange is over: nobody waits for the rest, or the rest will not come. */
export type AbortFrame = { readonly type: "abort"; readonly requestId: WireId };

/** An agent's message to visitor sockets. */
export type SocketAnswer = {
  readonly type: "socket_answer";
  /** The request that it answers; 0 where nobody asked. */
  readonly requestId: WireId;
  /** Raw JSON text. */
  readonly body: string;
  readonly exclude: readonly WireId[] | null;
  readonly to: readonly WireId[] | null;
};

/** A server's text breaks the protocol. */
export type FrameProblem = {
  readonly type: "problem";
  readonly requestId: WireId | null;
  /** For the log: names the rule, never what came. */
  readonly detail: string;
};

/** `payload` is raw JSON text, embedded as it is. */
export function encodeHttpFrame(request: {
  readonly requestId: number;
  readonly method: string;
  readonly path: string;
  readonly query: ReadonlyMap<string, string>;
  readonly payload: string | null;
  readonly accept: string | null;
  readonly range: string | null;
  readonly profile: string | null;
}): string {
  const { accept, range } = request;
  const headers = [
    ...(accept === null ? [] : [`"accept":${JSON.stringify(accept)}`]),
    ...(range === null ? [] : [`"range":${JSON.stringify(range)}`]),
  ];
  const query: string[] = [];
  for (const [key, value] of request.query) query.push(`${JSON.stringify(key)}:${JSON.stringify(value)}`);
  return (
    `{"type":"HTTP","request_id":${request.requestId},"method":${JSON.stringify(request.method)},` +
    `"path":${JSON.stringify(request.path)},"query":{${query.join(",")}},` +
    (request.payload === null ? "" : `"payload":${request.payload},`) +
    (headers.length === 0 ? "" : `"headers":{${headers.join(",")}},`) +
    `"encoding":"BINARY","profile":${JSON.stringify(request.profile)}}`
  );
}

/** `body` is raw JSON text, embedded as it is. */
export function encodeSocketFrame(message: {
  readonly connectionId: number;
  readonly requestId: number;
  readonly body: string;
  readonly profile: string | null;
}): string {
  return (
    `{"type":"WS","conn_id":${message.connectionId},"request_id":${message.requestId},` +
    `"body":${message.body},"profile":${JSON.stringify(message.profile)}}`
  );
}

export function encodeAbortFrame(requestId: WireId): string {
  return `{"type":"ABORT","request_id":${requestId}}`;
}

/** `body` is raw JSON text, embedded as it is. `to` names visitor sockets where `requestId` is 0. */
export function encodeSocketAnswer(answer: {
  readonly requestId: WireId;
  readonly body: string;
  readonly to: readonly WireId[] | null;
}): string {
  const to = answer.to === null ? "" : `,"to_connection_ids":[${answer.to.join(",")}]`;
  return `{"request_id":${answer.requestId},"body":${answer.body}${to}}`;
}

/** Reads what a server sent, on the agent's side. */
export function decodeServerFrame(text: string): HttpFrame | SocketFrame | AbortFrame | FrameProblem {
  const members = jsonMembers(text);
  if (members === null) return frameProblem(null, "a text is not a JSON object");
  const requestId = parseWireId(members.get("request_id") ?? "");
  if (requestId === null) return frameProblem(null, "a frame has no request id");
  switch (stringOf(members.get("type"))) {
    case "HTTP":
      return decodeHttpFrame(requestId, members);
    case "WS":
      return decodeSocketFrame(requestId, members);
    case "ABORT":
      return { type: "abort", requestId };
    default:
      return frameProblem(requestId, "a frame has an unknown type");
  }
}

/** Reads what an agent sent as text, on the server's side. `headerBytesMax` bounds the headers of a text packet. */
export function decodeAgentText(
  text: string,
  headerBytesMax: number,
): Packet | PacketProblem | SocketAnswer | AbortFrame {
  if (text.startsWith(TEXT_PACKET_PREFIX)) return decodeTextPacket(text, headerBytesMax);
  const members = jsonMembers(text);
  if (members === null) return agentProblem(null, "a text is neither a packet nor a JSON object");
  const requestId = parseWireId(members.get("request_id") ?? "");
  if (requestId === null) return agentProblem(null, "a text has no request id");
  if (stringOf(members.get("type")) === "ABORT") return { type: "abort", requestId };
  const body = members.get("body");
  const exclude = idsOf(members.get("exclude_connection_ids"));
  const to = idsOf(members.get("to_connection_ids"));
  if (body === undefined) return agentProblem(requestId, "a text has no body");
  if (exclude === undefined || to === undefined) return agentProblem(requestId, "a list of ids is malformed");
  return { type: "socket_answer", requestId, body, exclude, to };
}

/** More visitor sockets than any server holds; a longer list is an attack on its memory. */
const ANSWER_IDS_MAX = 100_000;

function decodeHttpFrame(requestId: WireId, members: ReadonlyMap<string, string>): HttpFrame | FrameProblem {
  const method = stringOf(members.get("method"));
  const path = stringOf(members.get("path"));
  const profile = stringOrNull(members.get("profile"));
  const query = stringsOf(members.get("query"));
  const headers = headersOf(members.get("headers"));
  if (method === undefined) return frameProblem(requestId, "a request has no method");
  if (path === undefined) return frameProblem(requestId, "a request has no path");
  if (profile === undefined) return frameProblem(requestId, "a profile is not a string");
  if (query === null) return frameProblem(requestId, "a query is not an object of strings");
  if (headers === null) return frameProblem(requestId, "headers are not a JSON object of valid headers");
  const payload = members.get("payload") ?? null;
  return { type: "http_request", requestId, method, path, query, payload, headers, profile };
}

function decodeSocketFrame(
  requestId: WireId,
  members: ReadonlyMap<string, string>,
): SocketFrame | FrameProblem {
  const connectionId = parseWireId(members.get("conn_id") ?? "");
  const body = members.get("body");
  const profile = stringOrNull(members.get("profile"));
  if (connectionId === null) return frameProblem(requestId, "a message has no connection id");
  if (body === undefined) return frameProblem(requestId, "a message has no body");
  if (profile === undefined) return frameProblem(requestId, "a profile is not a string");
  return { type: "socket_message", connectionId, requestId, body, profile };
}

function frameProblem(requestId: WireId | null, detail: string): FrameProblem {
  return { type: "problem", requestId, detail };
}

function agentProblem(requestId: WireId | null, detail: string): PacketProblem {
  return { type: "problem", requestId, code: "agent_protocol", detail };
}

function stringOf(raw: string | undefined): string | undefined {
  return raw === undefined ? undefined : jsonString(raw);
}

/** Null where the member is missing or null, undefined where it is something else than a string. */
function stringOrNull(raw: string | undefined): string | null | undefined {
  return isAbsent(raw) ? null : stringOf(raw);
}

/** An object of strings, empty where the member is missing or null; null where it is something else. */
function stringsOf(raw: string | undefined): Map<string, string> | null {
  const strings = new Map<string, string>();
  if (isAbsent(raw)) return strings;
  const members = jsonMembers(raw);
  if (members === null) return null;
  for (const [key, rawValue] of members) {
    const value = jsonString(rawValue);
    if (value === undefined) return null;
    strings.set(key, value);
  }
  return strings;
}

/** The headers that are strings, by lower-case name; null where one could not be sent as HTTP. */
function headersOf(raw: string | undefined): Map<string, string> | null {
  const headers = new Map<string, string>();
  if (isAbsent(raw)) return headers;
  const members = jsonMembers(raw);
  if (members === null) return null;
  for (const [name, rawValue] of members) {
    const value = jsonString(rawValue);
    if (value === undefined) continue;
    if (!validHeader(name, value)) return null;
    headers.set(name.toLowerCase(), value);
  }
  return headers;
}

/** A list of ids; null where the member is missing or null, undefined where it is something else. */
function idsOf(raw: string | undefined): WireId[] | null | undefined {
  if (isAbsent(raw)) return null;
  if (!raw.startsWith("[")) return undefined;
  const inside = raw.slice(1, -1).trim();
  if (inside === "") return [];
  const parts = inside.split(",", ANSWER_IDS_MAX + 1);
  if (parts.length > ANSWER_IDS_MAX) return undefined;
  const ids: WireId[] = [];
  for (const part of parts) {
    const id = parseWireId(part.trim());
    if (id === null) return undefined;
    ids.push(id);
  }
  return ids;
}

function isAbsent(raw: string | undefined): raw is "null" | undefined {
  return raw === undefined || raw === "null";
}
