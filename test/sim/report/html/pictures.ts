/** What the tests of the picture draw, and how they read the page. */
import { gunzipSync } from "node:zlib";
import type { Property } from "../../../../sim/record/checker.ts";
import type { PictureData } from "../../../../sim/report/html/data.ts";
import type { Fault, Scenario } from "../../../../sim/scenario/scenario.ts";
import { busyScenario, visit } from "../../scenarios.ts";

export const OPTIONS = { flag: "--seed 7", commit: "abc1234" };

/** Breaks at the first body bytes that a visitor gets after some others. */
export const broken: Property = {
  name: "never_bytes",
  create: (violate) => {
    let pieces = 0;
    return {
      visitBody: ({ operation }) => {
        if (++pieces === 40) violate("safety", `visit ${operation.id} got <bytes>\nin two lines`);
      },
    };
  },
};

/** More than ten thousand steps. */
export function largeScenario(): Scenario {
  const operations = Array.from({ length: 300 }, (_, id) => visit(id, 4_000 + id * 40, { home: id % 2 }));
  return busyScenario(someFaults(), { operations });
}

export function someFaults(): Fault[] {
  return [
    faultOf(1, "stall_down", 6_000, 8_000, 0),
    faultOf(2, "link_reset", 9_000, 9_000, 1, { nearUs: 0, farUs: 0 }),
    faultOf(3, "registry_flaky", 10_000, 12_000, 0, { permille: 500 }),
    faultOf(4, "node_crashes", 14_000, 15_000, 0),
    faultOf(5, "agent_has_a_twin", 16_000, 17_000, 0),
  ];
}

export function faultOf(
  id: number,
  kind: string,
  fromMs: number,
  toMs: number,
  target: number,
  parameters: Fault["parameters"] = {},
): Fault {
  return { id, kind, fromMs, toMs, target, parameters };
}

/** What the page's script reads. */
export function dataOf(html: string): PictureData {
  const [, data = ""] = /id="data">([^<]*)</.exec(html) ?? [];
  return JSON.parse(gunzipSync(Buffer.from(data, "base64")).toString());
}
