/** What can go wrong with tunnels of the native protocol, frame by frame, and with the sessions that outlive them. */
import { ClientSocket } from "../dial.ts";
import { bytesFrame, controlFrame, type SocketFrame, voidFrame } from "../frame.ts";
import { alteredEntries, greeting, KIND, readGreeting, readNativeFrame } from "../native-wire.ts";
import type { Direction, FilteredLink } from "../path.ts";
import { attentive } from "../pipe.ts";
import type { Random } from "../random.ts";
import { signatureTokenOf } from "../request.ts";
import { isNative } from "../scenario.ts";
import { type FaultContext, type FaultKind, nothing } from "./fault.ts";
import { filter } from "./frames.ts";
import { drawPermille } from "./network.ts";

/** More than any body of a run. */
const MORE_CREDIT = 2 ** 30;

export const nativeFaults: readonly FaultKind[] = [
  // The connection breaks at a frame, and the one after it again: before the frame, or inside it.
  {
    name: "native_cut_at_a_frame",
    target: "home",
    suits: isNative,
    lastsMs: [500, 10_000],
    draw: (random) => ({
      up: random.below(2),
      frame: random.skewed(1, 60),
      cuts: 2,
      inside: random.below(2),
    }),
    begin: cutAtFrames,
  },
  {
    name: "native_ticket_replayed",
    target: "home",
    suits: isNative,
    lastsMs: [1_000, 10_000],
    draw: (random) => ({ back: random.below(3) }),
    begin: replayTicket,
  },
  // Its home's server has given the session up when the agent is back.
  {
    name: "native_session_goes_stale",
    target: "home",
    suits: isNative,
    lastsMs: [1_500, 20_000],
    draw: () => ({}),
    begin: (context) => {
      const { path } = context.site;
      path.refusals++;
      if (path.cutAll(0, 0) > 0) context.fired();
      return () => {
        path.refusals--;
      };
    },
  },
  // The agent is back on another connection, and what it sent on the old one still arrives.
  {
    name: "native_old_tunnel_delivers",
    target: "home",
    suits: isNative,
    lastsMs: null,
    draw: (random) => ({ farUs: random.skewed(1_000, 5_000_000) }),
    begin: (context) => {
      for (const connection of [...context.site.path.connections]) {
        if (connection.leaveBehind === undefined) continue;
        connection.leaveBehind(context.parameter("farUs"));
        context.fired();
      }
      return nothing;
    },
  },
  frameFault("native_hello_missing", "up", [KIND.hello], (frame) => [voidFrame(frame)]),
  frameFault("native_hello_twice", "up", [KIND.hello], (frame) => [
    frame,
    bytesFrame(frame.bytes.slice(), 0),
  ]),
  frameFault("native_welcome_lost", "down", [KIND.welcome], (frame, { agenda, site }) => {
    agenda.after(1_000, () => site.path.cutAll(0, 0));
    return [voidFrame(frame)];
  }),
  frameFault("native_credit_to_agent_exaggerated", "down", [KIND.credit], (frame) => [
    bytesFrame(withMoreCredit(frame.bytes), frame.flushBytes),
  ]),
  frameFault("native_credit_to_server_exaggerated", "up", [KIND.credit], (frame) => [
    bytesFrame(withMoreCredit(frame.bytes), frame.flushBytes),
  ]),
  // What is still under way is acknowledged already, and nobody sends it again if it is lost.
  frameFault("native_acknowledged_ahead", "up", [KIND.credit], (frame, { site }) => {
    site.wasTampered = true;
    const ahead = alteredEntries(frame.bytes, ({ received }) => ({ received: received + 1 }));
    return [bytesFrame(ahead, frame.flushBytes)];
  }),
  frameFault("native_gap_to_server", "up", [KIND.piece], leaveOut),
  frameFault("native_gap_to_agent", "down", [KIND.piece], leaveOut),
  frameFault("native_frames_twice_to_server", "up", [KIND.piece, KIND.credit, KIND.reset], twice),
  frameFault("native_frames_twice_to_agent", "down", [KIND.piece, KIND.credit, KIND.reset], twice),
  // Long after it was taken, as if from a connection that had been thought dead.
  frameFault(
    "native_frames_again_later",
    "up",
    [KIND.piece, KIND.credit],
    (frame, { agenda, random }, link) => {
      agenda.after(1_000 + random.below(3_000_000), () => link.inject({ ...frame, flushBytes: 0 }));
      return null;
    },
  ),
];

function withMoreCredit(bytes: Uint8Array): Uint8Array {
  return alteredEntries(bytes, ({ limit }) => ({ limit: limit + MORE_CREDIT }));
}

/** Nothing tells of a gap behind the last frame that came: what waits for that one may wait for good. */
function leaveOut(frame: SocketFrame, { site }: FaultContext): readonly SocketFrame[] {
  site.wasTampered = true;
  return [voidFrame(frame)];
}

function twice(frame: SocketFrame): readonly SocketFrame[] {
  return [frame, bytesFrame(frame.bytes.slice(), 0)];
}

function drawShare(random: Random): Readonly<Record<string, number>> {
  return { permille: drawPermille(random) };
}

/** Acts on a share of the frames of these kinds; counts where `act` gives frames or does something else to be noticed. */
function frameFault(
  name: string,
  direction: Direction,
  kinds: readonly number[],
  act: (frame: SocketFrame, context: FaultContext, link: FilteredLink) => readonly SocketFrame[] | null,
): FaultKind {
  return {
    name,
    target: "home",
    suits: isNative,
    lastsMs: [500, 10_000],
    draw: drawShare,
    begin: (context) => {
      return filter(context.site.path.lane(direction), (frame, link) => {
        if (frame.kind !== "bytes" || !kinds.includes(frame.bytes[0] ?? 0)) return null;
        if (!context.random.chance(context.parameter("permille"), 1000)) return null;
        context.fired();
        return act(frame, context, link);
      });
    },
  };
}

function cutAtFrames(context: FaultContext): () => void {
  const { path } = context.site;
  let seen = 0;
  let cuts = 0;
  return filter(path.lane(context.parameter("up") === 1 ? "up" : "down"), (frame) => {
    if (frame.kind !== "bytes" || readNativeFrame(frame.bytes) === null) return null;
    if (cuts >= context.parameter("cuts") || ++seen < context.parameter("frame")) return null;
    seen = 0;
    cuts++;
    context.fired();
    const isInside = context.parameter("inside") === 1;
    context.agenda.after(isInside ? path.settings.latencyUs * 2 + 1_000 : 0, () =>
      path.cutAll(0, context.random.below(100_000)),
    );
    // What was sent before it arrives, and then the connection ends; or all that is under way is lost with it.
    return isInside ? [controlFrame("ended")] : null;
  });
}

/** Somebody who has the home's signature token, and a ticket that was shown on its tunnel some time ago. */
function replayTicket(context: FaultContext): () => void {
  const { site, scene, world, agenda } = context;
  const tickets: string[] = [];
  const note = filter(site.path.down, (frame) => {
    if (frame.kind === "bytes" && frame.bytes[0] === KIND.welcome) {
      const ticket = readGreeting(frame.bytes)?.ticket;
      if (typeof ticket === "string") tickets.push(ticket);
    }
    return null;
  });
  let thief: ClientSocket | null = null;
  // A welcome has to be seen first, and another one, so that there is an old ticket.
  site.path.cutAll(0, 0);
  agenda.after(REPLAY_US, () => {
    const ticket = tickets.at(-1 - context.parameter("back")) ?? tickets[0];
    if (ticket === undefined) return;
    context.fired();
    const { clientId } = site.spec;
    const socket: ClientSocket = new ClientSocket(
      { world, path: site.path, node: () => scene.node(site.node) },
      {
        target: `/ws?clientId=${clientId}&sender=true&signature=${signatureTokenOf(clientId)}`,
        headers: ["host", "tunnel.example", "sec-websocket-protocol", "culvert.1"],
        order: "fifo",
        host: attentive,
        handler: {
          opened: () => socket.sendBytes([greeting(KIND.hello, { window: 65_536, ticket })]),
          refused: nothing,
          text: nothing,
          bytes: nothing,
          heard: nothing,
          flushed: nothing,
          closed: nothing,
        },
      },
    );
    thief = socket;
  });
  return () => {
    note();
    thief?.hangUp();
  };
}

const REPLAY_US = 800_000;
