/** The home service behind an agent: takes requests, has them answered, and keeps a record of every call. */
import type { HomeEnd, HomeLine } from "../../network/home-line.ts";
import { Path } from "../../network/path.ts";
import type { HomeCall } from "../../record/home-call.ts";
import type { Recorder } from "../../record/recorder.ts";
import { AGENTS_FIELD, LIST_HEADERS } from "../../scenario/quirks.ts";
import { bodyOf, clientTokenOf, visitorTokenOf } from "../../scenario/request.ts";
import type { HomeSpec, PathSettings, VisitOperation } from "../../scenario/scenario.ts";
import { headerOf } from "../../tools/headers.ts";
import type { World } from "../../world/world.ts";
import { Answer, CONNECT_US, isSame } from "./answer.ts";
import { HomeConnection, type HomeVisitor } from "./connection.ts";
import type { HomeClient, HomeCondition, HomeQuestion, HomeRequest, HomeTrouble } from "./request.ts";

/** Where a scenario says nothing of them. */
const LAN: PathSettings = { latencyUs: 150, jitterUs: 0, bytesPerMs: 100_000, windowBytes: 65_536 };
const IDLE_MS = 5_000;

const REFUSED: HomeRequest = { abort: () => {}, pause: () => {}, send: () => {}, sendEnd: () => {} };

export class Home implements HomeCondition {
  readonly clientId: string;
  /** Between its agent and it. */
  readonly path: Path;
  /** It ends a connection on which nothing was asked for so long. */
  readonly idleMs: number;
  readonly calls: HomeCall[] = [];
  /** Connections are refused while above 0. */
  refusals = 0;
  /** Requests are taken and never answered while above 0. */
  silences = 0;
  /** Answers break in the middle while above 0. */
  breaks = 0;
  /** Answers stop in the middle, and go on when it is 0 again. */
  droughts = 0;
  /** Somebody on the way to the agent put frames of his own among its server's: any bytes may come. */
  wasTampered = false;
  /** Tells a fault that it did something. */
  onTrouble: (what: HomeTrouble) => void = () => {};
  readonly #world: World;
  readonly #visitOf: (target: string) => VisitOperation | null;

  constructor(
    world: World,
    { clientId, lan = LAN, idleMs = IDLE_MS }: Pick<HomeSpec, "clientId" | "lan" | "idleMs">,
    visitOf: (target: string) => VisitOperation | null,
  ) {
    this.#world = world;
    this.clientId = clientId;
    this.path = new Path(world, `lan:${clientId}`, lan);
    this.idleMs = idleMs;
    this.#visitOf = visitOf;
  }

  /** Takes a connection of an agent's process, or refuses it. */
  accept(line: HomeLine, agent: HomeVisitor): HomeEnd | null {
    if (this.refusals > 0) {
      this.onTrouble("refused");
      return null;
    }
    return new HomeConnection(this.#world, this, line, agent);
  }

  visitOf(target: string): VisitOperation | null {
    return this.#visitOf(target);
  }

  request(request: HomeQuestion, client: HomeClient): HomeRequest {
    const agenda = this.#world.agenda(`home:${this.clientId}:${request.target}:${this.calls.length}`);
    const visit = this.#visitOf(request.target);
    const heard = this.#world.trace === null ? client : this.#overheard(this.#world.trace, visit, client);
    if (this.refusals > 0) {
      this.onTrouble("refused");
      agenda.after(CONNECT_US, () => heard.failed("refused"));
      return REFUSED;
    }
    const isWhole = request.body !== "streamed" && request.upgrade !== true;
    const call: HomeCall = {
      clientId: this.clientId,
      visit,
      method: request.method,
      target: request.target,
      connection: request.connection ?? null,
      atUs: this.#world.nowUs,
      bodyIntact: visit === null || !isWhole || (request.body ?? "") === (bodyOf(visit) ?? ""),
      headersIntact: visit === null || request.headers === null || areIntact(visit, request.headers),
      told: request.headers === null ? null : toldBy(request.headers, this.clientId),
      misnamed:
        visit === null || request.headers === null
          ? null
          : misnamedIn(visit, request.target, request.headers),
      end: null,
      silent: true,
    };
    this.calls.push(call);
    call.connection?.calls.push(call);
    this.#world.trace?.line(call.atUs, this.clientId, `${call.method} ${call.target}`);
    this.#world.watch.homeCalled(call);
    return new Answer(this.#world, agenda, { home: this, call, client: heard, request });
  }

  /** The same client, with a recorder that listens in. */
  #overheard(recorder: Recorder, visit: VisitOperation | null, client: HomeClient): HomeClient {
    const pass = (from: string, to: string, content: object) => {
      const message = { ...content, visit: visit?.id ?? null };
      recorder.sent(this.#world.nowUs, from, to, message);
      recorder.arrived(this.#world.nowUs, message);
    };
    const answer = (content: object) => pass(this.clientId, client.name, content);
    pass(client.name, this.clientId, { kind: "request" });
    return {
      ...client,
      interim: (status, headers) => {
        answer({ kind: "interim", status, headers });
        client.interim(status, headers);
      },
      head: (status, headers) => {
        answer({ kind: "head", status, headers });
        client.head(status, headers);
      },
      body: (bytes) => {
        answer({ kind: "body", bytes });
        client.body(bytes);
      },
      ended: (trailers) => {
        answer({ kind: "end" });
        client.ended(trailers);
      },
      failed: (fault) => {
        answer({ kind: "failed", fault });
        client.failed(fault);
      },
    };
  }
}

/** What of the fields says too much. */
function toldBy(headers: readonly string[], clientId: string): NonNullable<HomeCall["told"]> {
  const tokens = [clientTokenOf(clientId), visitorTokenOf(clientId)];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = (headers[index] ?? "").toLowerCase().replaceAll("_", "-");
    if (name.startsWith("culvert-")) return "a word of Culvert's";
    if (tokens.some((token) => headers[index + 1]?.includes(token))) return "a token of its own";
  }
  return "nothing";
}

/** Of the fields that name the place which is asked for, the first that does not name it as the home is told that it is. */
function misnamedIn(
  { request: { quirks = [] } }: VisitOperation,
  target: string,
  headers: readonly string[],
): string | null {
  if (!quirks.includes("names_places")) return null;
  const [path = ""] = target.split("?");
  const site = `http://${headerOf(headers, "host") ?? ""}`;
  const named = {
    origin: site,
    referer: `${site}${path}?from=here`,
    destination: `${site}${path}`,
    if: `<${site}${path}> (["<a>"]) <${path}> (<urn:uuid:1> ["b"])`,
  };
  const wrong = Object.entries(named).find(([name, value]) => headerOf(headers, name) !== value);
  return wrong?.[0] ?? null;
}

/** Whether fields that no hop may touch came in their order and spelling. */
function areIntact({ request: { quirks = [] } }: VisitOperation, headers: readonly string[]): boolean {
  // Whoever sets the field, the agent or the visitor, it comes once.
  const isSetter = (text: string, index: number) => index % 2 === 0 && text.toLowerCase() === AGENTS_FIELD;
  if (quirks.includes("agents_field") && headers.filter(isSetter).length !== 1) return false;
  if (!quirks.includes("list_headers")) return true;
  const first = headers.indexOf(LIST_HEADERS[0]);
  return first >= 0 && isSame(headers.slice(first, first + LIST_HEADERS.length), LIST_HEADERS);
}
