/** One upload: a body of one buffer, as fast as the connection takes it, until the answer is there. */
import { request } from "node:http";
import type { LoadResult, Target } from "./load.ts";

export type UploadLoad = {
  readonly kind: "upload";
  /** Answers 200 when it has the whole body. */
  readonly target: Target;
  readonly bytes: number;
};

/** Never rejects, and ends by itself. */
export function runUpload({ target, bytes }: UploadLoad): Promise<LoadResult> {
  const began = performance.now();
  return new Promise((resolve) => {
    const end = (fault: string | null): void => {
      const seconds = (performance.now() - began) / 1000;
      resolve({ completed: 1, bodyBytes: bytes, seconds, p50Ms: 0, p99Ms: 0, fault });
    };
    const upload = request(target.url, {
      method: "POST",
      agent: false,
      headers: { ...target.headers, "content-type": "application/octet-stream", "content-length": bytes },
      signal: AbortSignal.timeout(UPLOAD_MS_MAX),
    });
    upload.once("error", (error) => end(error.message));
    upload.once("response", (response) => {
      response.once("error", (error) => end(error.message));
      response.once("end", () => end(response.statusCode === 200 ? null : `status ${response.statusCode}`));
      response.resume();
    });
    let remaining = bytes;
    const pour = (): void => {
      while (remaining > 0) {
        const part = piece.subarray(0, Math.min(piece.length, remaining));
        remaining -= part.length;
        if (!upload.write(part)) return;
      }
      upload.end();
    };
    upload.on("drain", pour);
    pour();
  });
}

const UPLOAD_MS_MAX = 75_000;
const piece = Buffer.alloc(64 * 1024, "culvert ");
