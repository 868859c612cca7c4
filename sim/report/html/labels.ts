/** What a step was about, in the few words that fit beside its mark. */
import { describeBytes, describeText, outcomeLabel } from "./messages.ts";
import { bytesLabel, labelled } from "./show.ts";

type Content = Readonly<Record<string, unknown>>;

/** Effects named in a label; the details name all. */
const EFFECTS_NAMED_MAX = 3;
/** Events that tell nothing where no effect follows. */
const QUIET: ReadonlySet<string> = new Set(["tick", "socket_flushed", "exchange_flushed", "socket_heard"]);

export function isQuiet(eventType: string): boolean {
  return QUIET.has(eventType);
}

export function stepLabel(event: string, effects: readonly string[]): string {
  if (effects.length === 0) return event;
  const named = [...new Set(effects)];
  const rest = named.length - EFFECTS_NAMED_MAX;
  const more = rest > 0 ? `, ${rest} more` : "";
  return `${event} → ${named.slice(0, EFFECTS_NAMED_MAX).join(", ")}${more}`;
}

export function eventLabel(type: string, event: object): string {
  const content: Content = { ...event };
  switch (type) {
    case "exchange_opened":
      return labelled(`${content.method} ${content.target}`);
    case "upgrade_requested":
      return labelled(`upgrade ${content.target}`);
    case "socket_text":
      return describeText(String(content.text)).label;
    case "socket_bytes":
      return content.bytes instanceof Uint8Array
        ? describeBytes(content.bytes, content.bytes.length).label
        : type;
    case "socket_closed":
      return labelled(`socket closed ${content.code} ${content.reason}`.trim());
    case "socket_refused":
      return `socket refused ${content.status}`;
    case "exchange_body":
      return `request body ${sizeOf(content.bytes)}`;
    case "exchange_closed":
      return content.complete === true ? "exchange closed" : "exchange closed early";
    case "origin_head":
      return `origin head ${content.status}`;
    case "origin_body":
      return `origin body ${sizeOf(content.bytes)}`;
    case "origin_failed":
      return `origin failed, ${content.fault}`;
    case "api_answered":
      return `api answered ${content.status}`;
    case "registry_answered":
      return registryLabel(content.outcome);
    default:
      return type.replaceAll("_", " ");
  }
}

/** Null for what needs no word in a label. */
export function effectLabel(type: string, effect: object): string | null {
  const content: Content = { ...effect };
  switch (type) {
    case "report":
      return null;
    case "respond":
    case "respond_head":
    case "upgrade_refuse":
      return `${type.replaceAll("_", " ")} ${content.status}`;
    case "socket_send_text":
      return describeText(String(content.text)).label;
    case "socket_send_packet":
      return packetLabel(content);
    case "socket_close":
      return `close ${content.code}`;
    case "socket_pause":
    case "origin_pause":
      return `${content.paused === true ? "pause" : "resume"} ${type === "socket_pause" ? "socket" : "origin"}`;
    case "registry_call":
      return typeOf(content.operation);
    default:
      return type.replaceAll("_", " ");
  }
}

function packetLabel({ header, body }: Content): string {
  if (!(header instanceof Uint8Array)) return "packet";
  let length = header.length;
  if (Array.isArray(body)) for (const piece of body) if (piece instanceof Uint8Array) length += piece.length;
  return describeBytes(header, length).label;
}

function registryLabel(outcome: unknown): string {
  return typeof outcome === "object" && outcome !== null
    ? outcomeLabel(typeOf(outcome), { ...outcome })
    : "answer";
}

function sizeOf(bytes: unknown): string {
  return bytes instanceof Uint8Array ? bytesLabel(bytes.length) : "";
}

function typeOf(value: unknown): string {
  return typeof value === "object" && value !== null && "type" in value ? String(value.type) : "";
}
