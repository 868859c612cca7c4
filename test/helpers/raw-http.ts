/** A visitor who speaks bytes to a whole server; the connection ends with the test. */
import { onTestFinished } from "vitest";
import { RawClient } from "../adapters/raw-client.ts";

export function connect(port: number): RawClient {
  const client = new RawClient(port);
  onTestFinished(() => client.leave());
  return client;
}

/** The status codes of the responses on a connection so far, those of interim ones included. */
export function statuses(client: RawClient): number[] {
  return [...client.text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}
