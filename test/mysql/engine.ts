/** Whether the tests against a real MySQL can run here, and whether they must. */
import { get } from "node:http";

/** The one line for whoever runs the tests without them. */
export const LEFT_OUT =
  "The MySQL tests are left out: no Docker engine answers and TEST_MYSQL_URL is not set (npm run test:mysql tells more).";

/** CI and `npm run test:mysql` must have them, and so must who names an image or a server: they fail instead. */
export async function hasMysqlTests(environment: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  const { CI, TEST_MYSQL, TEST_MYSQL_URL, TEST_MYSQL_IMAGE, DOCKER_HOST = "" } = environment;
  if (CI || TEST_MYSQL === "required" || TEST_MYSQL_URL || TEST_MYSQL_IMAGE) return true;
  if (DOCKER_HOST !== "" && !DOCKER_HOST.startsWith("unix://")) return true;
  return answers(DOCKER_HOST.replace("unix://", "") || "/var/run/docker.sock");
}

/** The engine's own sign of life. */
function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const ping = get({ socketPath, path: "/_ping", timeout: 1_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.once("timeout", () => ping.destroy());
    ping.once("error", () => resolve(false));
    ping.once("close", () => resolve(false));
  });
}
