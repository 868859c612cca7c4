/**
 * Behind the last request of a connection nothing is of use to anybody: it is read and dropped, and not kept until the answer
 * is out. So the end of the visitor's side is seen too.
 */
import type { LedgerConnection } from "../ledger/connections.ts";
import type { Property } from "../record/checker.ts";

export const surplusDropped: Property = {
  name: "surplus_dropped",
  create: (violate, judged) => ({
    edgeStep: ({ name, ledger }, event) => {
      // With its connection all of an upload that was not read is gone.
      if (event.type === "connection_closed") return;
      const { about } = ledger;
      if (about === null || !isAllRead(about)) return;
      judged();
      if (about.paused)
        violate(
          "safety",
          `${name} keeps what came behind the last of connection ${about.id}, on ${event.type}`,
        );
    },
  }),
};

function isAllRead({ lastSaid, upgraded, ended, leftMs, open }: LedgerConnection): boolean {
  if (!lastSaid || upgraded || ended || leftMs !== null) return false;
  return open.length > 0 && open.every(({ requestDone }) => requestDone);
}
