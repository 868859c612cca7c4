/** moto's S3 with the AWS command line: an object in parts, up and down. */
import { join } from "node:path";
import { expect } from "vitest";
import { temporaryFolder } from "../helpers/tunnel.ts";
import { describeApp, isWhole } from "./tools/app.ts";
import { fromPyPI } from "./tools/cache.ts";
import { MIB, sha256Of, writeRandomFile } from "./tools/files.ts";
import { freePort, run, serve } from "./tools/programs.ts";

const BYTES = isWhole ? 200 * MIB : 40 * MIB;

describeApp({
  name: "moto",
  front: "nginx",
  install: () => fromPyPI("moto[server]==5.2.5", "awscli==1.46.3"),
  use: async (programs, publish) => {
    const folder = temporaryFolder();
    const port = await freePort();
    await serve(join(programs, "moto_server"), ["-H", "127.0.0.1", "-p", String(port)], port);
    const { url, environment } = await publish(port);
    const aws = (...command: string[]) =>
      run(join(programs, "aws"), ["--endpoint-url", url, ...command], {
        environment: {
          ...environment,
          HOME: folder,
          AWS_ACCESS_KEY_ID: "key",
          AWS_SECRET_ACCESS_KEY: "secret",
          AWS_DEFAULT_REGION: "us-east-1",
          AWS_MAX_ATTEMPTS: "1",
        },
      });
    const [sent, taken] = [join(folder, "sent"), join(folder, "taken")];
    writeRandomFile(sent, BYTES);
    await aws("s3", "mb", "s3://music");
    await aws("s3", "cp", "--quiet", sent, "s3://music/a b/großes stück");
    const told = await aws("s3api", "head-object", "--bucket", "music", "--key", "a b/großes stück");
    // Its tag says of how many parts it is made.
    expect(JSON.parse(told)).toMatchObject({ ContentLength: BYTES });
    expect(JSON.parse(told).ETag).toMatch(new RegExp(`-${Math.ceil(BYTES / (8 * MIB))}"$`));
    await aws("s3", "cp", "--quiet", "s3://music/a b/großes stück", taken);
    expect(await sha256Of(taken)).toBe(await sha256Of(sent));
  },
});
