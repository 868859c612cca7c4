/** Who has a credential and tries it at every door: another kind's, another home's, again and again, beside its rightful owner. */
import { ClientConnection } from "../actors/client-connection.ts";
import { ClientSocket, type Dialler } from "../actors/dial.ts";
import { Path } from "../network/path.ts";
import {
  ACCESS_TOKEN,
  clientTokenOf,
  expiredTokenOf,
  inviteOf,
  SPARE_SIGNATURES,
  signatureTokenOf,
  spareSignatureOf,
  tunnelSignatureOf,
  visitorTokenOf,
} from "../scenario/request.ts";
import { fakeSha256 } from "../tools/hash.ts";
import { attentive } from "../world/host.ts";
import { type FaultContext, type FaultKind, nothing } from "./fault.ts";

/** What a thief may have of a home. */
const LOOT: readonly ((clientId: string, number: number) => string)[] = [
  clientTokenOf,
  visitorTokenOf,
  signatureTokenOf,
  tunnelSignatureOf,
  spareSignatureOf,
  expiredTokenOf,
  inviteOf,
  () => ACCESS_TOKEN,
];

type Door = {
  /** A handshake where it is left out. */
  readonly method?: string;
  readonly target: (clientId: string, token: string) => string;
  /** Whether the token is shown in `Authorization`. */
  readonly inField?: true;
};

const DOORS = {
  agents_by_token: { target: (id) => `/ws?clientId=${id}&sender=true`, inField: true },
  agents_by_signature: { target: (id, token) => `/ws?clientId=${id}&sender=true&signature=${token}` },
  visitor_socket: { target: (id, token) => `/ws?clientId=${id}&signature=${token}` },
  visitor_socket_by_field: { target: (id) => `/ws?clientId=${id}`, inField: true },
  register: { method: "POST", target: (id) => `/auth/register-client?clientId=${id}`, inField: true },
  sign: { method: "POST", target: (id) => `/auth/signature-token?clientId=${id}`, inField: true },
  make: {
    method: "POST",
    target: (id) => `/auth/visitor-tokens?clientId=${id}&name=thief&lifetimeSeconds=60`,
    inField: true,
  },
  list: { method: "GET", target: (id) => `/auth/visitor-tokens?clientId=${id}`, inField: true },
  revoke: {
    method: "DELETE",
    target: (id) => `/auth/visitor-tokens?clientId=${id}&name=thief`,
    inField: true,
  },
  store_magic: {
    method: "POST",
    target: (id) => `/auth/magic-token?clientId=${id}&magicToken=thief-of-${id}`,
    inField: true,
  },
  use_magic: { method: "GET", target: (_id, token) => `/auth/magic-token?magicToken=${token}` },
  home: { method: "GET", target: (id) => `/library?clientId=${id}`, inField: true },
  home_by_path: { method: "GET", target: (id) => `/t/${id}/library`, inField: true },
  media: { method: "GET", target: (id, token) => `/files/track?clientId=${id}&signature=${token}` },
  confirm: {
    method: "POST",
    target: (id, token) => `/auth/validate-signature-token?clientId=${id}&signature=${token}`,
  },
} as const satisfies Readonly<Record<string, Door>>;

type DoorName = keyof typeof DOORS;
const DOOR_NAMES = Object.keys(DOORS) as readonly DoorName[];

export const thiefFaults: readonly FaultKind[] = [
  {
    name: "thief_at_a_door",
    target: "home",
    lastsMs: [500, 5_000],
    draw: (random) => ({
      loot: random.below(LOOT.length),
      door: random.below(DOOR_NAMES.length),
      // Of the home next to it.
      foreign: random.below(4) === 0 ? 1 : 0,
      times: random.between(1, 3),
    }),
    begin: (context) => {
      const door = DOOR_NAMES[context.parameter("door")] ?? "home";
      const token = lootOf(context);
      for (let time = 0; time < context.parameter("times"); time++) {
        context.agenda.after(time * context.random.below(1_000_000), () => {
          if (isOwners(context, door, token)) return;
          knock(context, door, token, time);
        });
      }
      return nothing;
    },
  },
  // With a link that he was sent: he looks at what it leads to, and then would be the home.
  {
    name: "thief_has_a_link",
    target: "home",
    lastsMs: [500, 5_000],
    draw: (random) => ({ number: random.below(SPARE_SIGNATURES), looks: random.below(2) }),
    begin: (context) => {
      const { clientId, agent } = context.site.spec;
      const token = spareSignatureOf(clientId, context.parameter("number"));
      const enter = () => knock(context, "agents_by_signature", token, 1);
      // Of a MoosicBox home a fresh one would be as good as its agent's.
      if (context.parameter("looks") === 0 && agent === "culvert") enter();
      else knock(context, "media", token, 0, enter);
      return nothing;
    },
  },
  {
    name: "invite_used_twice",
    target: "home",
    lastsMs: [500, 5_000],
    draw: () => ({}),
    begin: (context) => {
      const invite = inviteOf(context.site.spec.clientId);
      for (let time = 0; time < 2; time++) knock(context, "register", invite, time);
      return nothing;
    },
  },
];

function lootOf({ scene, fault, random }: FaultContext): string {
  const homes = scene.scenario.homes;
  const whose = homes[(fault.target + (fault.parameters.foreign ?? 0)) % homes.length];
  const take = LOOT[fault.parameters.loot ?? 0];
  return take?.(whose?.clientId ?? "", random.below(SPARE_SIGNATURES)) ?? "";
}

/** Whether it would be the owner who stands there: he would be the home, or decide what a signature is for. */
function isOwners({ scene, site }: FaultContext, door: DoorName, token: string): boolean {
  const { clientId } = site.spec;
  if (door === "agents_by_token" && token === clientTokenOf(clientId)) return true;
  const isSignature = token === signatureTokenOf(clientId) || token === tunnelSignatureOf(clientId);
  if (isSignature) return scene.registry.tokens.useOf(fakeSha256(token)) === null;
  return door === "agents_by_signature" && site.spec.agent === "moosicbox";
}

/** Goes to a node, each time to another one, with the token. Whoever is let in as an agent leaves at once. */
function knock(
  context: FaultContext,
  name: DoorName,
  token: string,
  time: number,
  then: () => void = nothing,
): void {
  const { scene, site, world, fault } = context;
  const door: Door = DOORS[name];
  const path = new Path(world, `thief:${fault.id}:${name}:${time}`, site.path.settings);
  const node = (site.node + time) % scene.nodes.length;
  const dialler: Dialler = { world, path, node: () => scene.node(node) };
  const target = door.target(site.spec.clientId, token);
  const field = door.inField === true ? ["authorization", `Bearer ${token}`] : [];
  const headers = ["host", "tunnel.example", ...field];
  context.fired();
  if (door.method !== undefined) {
    const request = { method: door.method, target, headers, hasBody: false };
    const asker = { interim: nothing, head: nothing, body: nothing, ended: then };
    new ClientConnection(dialler).ask(request, asker, { closes: true });
    return;
  }
  const socket: ClientSocket = new ClientSocket(dialler, {
    target,
    headers: [...headers, "culvert-access", "public"],
    order: "fifo",
    host: attentive,
    handler: {
      opened: () => socket.close(1000, ""),
      refused: nothing,
      text: nothing,
      bytes: nothing,
      heard: nothing,
      flushed: nothing,
      closed: then,
    },
  });
}
