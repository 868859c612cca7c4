import { describe, expect, it } from "vitest";
import { chooseCoding, compressedHeaders } from "../../../core/http/compression.ts";

const JSON_RESPONSE = ["Content-Type", "application/json"];

function choose(
  acceptEncoding: string | null,
  { method = "GET", status = 200, request = [] as string[], response = JSON_RESPONSE } = {},
) {
  const accept = acceptEncoding === null ? [] : ["Accept-Encoding", acceptEncoding];
  return chooseCoding({ method, status, requestHeaders: [...accept, ...request], responseHeaders: response });
}

describe("chooseCoding, by what the visitor accepts", () => {
  it.each([
    [null, null],
    ["", null],
    ["identity", null],
    ["gzip", "gzip"],
    ["x-gzip", "gzip"],
    ["br", "br"],
    ["GZIP, Br", "br"],
    ["gzip, deflate, br, zstd", "br"],
    ["deflate, zstd", null],
    ["gzip;q=0.9, br;q=0.8", "gzip"],
    ["gzip;q=0.8, br;q=0.8", "br"],
    ["br;q=0, gzip;q=0.001", "gzip"],
    ["gzip;q=0", null],
    ["*", "br"],
    ["*;q=0", null],
    ["*;q=0, gzip", "gzip"],
    ["br;q=0, *", "gzip"],
    ["gzip;q=0.5, identity;q=0.6", null],
    ["gzip;q=0.5, identity;q=0.5", "gzip"],
    ["identity;q=0, gzip;q=0.1", "gzip"],
    ["gzip;q=2", null],
  ] as const)("%j gets %j", (acceptEncoding, coding) => {
    expect(choose(acceptEncoding)).toBe(coding);
  });
});

describe("chooseCoding, by the type of the content", () => {
  it.each([
    ...["text/html; charset=utf-8", "text/event-stream", "TEXT/CSS", "application/json;charset=utf-8"],
    ...["application/problem+json", "application/ld+json", "image/svg+xml", "application/rss+xml"],
    ...["application/javascript", "text/javascript", "application/wasm", "application/x-ndjson"],
  ])("%s is compressed", (type) => {
    expect(choose("br", { response: ["content-type", type] })).toBe("br");
  });

  it.each([
    ...["audio/flac", "image/png", "video/mp4", "application/zip", "application/octet-stream", "font/woff2"],
    ...["application/jsonx", "xtext/html", "text/", "application/grpc", ""],
  ])("%s is not", (type) => {
    expect(choose("br", { response: ["content-type", type] })).toBeNull();
  });

  it("content without a type is not", () => {
    expect(choose("br", { response: [] })).toBeNull();
  });
});

describe("chooseCoding, by what else is known of the exchange", () => {
  it.each([
    ["a HEAD request", { method: "HEAD" }],
    ["H12 a 204", { status: 204 }],
    ["H12 a 304", { status: 304 }],
    ["H18 a 206", { status: 206 }],
    ["H18 a Range request that is answered whole", { request: ["Range", "bytes=0-"] }],
    ["H18 a Content-Range", { response: [...JSON_RESPONSE, "content-range", "bytes 0-9/10"] }],
    ["H26 what is coded already", { response: [...JSON_RESPONSE, "Content-Encoding", "gzip"] }],
    ["no-transform", { response: [...JSON_RESPONSE, "cache-control", "public, No-Transform"] }],
    ["a body below a kibibyte", { response: [...JSON_RESPONSE, "content-length", "1023"] }],
    ["a length that cannot be read", { response: [...JSON_RESPONSE, "content-length", "5, 6"] }],
    ["a digest of the bytes as they are", { response: [...JSON_RESPONSE, "content-digest", "sha-256=:x:"] }],
  ])("%s goes out as it is", (_name, exchange) => {
    expect(choose("br, gzip", exchange)).toBeNull();
  });

  it.each([
    ["a body of a kibibyte", { response: [...JSON_RESPONSE, "content-length", "1024"] }],
    ["a body of unknown length", {}],
    ["an error page", { status: 404 }],
    ["the answer to a POST", { method: "POST" }],
  ])("%s is compressed", (_name, exchange) => {
    expect(choose("br, gzip", exchange)).toBe("br");
  });
});

describe("compressedHeaders", () => {
  it("replace what was true of the uncoded body only", () => {
    const headers = [
      ...["Content-Type", "text/html", "Content-Length", "5000", "ETag", '"v1"', "Accept-Ranges", "bytes"],
      ...["Set-Cookie", "a", "Set-Cookie", "b"],
    ];
    expect(compressedHeaders(headers, "gzip")).toEqual([
      ...["Content-Type", "text/html", "ETag", 'W/"v1"', "Set-Cookie", "a", "Set-Cookie", "b"],
      ...["content-encoding", "gzip", "vary", "Accept-Encoding"],
    ]);
  });

  it("leave a weak validator weak", () => {
    expect(compressedHeaders(["etag", 'W/"v1"'], "br").slice(0, 2)).toEqual(["etag", 'W/"v1"']);
  });

  it("say only once that the response varies by encoding", () => {
    for (const vary of ["Accept-Encoding", "Origin, accept-encoding", "*"]) {
      expect(compressedHeaders(["Vary", vary], "br")).toEqual(["Vary", vary, "content-encoding", "br"]);
    }
    expect(compressedHeaders(["Vary", "Origin"], "br")).toContain("Accept-Encoding");
  });
});
