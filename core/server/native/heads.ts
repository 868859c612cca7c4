/** What the head of a request becomes on its way: what the home is told. */
import { forwardHeaders, visitorSite } from "../../http/forwarded.ts";
import { type HeaderList, headerValue, withoutHeader } from "../../http/headers.ts";
import { intoHome } from "../../http/home-path.ts";
import { withTargetsHost } from "../../http/host.ts";
import { upgradeFields } from "../../http/upgrade.ts";
import type { OpenOrder } from "../carrier.ts";
import { homeHeaders } from "../routing/route.ts";
import type { ServerState } from "../state/server.ts";

/** What the home is told: end-to-end fields in their order, without what was meant for this server, and who asks. */
export function requestHeaders(
  state: ServerState,
  { request, route, passesAuthorization }: OpenOrder,
): HeaderList {
  const { prefix } = route.forward;
  const own = withTargetsHost(request.target, homeHeaders(request.headers, passesAuthorization));
  const headers = prefix === "" ? own : intoHome(own, visitorSite(request, state, prefix));
  const passed = forwardHeaders({ target: request.target, headers, peer: request.peer }, state, prefix);
  if (request.upgrade) return upgradeFields(passed);
  const isExpected = request.expectsContinue && request.hasBody;
  return isExpected || headerValue(passed, "expect") === undefined ? passed : withoutHeader(passed, "expect");
}
