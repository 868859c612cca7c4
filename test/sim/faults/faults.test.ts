/** Every kind of fault bites: it fires, and the machines or the visitors see what it is meant to make them see. */
import { describe, expect, test } from "vitest";
import { properties } from "../../../sim/checkers/index.ts";
import { faultKinds } from "../../../sim/faults/index.ts";
import type { Property } from "../../../sim/record/checker.ts";
import type { RunResult } from "../../../sim/record/outcome.ts";
import { run } from "../../../sim/run/run.ts";
import type { Fault, Scenario } from "../../../sim/scenario/scenario.ts";
import { TraceHash } from "../../../sim/tools/hash.ts";
import { Random } from "../../../sim/tools/random.ts";
import { busyOperations, busyScenario, homeNamed, visit } from "../scenarios.ts";

/** What one run looked like from outside. */
type Seen = {
  readonly result: RunResult;
  /** How often each event and effect came, by its type; reports by `report:` and theirs. */
  readonly counts: ReadonlyMap<string, number>;
  /** A hash of all that the machines were told, in order. */
  readonly told: string;
  /** Virtual time that all visits took together. */
  readonly waitedUs: number;
};

type Sign = (seen: Seen, calm: Seen) => boolean;

const more =
  (name: string): Sign =>
  (seen, calm) =>
    (seen.counts.get(name) ?? 0) > (calm.counts.get(name) ?? 0);
const fewer =
  (name: string): Sign =>
  (seen, calm) =>
    (seen.counts.get(name) ?? 0) < (calm.counts.get(name) ?? 0);
const failsVisits: Sign = (seen, calm) => seen.result.visitsAsExpected < calm.result.visitsAsExpected;
const slowsVisits: Sign = (seen, calm) => seen.waitedUs > calm.waitedUs + 100_000;
const tellsMachinesOtherwise: Sign = (seen, calm) => seen.told !== calm.told;
const reconnects = more("report:tunnel_accepted");
const protocolError = more("report:agent_protocol_error");
const serverError = more("report:server_protocol_error");

/** The sign of each kind. Parameters that are not named here are drawn. */
const signs: Readonly<Record<string, readonly [Sign, Readonly<Record<string, number>>?]>> = {
  link_closed: [reconnects],
  link_reset: [reconnects],
  link_ends_together: [reconnects],
  close_overtakes_data: [reconnects],
  close_comes_late: [reconnects],
  half_open_up: [more("socket_terminate")],
  half_open_down: [more("socket_terminate")],
  half_open: [more("socket_terminate")],
  stall_up: [slowsVisits],
  stall_down: [slowsVisits],
  burst_after_stall: [slowsVisits],
  delay: [slowsVisits, { upUs: 300_000, downUs: 300_000 }],
  slow_line: [slowsVisits, { permille: 2 }],
  connect_refused: [more("report:retrying")],
  connect_silent: [more("report:retrying")],
  flap: [reconnects],
  strangers_pipelines: [more("exchange_opened")],
  strangers_drips: [more("connection_accepted")],
  strangers_knocks: [more("report:upgrade_refused")],
  strangers_leaves: [more("exchange_opened")],
  server_settings_change: [more("settings_changed")],
  agent_services_change: [more("settings_changed")],
  agent_access_changes: [more("settings_changed")],
  visitor_reset: [failsVisits],
  visitor_stall_down: [slowsVisits],
  led_elsewhere: [slowsVisits, { node: 1 }],
  handshake_rewritten: [more("report:upgrade_refused"), { field: 1 }],
  handshake_answer_rewritten: [more("report:retrying")],
  frame_truncated: [protocolError, { permille: 1000 }],
  frame_corrupted: [failsVisits, { permille: 1000 }],
  frame_duplicated: [more("socket_bytes"), { permille: 1000 }],
  frame_oversized: [reconnects, { permille: 1000 }],
  frame_of_wrong_kind: [protocolError, { permille: 1000 }],
  frame_of_garbage: [protocolError, { permille: 1000 }],
  pong_lost: [fewer("socket_heard"), { permille: 1000 }],
  ping_lost: [fewer("socket_heard"), { permille: 1000 }],
  servers_ping_lost: [fewer("socket_heard"), { permille: 1000 }],
  servers_pong_lost: [fewer("socket_heard"), { permille: 1000 }],
  agent_reorders: [slowsVisits, { permille: 300 }],
  agent_doubles_with_other_bytes: [failsVisits, { permille: 1000 }],
  agent_doubles_with_other_headers: [failsVisits, { permille: 1000 }],
  agent_repeats_itself: [more("socket_bytes"), { packet: 3, everyMs: 50 }],
  agent_leaves_a_gap: [failsVisits, { permille: 300 }],
  agent_sends_data_after_last: [more("socket_bytes"), { permille: 1000 }],
  agent_ends_twice: [more("socket_bytes"), { permille: 1000 }],
  server_talks_nonsense: [serverError, { permille: 500 }],
  server_asks_twice: [serverError, { permille: 1000 }],
  portal_answers: [more("report:retrying")],
  agent_names_unknown_request: [more("socket_bytes"), { permille: 1000 }],
  agent_names_foreign_request: [more("socket_bytes"), { permille: 1000 }],
  agent_names_finished_request: [more("socket_bytes"), { permille: 1000 }],
  agent_sends_huge_headers: [failsVisits, { permille: 1000 }],
  agent_sends_bad_status: [failsVisits, { permille: 1000 }],
  agent_sends_empty_packets: [more("socket_bytes")],
  agent_stops_without_a_word: [failsVisits, { packet: 3 }],
  agent_ignores_abort: [tellsMachinesOtherwise],
  agent_answers_out_of_place: [more("socket_text"), { permille: 1000 }],
  agent_repeats_much_later: [more("socket_bytes"), { permille: 1000 }],
  agent_has_a_twin: [reconnects],
  agent_has_an_unlike_twin: [reconnects, { alone: 1 }],
  native_cut_at_a_frame: [more("report:session_resumed"), { up: 1, frame: 5, cuts: 2, inside: 1 }],
  native_ticket_replayed: [more("report:session_lost"), { back: 1 }],
  native_session_goes_stale: [more("report:session_lost")],
  native_ended_while_away: [failsVisits, { up: 0, piece: 2, awayMs: 500 }],
  native_old_tunnel_delivers: [more("report:session_resumed"), { farUs: 500_000 }],
  native_hello_missing: [more("report:retrying"), { permille: 1000 }],
  native_hello_twice: [protocolError, { permille: 1000 }],
  native_welcome_lost: [more("socket_connect"), { permille: 1000 }],
  native_credit_to_agent_exaggerated: [protocolError, { permille: 1000 }],
  native_credit_to_server_exaggerated: [serverError, { permille: 1000 }],
  native_gap_to_server: [protocolError, { permille: 100 }],
  native_gap_to_agent: [failsVisits, { permille: 1000 }],
  native_frames_twice_to_server: [more("socket_bytes"), { permille: 1000 }],
  native_frames_twice_to_agent: [more("socket_bytes"), { permille: 1000 }],
  native_strangers_reset_to_server: [more("socket_bytes"), { permille: 1000 }],
  native_strangers_reset_to_agent: [more("socket_bytes"), { permille: 1000 }],
  native_frames_again_later: [more("socket_bytes"), { permille: 1000 }],
  native_acknowledged_ahead: [protocolError, { permille: 1000 }],
  native_nonsense_for_hello: [protocolError, { permille: 1000 }],
  native_nonsense_for_welcome: [serverError, { permille: 1000 }],
  native_nonsense_for_resume_to_server: [protocolError, { permille: 1000 }],
  native_nonsense_for_resume_to_agent: [serverError, { permille: 1000 }],
  native_nonsense_for_pieces_to_server: [protocolError, { permille: 1000 }],
  native_nonsense_for_pieces_to_agent: [serverError, { permille: 1000 }],
  native_nonsense_beside_frames_to_server: [protocolError, { permille: 1000 }],
  native_nonsense_beside_frames_to_agent: [serverError, { permille: 1000 }],
  native_bytes_before_upgrade: [serverError, { permille: 1000 }],
  native_frames_cut_to_server: [protocolError, { permille: 1000 }],
  native_frames_cut_to_agent: [serverError, { permille: 1000 }],
  native_welcome_late: [slowsVisits],
  native_node_drains_at_return: [more("drain_requested")],
  visitor_leaves: [failsVisits],
  visitor_reads_slowly: [slowsVisits, { bytesPerMs: 10 }],
  visitor_stalls: [slowsVisits, { atBytes: 10 }],
  visitor_stops_upload: [failsVisits, { atBytes: 600 }],
  visitor_uploads_slowly: [slowsVisits, { everyMs: 200 }],
  visitors_come_at_once: [more("exchange_opened")],
  visitor_sends_too_much: [more("exchange_opened")],
  registry_down: [failsVisits],
  registry_flaky: [more("registry_call"), { permille: 500 }],
  registry_slow: [slowsVisits, { permille: 1000 }],
  registry_hangs: [failsVisits, { permille: 1000 }],
  registry_answers_late: [failsVisits, { permille: 1000 }],
  registry_commits_late: [failsVisits, { permille: 1000 }],
  registry_error_before_commit: [failsVisits, { permille: 1000 }],
  registry_commit_then_error: [failsVisits, { permille: 1000 }],
  registry_loses_write: [failsVisits, { permille: 1000 }],
  registry_reads_stale: [failsVisits, { permille: 1000 }],
  registry_deadlock: [failsVisits, { permille: 1000 }],
  registry_swaps_answers: [tellsMachinesOtherwise, { permille: 1000 }],
  thief_at_a_door: [more("exchange_opened"), { loot: 2, door: 5, times: 3 }],
  thief_has_a_link: [more("upgrade_requested")],
  invite_used_twice: [more("exchange_opened")],
  registry_read_only: [more("report:registry_failed")],
  client_token_revoked: [failsVisits],
  visitor_token_revoked: [failsVisits],
  signature_revoked: [tellsMachinesOtherwise],
  home_revoked: [failsVisits],
  native_home_revoked_while_away: [failsVisits],
  registry_clock_jumps_forward: [tellsMachinesOtherwise],
  registry_clock_jumps_back: [tellsMachinesOtherwise],
  node_clock_runs_wrong: [tellsMachinesOtherwise, { permille: 1_100 }],
  agent_clock_runs_wrong: [tellsMachinesOtherwise, { permille: 1_100 }],
  node_stalls: [slowsVisits],
  agent_stalls: [slowsVisits],
  agent_sleeps: [reconnects],
  exact_ties: [tellsMachinesOtherwise],
  node_crashes: [reconnects],
  node_loses_power: [reconnects],
  node_restarts_before_its_agents: [reconnects],
  node_crashes_inside_a_step: [reconnects],
  peer_links_cut: [failsVisits],
  peer_links_stall: [slowsVisits],
  peer_refused: [slowsVisits],
  peer_silent: [slowsVisits],
  node_drains: [more("drain_requested")],
  node_is_killed_while_draining: [more("drain_requested"), { afterMs: 100 }],
  node_is_replaced: [more("drain_requested")],
  node_restarts_in_order: [more("drain_requested")],
  agent_restarts: [reconnects],
  agent_loses_power: [reconnects],
  agent_crashes_inside_a_step: [reconnects, { effects: 1 }],
  agent_drains: [more("drain_requested")],
  home_refuses: [more("origin_failed")],
  home_says_nothing: [failsVisits],
  home_breaks_off: [more("origin_failed")],
  home_runs_dry: [slowsVisits],
  home_connections_cut: [more("origin_failed")],
  home_connections_stall: [slowsVisits],
  home_takes_no_connection: [slowsVisits],
};

/**
 * The same world with an agent of the native protocol, whose windows are small and whose handshake an agent's fault has to
 * meet: its tunnel is cut now and then. An upload, a download and an upgrade are there to be met.
 */
const NATIVE: Partial<Scenario> = {
  operations: [
    ...busyOperations(),
    visit(300, 6_000, {
      request: { method: "POST", bodyBytes: 200_000, uploadPieceBytes: 8_000, quirks: ["raw_body"] },
      answer: { takesBytesPerMs: 50 },
    }),
    visit(302, 6_100, {
      answer: { bodyBytes: 200_000, chunkBytes: 16_000, chunkEveryUs: 0 },
      readBytesPerMs: 100,
    }),
    visit(304, 6_200, {
      request: { way: "host", upgrade: true, bodyBytes: 1_000, quirks: ["raw_body"] },
    }),
  ],
  homes: [
    homeNamed("home0", { protocol: "native", queue: "fifo" }),
    homeNamed("home1", { agent: "moosicbox" }),
  ],
  serverLimits: {
    ...busyScenario().serverLimits,
    windowBytes: 16_384,
    windowBytesMin: 16_384,
    graceMs: 2_000,
  },
  agentLimits: { ...busyScenario().agentLimits, windowBytes: 16_384, windowBytesMin: 16_384, helloMs: 2_000 },
};
/** The same world where tokens in use are checked again while a fault acts, and a visitor has a token of his own. */
const CHECKED: Partial<Scenario> = {
  operations: [...busyOperations(), visit(310, 6_100, { request: { credential: "visitor" } })],
  serverLimits: {
    ...busyScenario().serverLimits,
    leaseMs: 10_000,
    leaseRenewMs: 1_000,
    registryCallMs: 1_000,
  },
};
/** The homes are at one node, and all visitors come to the other. */
const CLUSTER: Partial<Scenario> = {
  nodes: 2,
  peerPath: { latencyUs: 500, jitterUs: 0, bytesPerMs: 20_000, windowBytes: 65_536 },
  operations: busyOperations().map((operation) =>
    operation.kind === "visit" ? { ...operation, node: 0 } : operation,
  ),
  homes: busyScenario().homes.map((home) => ({ ...home, node: 1 })),
};
/** A home that asks for a password has one to change. */
const GUARDED: Partial<Scenario> = { homes: [homeNamed("home0", { access: "basic" }), homeNamed("home1")] };
/** What is about handshakes needs one while it acts. */
const CUT: Fault = {
  id: 1,
  kind: "link_ends_together",
  fromMs: 6_500,
  toMs: 6_500,
  target: 0,
  parameters: {},
};

/** The visit that visitors' faults hit: it is under way at 6 s. The one with an upload is for those who stop one. */
const DOWNLOAD = 10;
const UPLOAD = 7;

describe("a fault", () => {
  const calm = look([]);
  const calmNative = look([], NATIVE);
  const calmChecked = look([], CHECKED);
  const calmCluster = look([], CLUSTER);
  const cutNative = look([CUT], NATIVE);

  test("is nowhere in a calm run", () => {
    expect(calm.result).toMatchObject({ outcome: "passed", visitsAsExpected: calm.result.visits });
    expect([...calm.result.faultCounts]).toEqual([]);
  });

  test("has a sign, whatever its kind", () => {
    expect(Object.keys(signs).sort()).toEqual(faultKinds.map((kind) => kind.name).sort());
    expect(faultKinds.length).toBeGreaterThanOrEqual(40);
  });

  test.each(faultKinds.map((kind) => kind.name))("of the kind %s bites", (name) => {
    const sign = signs[name];
    const isNative = name.startsWith("native_");
    const isRevocation = name.endsWith("_revoked");
    const isAccess = name === "agent_access_changes";
    const isCluster = name.startsWith("peer_");
    const isGreeting = /hello|welcome/.test(name);
    const seen = look(
      [faultOf(name, sign?.[1]), ...(isGreeting ? [CUT] : [])],
      isNative ? NATIVE : isRevocation ? CHECKED : isAccess ? GUARDED : isCluster ? CLUSTER : {},
    );
    expect(seen.result.faultCounts.get(name) ?? 0).toBeGreaterThan(0);
    const before = isGreeting
      ? cutNative
      : isNative
        ? calmNative
        : isRevocation
          ? calmChecked
          : isCluster
            ? calmCluster
            : calm;
    expect(sign?.[0](seen, before)).toBe(true);
    expect(seen.result.violations).toEqual([]);
  });
});

function faultOf(name: string, parameters: Readonly<Record<string, number>> = {}): Fault {
  const kind = faultKinds.find((each) => each.name === name);
  if (kind === undefined) throw new RangeError(name);
  const target = kind.target === "visit" ? (name.includes("upload") ? UPLOAD : DOWNLOAD) : 0;
  const fromMs = name.includes("upload") ? 5_300 : 6_050;
  const lastsMs = kind.lastsMs === null ? 0 : Math.min(Math.max(kind.lastsMs[0], 6_000), kind.lastsMs[1]);
  const drawn = kind.draw(new Random({ high: 0, low: 5 }));
  return {
    id: 0,
    kind: name,
    fromMs,
    toMs: fromMs + lastsMs,
    target,
    parameters: { ...drawn, ...parameters },
  };
}

function look(faults: readonly Fault[], changes: Partial<Scenario> = {}): Seen {
  const counts = new Map<string, number>();
  const told = new TraceHash();
  let waitedUs = 0;
  const count = (type: string) => counts.set(type, (counts.get(type) ?? 0) + 1);
  const watcher: Property = {
    name: "watcher",
    create: () => {
      const step = (
        process: { readonly name: string },
        event: { readonly type: string },
        effects: readonly (
          | { readonly type: string; readonly report?: { readonly type: string } }
          | undefined
        )[],
        effectCount: number,
      ) => {
        told.text(process.name);
        told.value(event);
        count(event.type);
        for (const effect of effects.slice(0, effectCount)) {
          if (effect === undefined) continue;
          count(effect.type);
          if (effect.report !== undefined) count(`report:${effect.report.type}`);
        }
      };
      return {
        serverStep: step,
        agentStep: step,
        edgeStep: step,
        finished: ({ visits }) => {
          for (const visit of visits) waitedUs += (visit.endedUs ?? 0) - visit.startedUs;
        },
      };
    },
  };
  const result = run(busyScenario(faults, changes), { properties: [...properties, watcher] });
  return { result, counts, told: told.digest(), waitedUs };
}
