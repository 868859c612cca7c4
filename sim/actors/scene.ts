/**
 * The cast of a run: nodes, registry, homes with their agents and paths, visitors. Built from a scenario; what faults
 * take hold of.
 */
import { edgeLimits } from "../../core/edge/limits.ts";
import { agentLimits, type ServerLimits, serverLimits } from "../../core/limits.ts";
import { Path } from "../network/path.ts";
import type { Finish } from "../record/finish.ts";
import { Visit } from "../record/visit.ts";
import { nameAsked } from "../scenario/certificates.ts";
import { answerOf } from "../scenario/model.ts";
import {
  ACCESS_TOKEN,
  bodyOf,
  clientTokenOf,
  ownNameOf,
  requestOf,
  tokenOf,
  tunnelSignatureOf,
  VisitIndex,
} from "../scenario/request.ts";
import {
  type BrowserOperation,
  type HomeSpec,
  isNative,
  type Operation,
  type Scenario,
  type SocketOperation,
  type VisitOperation,
} from "../scenario/scenario.ts";
import type { World } from "../world/world.ts";
import { type AgentProgram, CulvertAgent } from "./agent.ts";
import { Browser } from "./browser/browser.ts";
import { ClientConnection } from "./client-connection.ts";
import { anyOf, type Dialler } from "./dial.ts";
import { Home } from "./home/home.ts";
import { MoosicBoxAgent } from "./moosicbox-agent.ts";
import { Node } from "./node.ts";
import { FakeRegistry } from "./registry.ts";
import { seedTokens, tokensOf } from "./seeded-tokens.ts";
import { createPeerNetwork } from "./server-peers.ts";
import type { ServerProcess } from "./server-process.ts";
import { heldBySessions } from "./session-hold.ts";
import { Visitor, type VisitorMood } from "./visitor.ts";
import { VisitorSocket } from "./visitor-socket.ts";

/** A private network: a home, the program that keeps its tunnel, and the way to the server. */
export class Site {
  readonly spec: HomeSpec;
  readonly home: Home;
  readonly path: Path;
  readonly agent: AgentProgram;
  /** Index of the node that agent and visitors are led to. */
  node: number;
  /** Above 0 while a fault changes bytes of its agent's packets. */
  tampering = 0;
  wasTampered = false;

  constructor(spec: HomeSpec, home: Home, path: Path, agent: AgentProgram) {
    this.spec = spec;
    this.home = home;
    this.path = path;
    this.agent = agent;
    this.node = spec.node;
  }
}

export class Scene {
  readonly world: World;
  readonly scenario: Scenario;
  readonly serverLimits: ServerLimits;
  readonly registry: FakeRegistry;
  readonly nodes: readonly Node[];
  readonly sites: readonly Site[];
  readonly visits: Visit[] = [];
  /** By process: what it asks of other nodes goes over this one. */
  readonly peerPaths = new Map<string, Path>();
  readonly visitorSockets: VisitorSocket[] = [];
  readonly #visitIndex = new VisitIndex();
  readonly #visitors = new Map<number, Visitor>();
  readonly #visitPaths = new Map<number, Path>();
  /** By the visits that used them. */
  readonly #connections = new Map<number, ClientConnection>();
  /** By visits that come on others' connections: the visit whose connection it was first. */
  readonly #hosts = new Map<number, number>();
  readonly #moods = new Map<number, VisitorMood>();

  constructor(world: World, scenario: Scenario) {
    this.world = world;
    this.scenario = scenario;
    this.serverLimits = { ...serverLimits, ...scenario.serverLimits };
    this.registry = new FakeRegistry(world, scenario.registryLatencyUs);
    seedTokens(this.registry.tokens, scenario);
    const settings = {
      accessToken: ACCESS_TOKEN,
      registerAgain: scenario.registerAgain ?? ("moosicbox" as const),
      corsOrigins: scenario.corsOrigins ?? null,
      trustedProxies: scenario.trustedProxies ?? [],
      pathRouting: scenario.pathRouting ?? true,
      hostnames: Object.fromEntries(
        scenario.homes.flatMap((home) => {
          const name = ownNameOf(home);
          return name === null ? [] : [[name, home.clientId]];
        }),
      ),
      limits: this.serverLimits,
      edgeLimits: { ...edgeLimits, ...scenario.edgeLimits },
      peers:
        scenario.peerPath === undefined
          ? null
          : createPeerNetwork(world, scenario.peerPath, {
              paths: this.peerPaths,
              processes: () => this.nodes.map(({ processes }) => processes),
            }),
    };
    this.nodes = Array.from(
      { length: scenario.nodes },
      (_, index) => new Node(world, this.registry, `node-${index}`, settings),
    );
    this.sites = scenario.homes.map((spec, index) => this.#site(spec, index));
    for (const operation of scenario.operations) {
      if (operation.kind === "visit") this.#addHost(operation);
      world.agenda(`operation:${operation.id}`).at(operation.atMs * 1000, () => this.begin(operation));
    }
  }

  site(index: number): Site {
    return at(this.sites, index);
  }

  node(index: number): Node {
    return at(this.nodes, index);
  }

  /** The path of one visit; each visitor has its own, on which all come who may share a connection. */
  visitPath(id: number): Path {
    const visit = this.#hosts.get(id) ?? id;
    const known = this.#visitPaths.get(visit);
    if (known !== undefined) return known;
    const path = new Path(this.world, `visit:${visit}`, this.scenario.visitorPath);
    this.#visitPaths.set(visit, path);
    return path;
  }

  mood(visit: number): VisitorMood {
    const known = this.#moods.get(visit);
    if (known !== undefined) return known;
    const mood = { readBytesPerMs: null, stallsAtBytes: null, stopsUploadAtBytes: null, uploadEveryUs: null };
    this.#moods.set(visit, mood);
    return mood;
  }

  visitor(visit: number): Visitor | null {
    return this.#visitors.get(visit) ?? null;
  }

  /** Runs a further agent with the client id of that home, led to its node, on a network of its own; as `change` has it. */
  twinOf(index: number, name: string, change = (spec: HomeSpec) => spec): AgentProgram {
    const { spec: own, home } = this.site(index);
    const { links: _links, ...led } = own;
    const spec = change(led);
    const path = new Path(this.world, name, spec.path);
    const dialler: Dialler = { world: this.world, path, node: () => this.node(this.site(index).node) };
    if (spec.agent === "moosicbox") {
      const signature = tunnelSignatureOf(spec.clientId);
      return new MoosicBoxAgent(this.world, dialler, home, { spec, signature, name });
    }
    return new CulvertAgent(this.world, dialler, home, {
      name,
      spec,
      accessToken: ACCESS_TOKEN,
      clientToken: clientTokenOf(spec.clientId),
      limits: { ...agentLimits, ...this.scenario.agentLimits },
    });
  }

  /** From now on, and until the returned function is called, packets of that home's agent are not to be believed. */
  tamperWith(index: number): () => void {
    const site = this.site(index);
    site.tampering++;
    site.wasTampered = true;
    site.home.wasTampered = true;
    for (const visit of this.visits) {
      if (visit.end === null && visit.operation.home === index) visit.tampered = true;
    }
    return () => {
      site.tampering--;
    };
  }

  begin(operation: Operation): void {
    const site = this.site(operation.home);
    if (operation.kind === "visit") {
      this.#beginVisit(operation, site);
    } else if (operation.kind === "socket") {
      this.#beginSocket(operation, site);
    } else if (operation.kind === "browser") {
      this.#beginBrowser(operation, site);
    } else if (operation.kind === "certificate") {
      this.node(site.node).server?.askForCertificate(nameAsked(operation, site.spec));
    } else if (site.agent instanceof MoosicBoxAgent) {
      site.agent.push(operation);
    }
  }

  finish(): Finish {
    // Of who got other bytes than were sent, acknowledgements may be lost for good.
    const tampered = new Set(this.sites.filter((site) => site.wasTampered).map((site) => site.spec.clientId));
    const servers = this.nodes.flatMap((node) => node.servers);
    return {
      visits: this.visits.filter((visit) => this.site(visit.operation.home).spec.heals),
      visitorSockets: this.visitorSockets,
      // A server that was told a false end gives no more credit for the true one.
      homeCalls: this.sites
        .filter((site) => site.spec.heals && !(site.wasTampered && isNative(site.spec)))
        .flatMap((site) => site.home.calls),
      held: [
        ...servers.flatMap((server) => heldBy(server, tampered)),
        ...this.sites
          .filter((site) => site.spec.heals && !site.wasTampered)
          .flatMap((site) => heldBySessions(`the agent of ${site.spec.clientId}`, site.agent.sessionHolds)),
      ],
      faultFree: this.scenario.calm,
      servers,
      rows: this.registry.rows(),
    };
  }

  #site(spec: HomeSpec, index: number): Site {
    const { world, scenario } = this;
    const home = new Home(world, spec, (target) => this.#visitIndex.find(target));
    const path = new Path(world, `home:${spec.clientId}`, spec.path);
    const own = () => this.node(this.site(index).node);
    const any = anyOf(world, `balancer:${spec.clientId}`, this.nodes);
    const dialler: Dialler = { world, path, node: spec.links === undefined ? own : any };
    if (spec.agent === "moosicbox") {
      const agent = new MoosicBoxAgent(world, dialler, home, {
        spec,
        signature: tunnelSignatureOf(spec.clientId),
      });
      return new Site(spec, home, path, agent);
    }
    const agent = new CulvertAgent(world, dialler, home, {
      name: `agent:${spec.clientId}`,
      spec,
      ...tokensOf(spec),
      limits: { ...agentLimits, ...scenario.agentLimits, packetBytesMax: spec.packetBytes },
    });
    return new Site(spec, home, path, agent);
  }

  #beginVisit(operation: VisitOperation, site: Site): void {
    const { world } = this;
    const { clientId } = site.spec;
    const visit = new Visit(operation, site.spec, answerOf(clientId, operation), world.nowUs);
    visit.tampered = site.tampering > 0;
    visit.followsTampering = site.wasTampered;
    this.visits.push(visit);
    this.#visitIndex.add(operation);
    this.#addHost(operation);
    const request = requestOf(this.scenario, operation);
    const visitor = new Visitor(world, this.#connectionFor(operation, site, request.peer), {
      visit,
      request,
      // Who has a WebSocket and nothing to say ends it at once.
      body: bodyOf(operation) ?? (operation.request.upgrade === true ? "" : null),
      mood: this.mood(operation.id),
    });
    this.#visitors.set(operation.id, visitor);
  }

  #addHost({ id, connection }: VisitOperation): void {
    const { onto } = connection ?? {};
    if (onto !== undefined) this.#hosts.set(id, this.#hosts.get(onto) ?? onto);
  }

  /** One that is there already, if it may be that and takes another request. */
  #connectionFor(operation: VisitOperation, site: Site, peer: string | undefined): ClientConnection {
    const { onto, pipelined, pieceBytesMax } = operation.connection ?? {};
    const shared = onto === undefined ? undefined : this.#connections.get(onto);
    // A server refuses a handshake that comes while others wait for their answers.
    const isPipelined = pipelined === true && operation.request.upgrade !== true;
    const connection =
      shared?.takes(isPipelined) === true
        ? shared
        : new ClientConnection(
            {
              world: this.world,
              path: this.visitPath(operation.id),
              keepsConnection: operation.request.quirks?.includes("kept_connection") ?? false,
              node: () => this.#nodeOf(operation, site),
            },
            { peer, pieceBytesMax },
          );
    this.#connections.set(operation.id, connection);
    return connection;
  }

  /** Where a balancer leads the visit; where its home is, if there is none. */
  #nodeOf({ node }: VisitOperation, site: Site): Node {
    return node === undefined ? this.node(site.node) : at(this.nodes, node % this.nodes.length);
  }

  #beginBrowser(operation: BrowserOperation, site: Site): void {
    const { world, scenario } = this;
    const path = new Path(world, `browser:${operation.id}`, scenario.visitorPath);
    const dialler: Dialler = { world, path, node: () => this.node(site.node) };
    new Browser(dialler, { scenario, operation, home: site.spec }).begin();
  }

  #beginSocket(operation: SocketOperation, site: Site): void {
    const { visitorPath } = this.scenario;
    // What is meant for a visitor who reads nothing has to wait at the server, and not on the way.
    const settings = operation.quirk === "reads_nothing" ? { ...visitorPath, windowBytes: 512 } : visitorPath;
    const path = new Path(this.world, `socket:${operation.id}`, settings);
    const dialler: Dialler = {
      world: this.world,
      path,
      keepsConnection: operation.quirk === "kept_connection",
      node: () => this.node(site.node),
    };
    const token = tokenOf(this.scenario, operation.home, operation.credential);
    this.visitorSockets.push(new VisitorSocket(this.world, dialler, operation, site.spec.clientId, token));
  }
}

function heldBy(server: ServerProcess, tampered: ReadonlySet<string>): Finish["held"] {
  const process = server.process.name;
  const { exchanges, heldBytes, visitorSockets, tunnels } = server.snapshot();
  return [
    { process, what: "exchanges", count: exchanges },
    { process, what: "held bytes", count: heldBytes },
    { process, what: "visitor sockets", count: visitorSockets },
    { process, what: "connections without an owner", count: server.connections.count - tunnels },
    ...heldBySessions(process, server.sessionsHold(tampered)),
  ];
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new RangeError(`there is no item ${index} in a list of ${list.length}`);
  return item;
}
