/** What stands between an agent and its server and does not leave handshakes as they are. */
import type { HandshakeHead } from "../network/path.ts";
import type { HomeSpec } from "../scenario/scenario.ts";
import type { SocketFrame } from "../wire/frame.ts";
import { type FaultContext, type FaultKind, noParameters, nothing } from "./fault.ts";
import { filter } from "./frames.ts";

const ACCESS = "culvert-access";
const PROTOCOLS = "sec-websocket-protocol";
/** A protocol that no agent offers. */
const UNKNOWN = "culvert.9";

/** Each in place of what a field says, or added where it is missing. */
const FIELDS: readonly (readonly [name: string, value: string])[] = [
  [PROTOCOLS, UNKNOWN],
  [ACCESS, "friends only"],
  [ACCESS, `basic ${"u".repeat(400)}:${"0".repeat(64)}`],
  ["host", "no host"],
];

export const handshakeFaults: readonly FaultKind[] = [
  {
    name: "handshake_rewritten",
    target: "home",
    suits: isOurs,
    lastsMs: [200, 8_000],
    draw: (random) => ({ field: random.below(FIELDS.length) }),
    begin: (context) => {
      const { path } = context.site;
      const field = FIELDS[context.parameter("field")];
      if (field === undefined) return nothing;
      const rewrite = (head: HandshakeHead) => {
        context.fired();
        return { ...head, headers: withField(head.headers, field) };
      };
      path.rewriters.add(rewrite);
      return reconnecting(context, () => path.rewriters.delete(rewrite));
    },
  },
  // The answer says that a protocol was chosen which was not offered.
  {
    name: "handshake_answer_rewritten",
    target: "home",
    suits: isOurs,
    lastsMs: [200, 8_000],
    draw: noParameters,
    begin: (context) =>
      reconnecting(
        context,
        filter(context.site.path.down, (frame: SocketFrame) => {
          if (frame.kind !== "accepted") return null;
          context.fired();
          return [{ ...frame, text: UNKNOWN }];
        }),
      ),
  },
];

/** A model agent believes all that it is told. */
function isOurs({ agent }: HomeSpec): boolean {
  return agent === "culvert";
}

/** A handshake has to come by; and an agent that gave up because of what became of it is started anew by somebody. */
function reconnecting(context: FaultContext, end: () => void): () => void {
  const { path, agent } = context.site;
  path.cutAll(0, 0);
  return () => {
    end();
    // What is under way still says so.
    path.cutAll(0, 0);
    agent.boot();
  };
}

function withField(
  headers: readonly string[],
  [name, value]: readonly [name: string, value: string],
): readonly string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() !== name) kept.push(headers[index] ?? "", headers[index + 1] ?? "");
  }
  return [...kept, name, value];
}
