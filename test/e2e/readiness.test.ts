/** What `/ready` says of a database that still answers questions and takes no writes. */
import { execFileSync } from "node:child_process";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type ServerProgram, startServerProgram, untilTrue } from "../helpers/program.ts";
import { temporaryFolder } from "../helpers/tunnel.ts";
import { ask } from "../helpers/visitor.ts";

async function readiness({ adminUrl }: ServerProgram): Promise<object> {
  const { status, body } = await ask(`${adminUrl}/ready`);
  return { status, ...JSON.parse(body.toString()) };
}

async function shownProblem({ adminUrl }: ServerProgram): Promise<unknown> {
  return JSON.parse((await ask(`${adminUrl}/status.json`)).body.toString()).registryProblem;
}

const READY = { status: 200, ready: true };

describe("a server whose database is a file", () => {
  test("is not ready once the file was deleted, says so in words, and is again when it is put back", async () => {
    const file = join(temporaryFolder(), "culvert.db");
    const server = await startServerProgram({ database: `sqlite:${file}` });
    expect(await readiness(server)).toEqual(READY);
    expect(await shownProblem(server)).toBeNull();
    renameSync(file, `${file}.elsewhere`);
    const problem = { reason: "registry_file_gone", detail: expect.stringContaining("put it back") };
    expect(await readiness(server)).toEqual({ status: 503, ready: false, ...problem });
    expect(await shownProblem(server)).toEqual(problem);
    await untilTrue(() => server.output().includes('"msg":"the database takes no writes"'), server);
    renameSync(`${file}.elsewhere`, file);
    expect(await readiness(server)).toEqual(READY);
    await untilTrue(() => server.output().includes('"msg":"the database takes writes again"'), server);
  });

  test.runIf(canMount())("is not ready while its disk is full or read-only, and is afterwards", async () => {
    const folder = temporaryFolder();
    // A disk of its own in a name space of its own, both gone with the process.
    const mount = `mount -t tmpfs -o size=1m culvert ${folder}`;
    const server = await startServerProgram({
      database: `sqlite:${join(folder, "culvert.db")}`,
      script: `exec unshare --mount bash -c '${mount} && exec "$@"' bash "$@"`,
    });
    expect(await readiness(server)).toEqual(READY);
    const filler = `/proc/${server.pid}/root${join(folder, "filler")}`;
    expect(() => writeFileSync(filler, Buffer.alloc(2 * 1024 * 1024))).toThrow("ENOSPC");
    expect(await readiness(server)).toMatchObject({ status: 503, reason: "registry_full" });
    rmSync(filler);
    expect(await readiness(server)).toEqual(READY);

    const remount = `mount --bind ${folder} ${folder} && mount -o remount,bind,ro ${folder}`;
    execFileSync("nsenter", ["--target", String(server.pid), "--mount", "bash", "-c", remount]);
    expect(await readiness(server)).toMatchObject({ status: 503, reason: "registry_read_only" });
  });
});

/** Root in a container may not. */
function canMount(): boolean {
  try {
    execFileSync("unshare", ["--mount", "mount", "-t", "tmpfs", "culvert", "/mnt"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
