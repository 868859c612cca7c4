/**
 * Messages of visitor sockets: a question goes to the agent of the client id as it was asked, an answer to who asked, and
 * what an agent says unasked to the sockets it names, all of them its own.
 */
import type { ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import type { SocketId } from "../../core/ids.ts";
import type { ServerLimits } from "../../core/limits.ts";
import type { LedgerSocket } from "../ledger/socket.ts";
import type { Property } from "../record/checker.ts";
import type { SteppedServer } from "../record/stepped.ts";

type Texts = readonly Extract<ServerEffect, { readonly type: "socket_send_text" }>[];
type Text = Extract<ServerEvent, { readonly type: "socket_text" }>;

type Answer = {
  readonly request_id?: unknown;
  readonly body?: unknown;
  readonly to_connection_ids?: unknown;
  readonly exclude_connection_ids?: unknown;
};

export const relayed: Property = {
  name: "relayed",
  create: (violate, judged) => {
    let limits: ServerLimits | null = null;
    /** Of each process: who asked what, oldest first. */
    const questions = new Map<string, Map<number, SocketId>>();
    return {
      begun: (setting) => {
        limits = setting.serverLimits;
      },
      sees: ["socket_text"],
      serverStep: (server, event, effects, count) => {
        if (event.type !== "socket_text" || limits === null) return;
        const socket = server.ledger.sockets.get(event.socket);
        if (socket === undefined) return;
        const asked = questions.get(server.name) ?? new Map<number, SocketId>();
        questions.set(server.name, asked);
        const texts = textsOf(effects, count);
        const wrong =
          socket.kind === "visitor"
            ? wrongQuestion(server, socket, event, texts, asked)
            : wrongAnswer(
                server,
                socket,
                event,
                toVisitors(server, texts),
                asked,
                limits.visitorQuestionsMax,
              );
        if (wrong === undefined) return;
        judged();
        if (wrong !== null) violate("safety", `${server.name} ${wrong}`);
      },
    };
  },
};

function textsOf(effects: readonly (ServerEffect | undefined)[], count: number): Texts {
  return effects.slice(0, count).filter((effect) => effect?.type === "socket_send_text");
}

function toVisitors({ ledger }: SteppedServer, texts: Texts): Texts {
  return texts.filter(({ socket }) => ledger.sockets.get(socket)?.kind !== "tunnel");
}

/** What is wrong with how a question was passed on; null where it is right. */
function wrongQuestion(
  { ledger }: SteppedServer,
  asker: LedgerSocket,
  { text }: Text,
  texts: Texts,
  asked: Map<number, SocketId>,
): string | null {
  if (asker.phase !== "open") return texts.length === 0 ? null : `passed on what ${asker.id} said at its end`;
  const [sent] = texts;
  const tunnel = sent === undefined ? undefined : ledger.sockets.get(sent.socket);
  if (sent === undefined || texts.length > 1)
    return `made ${texts.length} frames of a message of ${asker.id}`;
  if (tunnel?.kind !== "tunnel" || tunnel.clientId !== asker.clientId)
    return `sent a message for ${asker.clientId} through socket ${sent.socket}`;
  const frame = JSON.parse(sent.text);
  asked.set(Number(frame.request_id), asker.id);
  const same = JSON.stringify(frame.body) === JSON.stringify(JSON.parse(text));
  if (frame.type === "WS" && frame.conn_id === ledger.idBase + asker.id && same) return null;
  return `altered a message of visitor socket ${asker.id}`;
}

/** The same for an answer; undefined where the text is none. */
function wrongAnswer(
  { ledger }: SteppedServer,
  tunnel: LedgerSocket,
  { text }: Text,
  texts: Texts,
  asked: ReadonlyMap<number, SocketId>,
  questionsMax: number,
): string | null | undefined {
  const answer = read(text);
  if (answer?.body === undefined || tunnel.phase !== "open") return undefined;
  const requestId = Number(answer.request_id);
  const listeners = [...ledger.sockets.values()].filter(
    ({ kind, phase, clientId }) => kind === "visitor" && phase === "open" && clientId === tunnel.clientId,
  );
  const named = (ids: unknown, id: SocketId) => Array.isArray(ids) && ids.includes(ledger.idBase + id);
  const wanted = listeners.filter(({ id }) => {
    if (requestId !== 0)
      return asked.get(requestId) === id && isRemembered(asked, requestId, id, questionsMax);
    const { to_connection_ids: to, exclude_connection_ids: exclude } = answer;
    // A list that is none names nobody, and excludes nobody either: such a message is no answer.
    if (!isList(to) || !isList(exclude)) return false;
    return Array.isArray(to) ? named(to, id) : !named(exclude, id);
  });
  const missed = wanted.find(({ id }) => !texts.some(({ socket }) => socket === id));
  if (missed !== undefined) return `did not tell visitor socket ${missed.id} what its agent said`;
  const body = JSON.stringify(answer.body);
  for (const { socket, text: sent } of texts) {
    const isAsker = asked.get(requestId) === socket && listeners.some(({ id }) => id === socket);
    if (!isAsker && !wanted.some(({ id }) => id === socket))
      return `told socket ${socket} what was not for it`;
    if (JSON.stringify(JSON.parse(sent)) !== body) return `altered an answer to socket ${socket}`;
  }
  return null;
}

/** An array, or nothing at all. */
function isList(ids: unknown): boolean {
  return ids === undefined || ids === null || Array.isArray(ids);
}

/** Whether the question is among the latest of its asker, as many as are remembered. */
function isRemembered(
  asked: ReadonlyMap<number, SocketId>,
  requestId: number,
  asker: SocketId,
  questionsMax: number,
): boolean {
  const own = [...asked].filter(([, socket]) => socket === asker).map(([question]) => question);
  return own.slice(-questionsMax).includes(requestId);
}

function read(text: string): Answer | null {
  if (!text.startsWith("{")) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
