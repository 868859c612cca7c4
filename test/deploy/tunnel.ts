/** A whole tunnel of programs that were installed in some way, and one visit through it. */
import { expect } from "vitest";
import { startOrigin } from "../helpers/origin.ts";
import {
  type Program,
  type ProgramOptions,
  startAgentProgram,
  startServerProgram,
} from "../helpers/program.ts";

/** More than any buffer on the way holds at once, and no repetition that would hide a part in the wrong place. */
const FILE = Buffer.from(Uint32Array.from({ length: 250_000 }, (_, index) => index * 2_654_435_761).buffer);

/** Fetches a file from a home through a server and an agent that are called so, and compares it. */
export async function fetchThrough(
  options: ProgramOptions & { readonly stateFile?: string },
): Promise<readonly Program[]> {
  const origin = await startOrigin((_request, response) => response.end(FILE));
  const server = await startServerProgram(options);
  const agent = await startAgentProgram(server, origin.url, options);
  const answer = await agent.visit("/file");
  expect(answer.status).toBe(200);
  expect(answer.body.equals(FILE)).toBe(true);
  return [server, agent];
}
