/** What can go wrong with tunnels of the native protocol, frame by frame, and with the sessions that outlive them. */
import { ClientSocket } from "../actors/dial.ts";
import type { Direction, FilteredLink } from "../network/path.ts";
import { accessOf, clientTokenOf } from "../scenario/request.ts";
import { isNative } from "../scenario/scenario.ts";
import type { Random } from "../tools/random.ts";
import { bytesFrame, controlFrame, type SocketFrame, voidFrame } from "../wire/frame.ts";
import { alteredEntries, greeting, KIND, readGreeting, readNativeFrame } from "../wire/native.ts";
import { attentive } from "../world/host.ts";
import { type FaultContext, type FaultKind, nothing } from "./fault.ts";
import { filter } from "./frames.ts";
import { encoded, NOBODYS } from "./native-nonsense.ts";
import { drawPermille } from "./network.ts";

/** More than any body of a run. */
const MORE_CREDIT = 2 ** 30;

export const nativeFaults: readonly FaultKind[] = [
  // The connection breaks at a frame, and the one after it again: before the frame, or inside it. At any, or at one that
  // gives credit, which nobody gives again but by saying how far it is.
  {
    name: "native_cut_at_a_frame",
    target: "home",
    suits: isNative,
    lastsMs: [500, 10_000],
    draw: (random) => ({
      up: random.below(2),
      ...random.pick([
        { kind: 0, frame: random.skewed(1, 60) },
        { kind: KIND.credit, frame: random.skewed(1, 6) },
      ]),
      cuts: 2,
      inside: random.below(2),
    }),
    begin: cutAtFrames,
  },
  {
    name: "native_ticket_replayed",
    target: "home",
    suits: isNative,
    lastsMs: [2_000, 10_000],
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
  // A piece is lost with the connection, and what it is about is ended before there is another one.
  {
    name: "native_ended_while_away",
    target: "home",
    suits: isNative,
    lastsMs: [1_000, 12_000],
    draw: (random) => ({
      up: random.below(2),
      piece: random.skewed(1, 12),
      awayMs: random.skewed(1, 3_000),
    }),
    begin: endWhileAway,
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
  // Of an exchange whose beginning never came: its sender has it on its hands until it is told.
  frameFault("native_strangers_reset_to_server", "up", [KIND.piece], withStrangersReset),
  frameFault("native_strangers_reset_to_agent", "down", [KIND.piece], withStrangersReset),
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

function withStrangersReset(frame: SocketFrame, { random }: FaultContext): readonly SocketFrame[] {
  const reset = encoded(
    KIND.reset,
    NOBODYS + random.below(2 ** 20),
    random.below(4),
    0,
    Buffer.from("ended"),
  );
  return [frame, bytesFrame(reset, 0)];
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
  const kind = context.parameter("kind");
  let seen = 0;
  let cuts = 0;
  return filter(path.lane(context.parameter("up") === 1 ? "up" : "down"), (frame) => {
    if (frame.kind !== "bytes" || readNativeFrame(frame.bytes) === null) return null;
    if (kind !== 0 && frame.bytes[0] !== kind) return null;
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

/** Both ends hold the exchange, and one of them has to tell of its end without what the other still waits for. */
function endWhileAway(context: FaultContext): () => void {
  const { site, agenda } = context;
  const { path, home } = site;
  const isUp = context.parameter("up") === 1;
  const awayUs = context.parameter("awayMs") * 1000;
  let seen = 0;
  let isAway = false;
  const comeBack = () => {
    if (!isAway) return;
    isAway = false;
    path.refusals--;
    if (isUp) home.breaks--;
  };
  const stopWatching = filter(path.lane(isUp ? "up" : "down"), (frame) => {
    const piece = frame.kind === "bytes" ? readNativeFrame(frame.bytes) : null;
    if (piece?.kind !== KIND.piece || piece.last || ++seen !== context.parameter("piece")) return null;
    context.fired();
    isAway = true;
    path.refusals++;
    if (isUp) home.breaks++;
    else sendVisitorsAway(context, awayUs);
    agenda.after(0, () => path.cutAll(0, 0));
    agenda.after(awayUs, comeBack);
    return null;
  });
  return () => {
    stopWatching();
    comeBack();
  };
}

/** All who are at the home, one after the other. */
function sendVisitorsAway({ scene, fault, agenda, random }: FaultContext, withinUs: number): void {
  for (const { operation, end } of scene.visits) {
    if (operation.home !== fault.target || end !== null) continue;
    agenda.after(random.below(withinUs), () => scene.visitor(operation.id)?.leave());
  }
}

/** Somebody who has the home's client token, and a ticket that was shown on its tunnel some time ago. */
function replayTicket(context: FaultContext): () => void {
  const { site, scene, world, agenda } = context;
  const tickets: string[] = [];
  let isOver = false;
  const note = filter(site.path.down, (frame) => {
    if (frame.kind === "bytes" && frame.bytes[0] === KIND.welcome) {
      const ticket = readGreeting(frame.bytes)?.ticket;
      if (typeof ticket === "string" && tickets.push(ticket) <= 2) agenda.after(REPLAY_US, seen);
    }
    return null;
  });
  let thief: ClientSocket | null = null;
  const seen = () => {
    if (isOver || thief !== null) return;
    // A welcome has to be seen first, and another one, so that there is a ticket that was used.
    if (tickets.length === 1) site.path.cutAll(0, 0);
    else replay();
  };
  const replay = () => {
    const ticket = tickets.at(-1 - context.parameter("back")) ?? tickets[0];
    if (ticket === undefined) return;
    context.fired();
    const { clientId } = site.spec;
    const socket: ClientSocket = new ClientSocket(
      { world, path: site.path, node: () => scene.node(site.node) },
      {
        target: `/ws?clientId=${clientId}&sender=true`,
        headers: [
          ...["host", "tunnel.example", "sec-websocket-protocol", "culvert.1"],
          ...["authorization", `Bearer ${clientTokenOf(clientId)}`],
          ...["culvert-access", accessOf(context.site.spec)],
        ],
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
  };
  site.path.cutAll(0, 0);
  return () => {
    isOver = true;
    note();
    thief?.hangUp();
  };
}

/** Long enough for the agent to say more than hello, which makes the ticket that it came with an old one. */
const REPLAY_US = 400_000;
