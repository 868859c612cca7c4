import { describe, expect, it } from "vitest";
import { inheritedListeners } from "../../../adapters/socket/listening.ts";

const PID = 42;

describe("sockets that whoever started the process has opened", () => {
  it.each([
    ["none", {}, null, null],
    ["one", { LISTEN_FDS: "1" }, 3, null],
    ["two, in their order", { LISTEN_FDS: "2" }, 3, 4],
    ["two that have names", { LISTEN_FDS: "2", LISTEN_FDNAMES: "admin:culvert.socket" }, 4, 3],
    ["two with names of their unit", { LISTEN_FDS: "2", LISTEN_FDNAMES: "culvert:culvert" }, 3, 4],
    ["one for the operator alone", { LISTEN_FDS: "1", LISTEN_FDNAMES: "admin" }, null, 3],
  ])("are %s", (_, env, visitors, admin) => {
    expect(inheritedListeners({ LISTEN_PID: String(PID), ...env }, PID)).toEqual({ visitors, admin });
  });

  it("are left alone where they are for another process, such as the shell that has started this one", () => {
    expect(inheritedListeners({ LISTEN_PID: "41", LISTEN_FDS: "2" }, PID)).toEqual({
      visitors: null,
      admin: null,
    });
  });

  it.each(["3", "-1", "x"])("keep it from starting where their number is %s", (count) => {
    expect(() => inheritedListeners({ LISTEN_PID: String(PID), LISTEN_FDS: count }, PID)).toThrow(
      "LISTEN_FDS",
    );
  });
});
