/** Why the registry takes no writes, for a machine and for the person who is to do something about it. */

export type RegistryProblemReason = keyof typeof REGISTRY_PROBLEMS;

export type RegistryProblem = {
  readonly reason: RegistryProblemReason;
  /** What is wrong and what to do, in one line that shows nothing of the database's content. */
  readonly detail: string;
};

/** What is wrong and what to do. docs/server.md lists them all. */
export const REGISTRY_PROBLEMS = {
  registry_down: "the database does not answer: see that it runs and can be reached",
  registry_busy: "another process keeps the database locked: let it finish, or end it",
  registry_file_gone:
    "the file of the database was deleted or replaced: put it back, and start the server again",
  registry_read_only:
    "the database can be read but not written: make its file, its disk or its server writable",
  registry_full: "there is no room left for the database: make room on its disk",
  registry_io: "the disk of the database fails: see the log of its system",
  registry_damaged: "the file of the database is damaged: put back a copy of it",
  registry_refused: "the database refuses to write: see the rights of the account, and the tables",
} as const;

/** `cause` is a code of the database or the system, which says more to those who know it. */
export function registryProblem(reason: RegistryProblemReason, cause = ""): RegistryProblem {
  const detail = REGISTRY_PROBLEMS[reason];
  return { reason, detail: cause === "" ? detail : `${detail} (${cause})` };
}
