/** Agents that do not keep to the protocol: what a filter between the program and its connection can make of good packets. */
import type { AgentProgram } from "../actors/agent.ts";
import type { FilteredLink } from "../network/path.ts";
import { type HomeSpec, isNative } from "../scenario/scenario.ts";
import { bytesFrame, type SocketFrame, textFrame, voidFrame } from "../wire/frame.ts";
import { altered, encodeSimPacket, readSimPacket, SIM_PACKET_HEADER_BYTES } from "../wire/packet.ts";
import { type FaultContext, type FaultKind, noParameters, nothing } from "./fault.ts";
import { filter } from "./frames.ts";
import { drawPermille, repeat } from "./network.ts";

type Packet = { readonly requestId: number; readonly packetId: number; readonly last: boolean };

const HUGE_HEADER_CHARACTERS = 300_000;
const NO_BYTES = new Uint8Array(0);

export const agentFaults: readonly FaultKind[] = [
  // Held back for a while and sent behind others, further than its queue would ever reorder.
  packetFault("agent_reorders", false, (frame, _packet, context, link) => {
    const delayUs = 1_000 + context.random.below(1_500_000);
    context.agenda.after(delayUs, () => link.inject({ ...frame, flushBytes: 0 }));
    return [voidFrame(frame)];
  }),
  packetFault("agent_doubles_with_other_bytes", true, (frame, packet) => {
    if (frame.bytes.length < SIM_PACKET_HEADER_BYTES + 8 || packet.packetId === 1) return null;
    const other = frame.bytes.slice();
    for (let index = SIM_PACKET_HEADER_BYTES; index < other.length; index++)
      other[index] = ~(other[index] ?? 0);
    return [frame, bytesFrame(other, 0)];
  }),
  packetFault("agent_doubles_with_other_headers", true, (frame, packet) => {
    if (packet.packetId !== 1 || frame.bytes.length < SIM_PACKET_HEADER_BYTES + 6) return null;
    const view = new DataView(frame.bytes.buffer, frame.bytes.byteOffset, frame.bytes.length);
    const other = frame.bytes.slice();
    // The last character of the last header's value; what follows it is a quotation mark and a brace.
    const place = SIM_PACKET_HEADER_BYTES + 6 + view.getUint32(SIM_PACKET_HEADER_BYTES + 2) - 3;
    other[place] = (other[place] ?? 0) ^ 1;
    return [frame, bytesFrame(other, 0)];
  }),
  packetFault("agent_leaves_a_gap", false, (frame, packet) =>
    packet.packetId === 1 ? null : [voidFrame(frame)],
  ),
  packetFault("agent_sends_data_after_last", false, (frame, packet, context) => {
    if (!packet.last) return null;
    const more = encodeSimPacket({
      ...packet,
      packetId: packet.packetId + 1,
      last: false,
      head: null,
      body: context.random.bytes(50),
    });
    return [frame, bytesFrame(more, 0)];
  }),
  packetFault("agent_ends_twice", false, (frame, packet) => {
    if (!packet.last) return null;
    const second = encodeSimPacket({ ...packet, packetId: packet.packetId + 1, head: null, body: NO_BYTES });
    return [frame, bytesFrame(frame.bytes.slice(), 0), bytesFrame(second, 0)];
  }),
  packetFault("agent_names_unknown_request", false, (frame, _packet, context) => {
    const requestId = context.random.below(2 ** 32) * 2 ** 20;
    return [frame, bytesFrame(altered(frame.bytes, { requestId }), 0)];
  }),
  packetFault("agent_repeats_much_later", false, (frame, _packet, { agenda, random }, link) => {
    agenda.after(random.skewed(1_000, 4_000_000), () => link.inject({ ...frame, flushBytes: 0 }));
    return [frame];
  }),
  {
    name: "agent_names_foreign_request",
    target: "home",
    suits: speaksPackets,
    lastsMs: [2_000, 20_000],
    draw: (random) => ({ permille: drawPermille(random) }),
    begin: nameForeignRequests,
  },
  {
    name: "agent_names_finished_request",
    target: "home",
    suits: speaksPackets,
    lastsMs: [500, 10_000],
    draw: (random) => ({ permille: drawPermille(random) }),
    begin: (context) => {
      let finished: Uint8Array | null = null;
      // What the agent has finished may still be on its way to the server, and then this puts bytes into its body.
      const endTampering = context.scene.tamperWith(context.fault.target);
      const endFilter = onPackets(context, (frame, packet) => {
        const again = finished;
        if (packet.last) finished = frame.bytes.slice();
        if (again === null) return null;
        const more = altered(again, { packetId: 1 + context.random.below(9), last: false });
        return [frame, bytesFrame(more, 0)];
      });
      return () => {
        endFilter();
        endTampering();
      };
    },
  },
  packetFault("agent_sends_huge_headers", false, (frame, packet) => {
    if (packet.packetId !== 1) return null;
    const headers = { "content-type": "text/plain", "x-huge": "h".repeat(HUGE_HEADER_CHARACTERS) };
    const huge = encodeSimPacket({ ...packet, head: { status: 200, headers }, body: NO_BYTES });
    return [bytesFrame(huge, frame.flushBytes)];
  }),
  packetFault("agent_sends_bad_status", false, (frame, packet, context) => {
    if (packet.packetId !== 1) return null;
    const status = context.random.pick([0, 42, 99, 100, 101, 1000, 65_535]);
    const bad = encodeSimPacket({ ...packet, head: { status, headers: {} }, body: NO_BYTES });
    return [bytesFrame(bad, frame.flushBytes)];
  }),
  {
    name: "agent_sends_empty_packets",
    target: "home",
    suits: speaksPackets,
    lastsMs: [500, 10_000],
    draw: noParameters,
    begin: sendEmptyPackets,
  },
  {
    name: "agent_stops_without_a_word",
    target: "home",
    suits: speaksPackets,
    lastsMs: [500, 10_000],
    draw: (random) => ({ packet: random.skewed(1, 12) }),
    begin: (context) =>
      onPackets(context, (frame, packet) =>
        packet.requestId % 2 === 0 && packet.packetId >= context.parameter("packet")
          ? [voidFrame(frame)]
          : null,
      ),
  },
  // It goes no further than some packet, and sends the one before it again and again.
  {
    name: "agent_repeats_itself",
    target: "home",
    suits: speaksPackets,
    lastsMs: [2_000, 40_000],
    draw: (random) => ({ packet: random.skewed(2, 12), everyMs: random.between(200, 2_000) }),
    begin: repeatPackets,
  },
  {
    name: "agent_ignores_abort",
    target: "home",
    suits: speaksPackets,
    lastsMs: [500, 15_000],
    draw: noParameters,
    begin: (context) =>
      filter(context.site.path.down, (frame) => {
        if (frame.kind !== "text" || !frame.text.includes('"ABORT"')) return null;
        context.fired();
        return [voidFrame(frame)];
      }),
  },
  // An answer to a visitor socket's question that nobody asked, or that somebody else asked.
  {
    name: "agent_answers_out_of_place",
    target: "home",
    suits: speaksPackets,
    lastsMs: [500, 10_000],
    draw: (random) => ({ permille: drawPermille(random) }),
    begin: (context) =>
      filter(context.site.path.up, (frame) => {
        if (frame.kind !== "text" || !context.random.chance(context.parameter("permille"), 1000)) return null;
        context.fired();
        const body = { home: context.site.spec.clientId, push: -1 };
        const request_id = context.random.below(2 ** 32);
        return [frame, textFrame(JSON.stringify({ request_id, body }), 0), { ...frame, flushBytes: 0 }];
      }),
  },
  {
    name: "agent_has_a_twin",
    target: "home",
    lastsMs: [1_000, 15_000],
    draw: (random) => ({ together: random.below(2) }),
    begin: (context) => {
      // Now and then both connect at the same time.
      if (context.parameter("together") === 1) context.site.path.cutAll(0, 0);
      const twin = context.scene.twinOf(context.fault.target, `twin:${context.fault.id}`);
      context.fired();
      return () => twin.crash("process");
    },
  },
  // Another installation with the same client id: it speaks the other protocol, and opens the home to others.
  // Where it is alone it takes its time, so that visitors wait whom the first one had let in.
  {
    name: "agent_has_an_unlike_twin",
    target: "home",
    // Where an agent of Culvert's own was, MoosicBox's comes in no more.
    suits: ({ agent, heals }) => agent === "culvert" || !heals,
    lastsMs: [1_000, 15_000],
    draw: (random) => ({ alone: random.below(2), afterMs: random.between(1, 3_000) }),
    begin: (context) => {
      const { site, scene, fault, agenda } = context;
      const isAlone = context.parameter("alone") === 1;
      if (isAlone) {
        site.path.refusals++;
        site.path.cutAll(0, 0);
      }
      let twin: AgentProgram | null = null;
      let isOver = false;
      agenda.after(isAlone ? context.parameter("afterMs") * 1000 : 0, () => {
        if (isOver) return;
        twin = scene.twinOf(fault.target, `twin:${fault.id}`, unlike);
        context.fired();
      });
      return () => {
        isOver = true;
        twin?.crash("process");
        if (isAlone) site.path.refusals--;
      };
    },
  },
];

function speaksPackets(home: HomeSpec): boolean {
  return !isNative(home);
}

function unlike({ access, ...spec }: HomeSpec): HomeSpec {
  const other = access === undefined ? { access: "basic" as const } : {};
  return {
    ...spec,
    ...other,
    agent: "culvert",
    queue: "fifo",
    protocol: isNative(spec) ? "moosicbox" : "auto",
  };
}

function packetFault(
  name: string,
  tampers: boolean,
  alter: (
    frame: SocketFrame,
    packet: Packet,
    context: FaultContext,
    link: FilteredLink,
  ) => readonly SocketFrame[] | null,
): FaultKind {
  return {
    name,
    target: "home",
    suits: speaksPackets,
    lastsMs: [500, 10_000],
    draw: (random) => ({ permille: drawPermille(random) }),
    begin: (context) => {
      const endTampering = tampers ? context.scene.tamperWith(context.fault.target) : nothing;
      const endFilter = onPackets(context, (frame, packet, link) => alter(frame, packet, context, link));
      return () => {
        endFilter();
        endTampering();
      };
    },
  };
}

/** Shows a share of the home's packets to `act`; where it gives frames, they are sent instead. */
function onPackets(
  context: FaultContext,
  act: (frame: SocketFrame, packet: Packet, link: FilteredLink) => readonly SocketFrame[] | null,
): () => void {
  const permille = context.fault.parameters.permille ?? 1000;
  return filter(context.site.path.up, (frame, link) => {
    const packet = frame.kind === "bytes" ? readSimPacket(frame.bytes) : null;
    if (packet === null || !context.random.chance(permille, 1000)) return null;
    const frames = act(frame, packet, link);
    if (frames !== null) context.fired();
    return frames;
  });
}

/** Between any two packets of a response goes one without a byte, and all are numbered anew. */
function sendEmptyPackets(context: FaultContext): () => void {
  // A response is numbered in one way from its beginning to its end, even where the fault ends before it does.
  const renumbered = new Set<number>();
  // What another fault holds back meanwhile comes later under its old number, and is taken for another packet.
  const endTampering = context.scene.tamperWith(context.fault.target);
  let over = false;
  filter(context.site.path.up, (frame) => {
    const packet = frame.kind === "bytes" ? readSimPacket(frame.bytes) : null;
    if (packet === null) return null;
    if (packet.packetId === 1 && !packet.last && !over) renumbered.add(packet.requestId);
    if (!renumbered.has(packet.requestId)) return null;
    context.fired();
    const moved = bytesFrame(altered(frame.bytes, { packetId: 2 * packet.packetId - 1 }), frame.flushBytes);
    if (packet.last) return [moved];
    const empty = { ...packet, packetId: 2 * packet.packetId, head: null, body: NO_BYTES };
    return [moved, bytesFrame(encodeSimPacket(empty), 0)];
  });
  return () => {
    over = true;
    endTampering();
  };
}

function repeatPackets(context: FaultContext): () => void {
  const latest = new Map<number, () => void>();
  const endFilter = onPackets(context, (frame, packet, link) => {
    if (packet.packetId >= context.parameter("packet")) return [voidFrame(frame)];
    if (packet.last) latest.delete(packet.requestId);
    else latest.set(packet.requestId, () => link.inject({ ...frame, flushBytes: 0 }));
    return null;
  });
  const endRepeating = repeat(context, () => {
    for (const send of latest.values()) send();
  });
  return () => {
    endRepeating();
    endFilter();
  };
}

/** Packets of this home's agent also go out under the ids of exchanges that run through other homes' tunnels. */
function nameForeignRequests(context: FaultContext): () => void {
  const foreign: number[] = [];
  const ends = context.scene.sites
    .filter((site) => site !== context.site)
    .map((site) =>
      filter(site.path.up, (frame) => {
        const packet = frame.kind === "bytes" ? readSimPacket(frame.bytes) : null;
        if (packet !== null && !packet.last) foreign.push(packet.requestId);
        return null;
      }),
    );
  const end = onPackets(context, (frame) => {
    const requestId = foreign.at(-1);
    return requestId === undefined ? null : [frame, bytesFrame(altered(frame.bytes, { requestId }), 0)];
  });
  return () => {
    end();
    for (const each of ends) each();
  };
}
