/** An agent that says two things about one packet is believed in neither: the exchange ends there and then. */
import type { SeenPacket } from "../ledger/seen-packet.ts";
import type { Property } from "../record/checker.ts";

/** A server remembers this many packets that it passed on, at the least. */
const REMEMBERED = 32;

export const contradictions: Property = {
  name: "contradictions",
  create: (violate, judged) => ({
    sees: ["socket_bytes"],
    serverStep: ({ name, ledger }, event) => {
      if (event.type !== "socket_bytes") return;
      const { packet } = ledger;
      const exchange = packet === null ? undefined : ledger.exchangeOf(packet.requestId);
      if (packet === null || exchange?.tunnel !== event.socket) return;
      const known = exchange.packets.get(packet.packetId);
      if (known === undefined || known === packet || packet.packetId < exchange.next - REMEMBERED) return;
      if (!contradicts(packet, known)) return;
      judged();
      if (exchange.phase === "over") return;
      violate("safety", `exchange ${exchange.id} of ${name} goes on after two packets ${packet.packetId}`);
    },
  }),
};

/** Whether they differ where anybody sees it: of a long body a server may have kept no more than samples. */
function contradicts(a: SeenPacket, b: SeenPacket): boolean {
  if (a.last !== b.last || a.status !== b.status || a.bodyBytes !== b.bodyBytes) return true;
  if (typeof a.content === "string" || typeof b.content === "string") return false;
  if (a.content.length !== b.content.length) return true;
  const headBytes = a.content.length - a.bodyBytes;
  return a.content.subarray(0, headBytes + 1).some((byte, index) => byte !== b.content[index]);
}
