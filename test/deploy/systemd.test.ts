/** `culvert install` under a real systemd, in a container that it starts as on a machine. */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sh } from "./shell.ts";

const BASE = process.env.TEST_BASE_IMAGE ?? "";
const NAME = `culvert-systemd-${randomUUID()}`;
/** By `systemd-analyze security`: 0 is shut off from everything, 10 from nothing. Docker's own unit has 9.6. */
const EXPOSURE_MAX = 1.5;

/** Nothing here takes so long but what never comes. */
const PATIENCE_MS = 180_000;

afterAll(() => {
  sh(`docker rm --force --volumes ${NAME}`);
});

beforeAll(() => {
  sh("npm run --silent build && node deploy/binary/build.ts linux-x64");
  // It mounts, and divides its processes into control groups.
  sh(`docker run --detach --name ${NAME} --cap-add ALL --cap-drop SYS_RESOURCE \
  --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
  --tmpfs /run --tmpfs /run/lock --tmpfs /tmp:exec --volume /sys/fs/cgroup:/sys/fs/cgroup ${BASE} /lib/systemd/systemd`);
  sh(`docker cp executables/culvert-linux-x64 ${NAME}:/usr/local/bin/culvert`);
  sh(`docker cp deploy/systemd ${NAME}:/units`);
  // On a machine it is so from the start, and secrets get to a service by that.
  inside("mount --make-rshared /");
  inside("until systemctl is-system-running --wait | grep --extended-regexp 'running|degraded'; do :; done");
});

function inside(command: string, user = ""): string {
  const as =
    user === ""
      ? []
      : ["--user", user, "--env", `HOME=/home/${user}`, "--env", "XDG_RUNTIME_DIR=/run/user/1000"];
  return execFileSync("docker", ["exec", ...as, NAME, "bash", "-euo", "pipefail", "-c", command], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: PATIENCE_MS,
  });
}

/** Until the command succeeds; the machine under it does something meanwhile. */
function until(command: string, user = ""): void {
  inside(`until ${command}; do systemctl show --property=Version >/dev/null; done`, user);
}

const exposure = (unit: string): number =>
  Number(/level for \S+: ([\d.]+)/.exec(inside(`systemd-analyze security --no-pager ${unit}`))?.[1]);

describe("services of the machine", () => {
  test("bring a request to a home, from behind the walls of their units", () => {
    inside("culvert install server -- --path-routing on");
    until("culvert health 2>/dev/null");
    inside(
      "umask 077 && culvert invite --client-id home --database sqlite:/var/lib/culvert/culvert.db > /etc/culvert/invite",
    );
    inside(`culvert install agent -- --server http://127.0.0.1:8000 --to http://127.0.0.1:8001 --client-id home \
      --access public --invite-file /etc/culvert/invite`);
    // What is at home is the operator's listener: the only service here. Bash has a client of its own for that.
    const visit = `exec 3<>/dev/tcp/127.0.0.1/8000 &&
      printf "GET /t/home/health HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n" >&3 && grep -q healthy <&3`;
    until(`(${visit})`);
    expect(inside("systemctl is-active culvert culvert-agent")).toBe("active\nactive\n");
    expect(inside("stat --format %U:%a /var/lib/private/culvert/culvert.db")).not.toContain("root");
    expect(inside("stat --format %U /proc/$(systemctl show --property=MainPID --value culvert)")).not.toBe(
      "root\n",
    );
    for (const unit of ["culvert", "culvert-agent"]) {
      console.log(`${unit}: exposure ${exposure(unit)}`);
      expect(exposure(unit)).toBeLessThan(EXPOSURE_MAX);
    }
  });

  test("take what comes while a server is started anew: it waits, and is not refused", () => {
    inside("systemctl kill --signal=SIGKILL culvert");
    // RestartSec is five seconds, in which there is no server. What connects starts one, and waits for it.
    inside(`exec 3<>/dev/tcp/127.0.0.1/8000 &&
      printf "GET /health HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n" >&3 && grep -q healthy <&3`);
    inside("culvert install server -- --path-routing on --port 8002 --admin-port 8003");
    until("culvert health --admin-port 8003 2>/dev/null");
    expect(() => inside("exec 3<>/dev/tcp/127.0.0.1/8000")).toThrow("refused");
    inside("culvert install server -- --path-routing on");
    until("culvert health 2>/dev/null");
  });

  test("are there again after a crash, and gone after an uninstall, which leaves what they kept", () => {
    const before = inside("systemctl show --property=MainPID --value culvert");
    inside("systemctl kill --signal=SIGKILL culvert");
    until(`[ "$(systemctl show --property=MainPID --value culvert)" -gt 0 ] && culvert health 2>/dev/null`);
    expect(inside("systemctl show --property=MainPID --value culvert")).not.toBe(before);
    inside("culvert uninstall agent && culvert uninstall server");
    expect(
      inside(
        "systemctl list-units --all --plain --no-legend culvert.service culvert.socket culvert-agent.service",
      ),
    ).toBe("");
    inside("test -s /etc/culvert/access-token && test -s /var/lib/culvert/culvert.db");
  });
});

describe("a service of a user", () => {
  test("runs without root", () => {
    inside("useradd --create-home --uid 1000 somebody && loginctl enable-linger somebody");
    until("[ -S /run/user/1000/bus ]");
    inside("culvert install server --user", "somebody");
    until("culvert health 2>/dev/null", "somebody");
    expect(inside("systemctl --user is-active culvert", "somebody")).toBe("active\n");
    inside("culvert uninstall server --user", "somebody");
    expect(() => inside("culvert health", "somebody")).toThrow("no server answers");
  });
});

describe("each unit in deploy/systemd", () => {
  test("is what systemd understands", () => {
    expect(inside("cd /units && systemd-analyze verify --man=no ./* 2>&1")).toBe("");
  });
});
