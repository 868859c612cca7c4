import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isClientId, placeOf, waysOf } from "../../../../core/server/routing/place.ts";
import { decodeWays } from "../../../../core/wire/ways.ts";

const both = { domain: "tunnel.test", hostnames: {}, pathRouting: true };

const clientIds = fc
  .oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 64 }),
    fc.stringMatching(/^[a-z0-9-]{1,64}$/),
    fc.constantFrom("home", "Home", "www", "a.b", ".", "..", "a/b", "a b", "h\u00f6me", "%2e", "a?b#c", "@x"),
  )
  .filter(isClientId);

it("the ways that a home is told lead to it, as a browser writes them, and are fit to be told", () => {
  fc.assert(
    fc.property(clientIds, (clientId) => {
      const ways = waysOf(clientId, both, null);
      expect(decodeWays(ways)).toEqual(ways);
      const { host, path } = ways;
      for (const link of [host === null ? null : `https://${host}/`, path && `https://tunnel.test${path}`]) {
        if (link === null) continue;
        const url = new URL(link);
        const request = { method: "GET", target: url.pathname, headers: ["host", url.host] };
        expect(placeOf(request, both)).toMatchObject({
          type: "home",
          clientId,
          target: "/",
          elsewhere: null,
        });
      }
    }),
  );
});

it("a home has the ways that the server has, by host where its client id can be a label", () => {
  expect(waysOf("home", both, null)).toEqual({ host: "home.tunnel.test", path: "/t/home/" });
  expect(waysOf("Home", both, null)).toEqual({ host: null, path: "/t/Home/" });
  expect(waysOf("www", both, null).host).toBeNull();
  expect(waysOf("..", both, null).path).toBeNull();
  expect(waysOf("home", { domain: null, hostnames: {}, pathRouting: false }, null)).toEqual({
    host: null,
    path: null,
  });
});

describe("a name of a home's own", () => {
  const named = {
    domain: "tunnel.test",
    hostnames: { "photos.example.org": "Photos & more" },
    pathRouting: false,
  };
  const at = (host: string, config: Parameters<typeof placeOf>[1] = named) =>
    placeOf({ method: "GET", target: "/auth/register-client?clientId=x", headers: ["host", host] }, config);

  it("leads to it with every path, in every spelling", () => {
    for (const host of ["photos.example.org", "PHOTOS.example.org:8443", "photos.example.org."]) {
      expect(at(host), host).toEqual({
        type: "home",
        way: "host",
        clientId: "Photos & more",
        prefix: "",
        target: "/auth/register-client?clientId=x",
        elsewhere: null,
      });
    }
  });

  it("leads there without a domain, too", () => {
    expect(at("photos.example.org", { ...named, domain: null })).toMatchObject({ clientId: "Photos & more" });
  });

  it("is not any other name, nor one of JavaScript's", () => {
    for (const host of ["example.org", "a.photos.example.org", "photos.example.orgg", "constructor"]) {
      expect(at(host), host).toMatchObject({ type: "server" });
    }
    expect(at("constructor.tunnel.test")).toMatchObject({ clientId: "constructor" });
  });

  it("is what the home is told, rather than the one below the domain", () => {
    expect(waysOf("Photos & more", named, null).host).toBe("photos.example.org");
    expect(waysOf("home", named, null).host).toBe("home.tunnel.test");
  });

  it("is of several the one that the home asks for, and of none but its own", () => {
    const several = { ...named, hostnames: { ...named.hostnames, "p.example.org": "Photos & more" } };
    const told = (asked: string | null) => waysOf("Photos & more", several, asked).host;
    expect(told("p.example.org")).toBe("p.example.org");
    expect(told("photos.example.org")).toBe("photos.example.org");
    for (const none of [null, "other.example.org", "constructor", "home.tunnel.test"])
      expect(told(none)).toBe("photos.example.org");
    expect(waysOf("home", several, "p.example.org").host).toBe("home.tunnel.test");
  });
});
