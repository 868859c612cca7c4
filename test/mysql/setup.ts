/**
 * One MySQL for all the tests: the server of TEST_MYSQL_URL, whose account must be allowed everything, or a container of the
 * image TEST_MYSQL_IMAGE. Where that is not set it is the image that `.ci/mysql-image.sh` made, or else the official one.
 * The container's port stays the same when the server is killed and started again.
 */
import { createServer } from "node:net";
import { MySqlContainer } from "@testcontainers/mysql";
import { getContainerRuntimeClient, ImageName } from "testcontainers";
import type { TestProject } from "vitest/node";

/** Where MySQL is, and who may do everything there. */
export type MysqlServer = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Null where the server is somebody else's, to be neither paused nor killed. */
  readonly containerId: string | null;
};

declare module "vitest" {
  interface ProvidedContext {
    readonly mysql: MysqlServer;
  }
}

const OFFICIAL_IMAGE = "mysql:8.4";
const LOCAL_IMAGE = "culvert-mysql:local";
const ROOT_PASSWORD = "root-5d1f";

export default async function setup(project: TestProject): Promise<() => Promise<unknown>> {
  const { TEST_MYSQL_URL, TEST_MYSQL_IMAGE } = process.env;
  if (TEST_MYSQL_URL !== undefined) {
    project.provide("mysql", serverOf(new URL(TEST_MYSQL_URL)));
    return async () => {};
  }
  const image = TEST_MYSQL_IMAGE ?? ((await isThere(LOCAL_IMAGE)) ? LOCAL_IMAGE : OFFICIAL_IMAGE);
  // Where images cannot be pulled, the one that cleans up after killed tests cannot be, either.
  if (image === LOCAL_IMAGE) process.env.TESTCONTAINERS_RYUK_DISABLED ??= "true";
  const port = await freePort();
  const container = await new MySqlContainer(image)
    .withRootPassword(ROOT_PASSWORD)
    .withExposedPorts({ container: 3306, host: port })
    .start()
    .catch((cause: unknown) => {
      throw new Error(`cannot start ${image}: make an image with .ci/mysql-image.sh, or set TEST_MYSQL_URL`, {
        cause,
      });
    });
  project.provide("mysql", {
    host: "127.0.0.1",
    port,
    user: "root",
    password: ROOT_PASSWORD,
    containerId: container.getId(),
  });
  return () => container.stop();
}

function serverOf({ hostname, port, username, password }: URL): MysqlServer {
  return {
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(port || 3306),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    containerId: null,
  };
}

async function isThere(image: string): Promise<boolean> {
  const { image: images } = await getContainerRuntimeClient();
  return images.exists(ImageName.fromString(image));
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
