/** A browser: goes from page to page of one home, and keeps the cookies that it is given. Each request has a connection of its own. */
import { browserRequest, prefixOf } from "../../scenario/browser.ts";
import type { BrowserDeed, BrowserOperation, HomeSpec, Scenario } from "../../scenario/scenario.ts";
import { isOurs } from "../../scenario/session.ts";
import { latin1Bytes } from "../../tools/text.ts";
import type { Agenda, World } from "../../world/world.ts";
import { ClientConnection } from "../client-connection.ts";
import type { Dialler } from "../dial.ts";
import { Jar } from "./jar.ts";

export class Browser {
  readonly #world: World;
  readonly #agenda: Agenda;
  readonly #dialler: Dialler;
  readonly #scenario: Scenario;
  readonly #operation: BrowserOperation;
  readonly #home: HomeSpec;
  readonly #jar: Jar;
  #signedInUs: number | null = null;

  constructor(
    dialler: Dialler,
    options: {
      readonly scenario: Scenario;
      readonly operation: BrowserOperation;
      readonly home: HomeSpec;
    },
  ) {
    const { world } = dialler;
    this.#world = world;
    this.#dialler = dialler;
    this.#scenario = options.scenario;
    this.#operation = options.operation;
    this.#home = options.home;
    this.#agenda = world.agenda(`browser:${options.operation.id}`);
    this.#jar = new Jar({ keepsExpired: options.operation.keepsCookies === true });
  }

  begin(): void {
    this.#next(0);
  }

  #next(index: number): void {
    const step = this.#operation.steps[index];
    if (step === undefined) return;
    this.#agenda.after(step.afterMs * 1000, () => this.#do(step.does, () => this.#next(index + 1)));
  }

  #do(does: BrowserDeed, done: () => void): void {
    const world = this.#world;
    const path = `${prefixOf(this.#operation, this.#home)}/`;
    const cookie = this.#jar.cookiesFor(path, world.nowUs);
    const request = browserRequest(this.#scenario, this.#operation, this.#home, { does, cookie });
    const signedInMs = this.#signedInUs === null ? null : (world.nowUs - this.#signedInUs) / 1000;
    let status: number | null = null;
    let headers: readonly string[] = [];
    const turn = new ClientConnection(this.#dialler, { peer: request.head.peer }).ask(request.head, {
      interim: () => {},
      head: (said, fields) => {
        status = said;
        headers = fields;
      },
      body: () => {},
      ended: (how) => {
        const isWhole = how === "complete";
        const { clientId } = this.#home;
        world.trace?.line(
          world.nowUs,
          `browser ${this.#operation.id}`,
          `${does} at ${clientId}: ${status ?? how}`,
        );
        world.watch.browserAnswered({
          operation: this.#operation,
          home: this.#home,
          does,
          isWhole,
          status,
          headers,
          signedInMs,
        });
        this.#take(does, status, headers);
        done();
      },
    });
    if (!request.head.hasBody) return;
    turn.sendBody(latin1Bytes(request.body), () => request.body.length);
    turn.endBody([]);
  }

  #take(does: BrowserDeed, status: number | null, headers: readonly string[]): void {
    const fields = headers.filter(
      (_, index) => headers[index - 1]?.toLowerCase() === "set-cookie" && index % 2 === 1,
    );
    for (const field of fields) this.#jar.take(field, this.#world.nowUs);
    if (!fields.some(isOurs)) return;
    if (does !== "sign_out" && status === 303) this.#signedInUs = this.#world.nowUs;
    if (does === "sign_out" && status === 303) this.#signedInUs = null;
  }
}
