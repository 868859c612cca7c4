/** What `demo -- --once` does: fetches the tune through the tunnel in each way and compares it with the home's file. */
import { createHash } from "node:crypto";
import { type IncomingHttpHeaders, request } from "node:http";
import type { HomeFile } from "./home.ts";
import { renderTable } from "./table.ts";

export type CheckOptions = {
  readonly file: HomeFile;
  /** The file's bytes, to compare with. */
  readonly tune: Buffer;
  /** A URL that needs no header, and one that needs the client's token. */
  readonly signedUrl: string;
  readonly plainUrl: string;
  readonly clientToken: string;
  /** Cuts the agent's connection for a moment. */
  readonly cutTunnel: () => void;
};

export type CheckResult = { readonly isGood: boolean; readonly table: string };

/** Never rejects: a fetch that fails is a line of the table that says so. */
export async function check(options: CheckOptions): Promise<CheckResult> {
  const rows: string[][] = [];
  let isGood = true;
  for (const probe of probesOf(options)) {
    const { megabytes, seconds, fault } = await run(probe, options);
    // What takes a millisecond says nothing about speed.
    const speed = fault === null && megabytes >= 1 ? (megabytes / seconds).toFixed(0) : "-";
    rows.push([probe.name, megabytes.toFixed(1), speed, fault ?? "equal"]);
    if (fault !== null) isGood = false;
  }
  const columns = [{ title: "fetch" }, { title: "MB", right: true }, { title: "MB/s", right: true }];
  return { isGood, table: renderTable([...columns, { title: "against the home's file" }], rows) };
}

/** One fetch and what it must bring: the bytes from `first` up to `end`. */
type Probe = {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly first: number;
  readonly end: number;
  /** A blocking response has its length; a ranged one has its `content-range`. */
  readonly expects: "whole" | "range" | "buffered";
  /** Done once, when the first bytes of the body are in. */
  readonly meanwhile?: () => void;
};

function probesOf({ file, signedUrl, plainUrl, clientToken, cutTunnel }: CheckOptions): Probe[] {
  const size = file.bytes;
  const middle = Math.floor(size / 2);
  const authorization = `Bearer ${clientToken}`;
  const range = (name: string, header: string, first: number, end: number): Probe => ({
    name,
    url: signedUrl,
    headers: { range: `bytes=${header}` },
    first,
    end,
    expects: "range",
  });
  return [
    { name: "streaming", url: signedUrl, headers: {}, first: 0, end: size, expects: "whole" },
    range("range, first 44 bytes", "0-43", 0, 44),
    range("range, 1 MB in the middle", `${middle}-${middle + 999_999}`, middle, middle + 1_000_000),
    range("range, from a point on", `${size - 5_000_000}-`, size - 5_000_000, size),
    range("range, the last 64 KiB", "-65536", size - 65_536, size),
    {
      name: "blocking",
      url: plainUrl,
      headers: { authorization, "culvert-response": "blocking" },
      first: 0,
      end: size,
      expects: "buffered",
    },
    {
      name: "streaming, with a token",
      url: plainUrl,
      headers: { authorization },
      first: 0,
      end: size,
      expects: "whole",
    },
    {
      name: "streaming, tunnel cut half-way",
      url: signedUrl,
      headers: {},
      first: 0,
      end: size,
      expects: "whole",
      meanwhile: cutTunnel,
    },
  ];
}

type Result = { readonly megabytes: number; readonly seconds: number; readonly fault: string | null };

async function run(probe: Probe, options: CheckOptions): Promise<Result> {
  const began = performance.now();
  try {
    const answer = await fetchWhole(probe);
    const seconds = (performance.now() - began) / 1000;
    return { megabytes: answer.body.length / 1e6, seconds, fault: faultOf(answer, probe, options) };
  } catch (error) {
    return { megabytes: 0, seconds: 0, fault: error instanceof Error ? error.message : String(error) };
  }
}

/** What is wrong with the answer, in words; null when nothing is. */
function faultOf(answer: Answer, probe: Probe, { file, tune }: CheckOptions): string | null {
  const { status, headers, body } = answer;
  const wanted = tune.subarray(probe.first, probe.end);
  if (status !== (probe.expects === "range" ? 206 : 200)) return `status ${status}`;
  if (body.length !== wanted.length) return `${body.length} bytes instead of ${wanted.length}`;
  if (probe.expects === "range") {
    const contentRange = `bytes ${probe.first}-${probe.end - 1}/${file.bytes}`;
    if (headers["content-range"] !== contentRange) return `content-range ${headers["content-range"]}`;
    return body.equals(wanted) ? null : "DIFFERENT BYTES";
  }
  if (probe.expects === "buffered" && headers["content-length"] !== String(wanted.length)) {
    return `content-length ${headers["content-length"]}`;
  }
  const sha256 = createHash("sha256").update(body).digest("hex");
  return sha256 === file.sha256 ? null : "DIFFERENT SHA-256";
}

type Answer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer };

/** A bare request: no `accept-encoding`, so that nobody compresses and the bytes are the home's own. */
function fetchWhole({ url, headers, meanwhile }: Probe): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(url, { headers, signal: AbortSignal.timeout(FETCH_MS) });
    call.once("error", reject);
    call.once("response", (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      if (meanwhile !== undefined) response.once("data", meanwhile);
      response.once("error", reject);
      response.once("end", () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(pieces),
        });
      });
    });
    call.end();
  });
}

/** Thirty megabytes on one machine take a fraction of a second. */
const FETCH_MS = 30_000;
