/** How anybody outside reaches a node: by a TCP connection, and over one by the handshake of a WebSocket. */
import { Link, type LinkEnd, type LinkHandler } from "../network/link.ts";
import type { HandshakeHead, Path } from "../network/path.ts";
import type { QueueOrder } from "../scenario/scenario.ts";
import type { Host } from "../world/host.ts";
import type { World } from "../world/world.ts";
import type { Node } from "./node.ts";
import type { ServerProcess } from "./server-process.ts";

/** Where this stands in a portal's answer to a handshake, the target is quoted. */
export const ASKED_FOR = "{target}";

export type Dialler = {
  readonly world: World;
  readonly path: Path;
  /** The connection is taken for one that was there already: also by a server that takes no new ones. */
  readonly keepsConnection?: boolean;
  /** Asked at each connection: a name may be led elsewhere meanwhile. */
  readonly node: () => Node;
};

/** A balancer, which leads each dial to one of the nodes by chance. */
export function anyOf(world: World, name: string, nodes: readonly Node[]): () => Node {
  const random = world.random(name);
  return () => random.pick(nodes);
}

/** A WebSocket that its client opens: may be ordered about before it is there, reports `closed` once whatever happens. */
export class ClientSocket {
  readonly #host: Host;
  readonly #handler: LinkHandler;
  #end: LinkEnd | null = null;
  #over = false;

  constructor(
    dialler: Dialler,
    options: {
      readonly target: string;
      readonly headers: readonly string[];
      readonly order: QueueOrder;
      readonly host: Host;
      readonly handler: LinkHandler;
    },
  ) {
    const { world, path } = dialler;
    const { host, handler, order, target, headers } = options;
    this.#host = host;
    this.#handler = handler;
    connect(
      dialler,
      { target, headers },
      {
        refused: () => this.#fail(),
        reached: (server) => {
          if (this.#over) return;
          const portal = path.portal();
          if (portal !== null) {
            this.#refuse(portal.status, portal.body.replace(ASKED_FOR, target));
            return;
          }
          const { socket, handler: serverHandler } = server.connections.socketHandler();
          const link = new Link(world, {
            path,
            name: `link:${path.name}:${path.made}`,
            order,
            client: { host, handler },
            server: { host: server.process, handler: serverHandler },
            messageBytesMax: server.messageBytesMax,
          });
          this.#end = link.client;
          let head: HandshakeHead = { target, headers };
          for (const rewrite of path.rewriters) head = rewrite(head);
          server.process.run(() =>
            server.connections.requestUpgrade(socket, link.server, head.target, head.headers),
          );
        },
      },
    );
  }

  sendText(text: string): void {
    this.#end?.sendText(text);
  }

  sendBytes(pieces: readonly Uint8Array[]): void {
    this.#end?.sendBytes(pieces);
  }

  ping(): void {
    this.#end?.ping();
  }

  close(code: number, reason: string): void {
    if (this.#end === null) this.#fail();
    else this.#end.close(code, reason);
  }

  terminate(): void {
    if (this.#end === null) this.#fail();
    else this.#end.terminate();
  }

  pause(paused: boolean): void {
    this.#end?.pause(paused);
  }

  /** Its process has died. */
  hangUp(): void {
    this.#over = true;
    this.#end?.hangUp();
  }

  /** Its machine has died. */
  vanish(): void {
    this.#over = true;
    this.#end?.vanish();
  }

  /** Somebody else answered than the server. */
  #refuse(status: number, body: string): void {
    this.#host.run(() => {
      if (!this.#over) this.#handler.refused(status, body);
    });
    this.#fail();
  }

  /** It ended before there was a connection. */
  #fail(): void {
    if (this.#over) return;
    this.#over = true;
    this.#host.run(() => this.#handler.closed(1006, ""));
  }
}

/** One trip to the node and, where nobody listens, one back. On a silent path nothing ever comes back. */
export function connect(
  { world, path, node, keepsConnection = false }: Dialler,
  knock: object,
  answer: { readonly reached: (server: ServerProcess) => void; readonly refused: () => void },
): void {
  const agenda = world.agenda(`dial:${path.name}:${path.made}`);
  path.made++;
  world.trace?.sent(world.nowUs, path.name, "", knock);
  if (path.silences > 0) return;
  const { latencyUs } = path.settings;
  agenda.after(latencyUs + path.up.extraUs, () =>
    path.up.arrive(() => {
      const reached = node();
      const { name } = reached;
      const server = reached.listener(keepsConnection);
      world.trace?.arrived(world.nowUs, knock, name);
      if (path.refusals > 0 || server === null) {
        const refusal = { kind: "refused" };
        world.trace?.sent(world.nowUs, name, path.name, refusal);
        agenda.after(latencyUs, () => {
          world.trace?.arrived(world.nowUs, refusal);
          answer.refused();
        });
      } else answer.reached(server);
    }),
  );
}
