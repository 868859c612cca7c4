import fc from "fast-check";
import { expect, it } from "vitest";
import { isClientId, placeOf, waysOf } from "../../../../core/server/routing/place.ts";
import { decodeWays } from "../../../../core/wire/ways.ts";

const both = { domain: "tunnel.test", pathRouting: true };

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
      const ways = waysOf(clientId, both);
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
  expect(waysOf("home", both)).toEqual({ host: "home.tunnel.test", path: "/t/home/" });
  expect(waysOf("Home", both)).toEqual({ host: null, path: "/t/Home/" });
  expect(waysOf("www", both).host).toBeNull();
  expect(waysOf("..", both).path).toBeNull();
  expect(waysOf("home", { domain: null, pathRouting: false })).toEqual({ host: null, path: null });
});
