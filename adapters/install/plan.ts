/** What an installation or its undoing does, step by step, as data: to be shown, or to be done. */
import { join } from "node:path";
import type { InstallConfig, InstallTarget } from "../settings/install.ts";
import { serviceText, socketText, unitName } from "./unit.ts";

export type Step =
  /** Of a file that is there already nothing changes where it is a secret. */
  | { readonly type: "write"; readonly path: string; readonly text: string; readonly isSecret: boolean }
  | { readonly type: "remove"; readonly path: string }
  /** `mayFail`: what it undoes may have been undone. */
  | { readonly type: "run"; readonly command: readonly string[]; readonly mayFail: boolean };

/** Of the machine and the caller. */
export type Place = {
  readonly home: string;
  /** What runs the program: whole paths. */
  readonly command: readonly string[];
  /** For a server that is told none. */
  readonly newToken: string;
};

export function installSteps(config: InstallConfig, place: Place): readonly Step[] {
  const { units, settings } = foldersOf(config, place);
  const name = unitName(config.program);
  const tokenFile = join(settings, "access-token");
  const makesToken = config.program === "server" && !config.hasAccessToken;
  const token = { name: "access-token-file", value: tokenFile, namesSecretFile: true };
  const flags = makesToken ? [token, ...config.flags] : config.flags;
  const { sockets } = config;
  const write = (path: string, text: string, isSecret = false) =>
    ({ type: "write", path, text, isSecret }) as const;
  const unit = (kind: UnitKind) => `${name}.${kind}`;
  const kinds: readonly UnitKind[] = sockets === null ? ["service"] : ["socket", "service"];
  return [
    // Of an installation that had sockets.
    ...(sockets === null && config.program === "server" ? withoutUnit(config, place, "socket") : []),
    ...(makesToken ? [write(tokenFile, `${place.newToken}\n`, true)] : []),
    write(join(units, unit("service")), serviceText({ ...config, flags, command: place.command })),
    ...(sockets === null ? [] : [write(join(units, unit("socket")), socketText(sockets))]),
    systemctl(config, "daemon-reload"),
    systemctl(config, "enable", ...kinds.map(unit)),
    // What runs already is to have the new flags.
    systemctl(config, "restart", ...kinds.map(unit)),
  ];
}

type UnitKind = "socket" | "service";

/** Takes back what was installed. What the program has kept, and secrets, stay. */
export function uninstallSteps(target: InstallTarget, place: Pick<Place, "home">): readonly Step[] {
  // The socket first: what came to it would start the service again.
  const kinds: readonly UnitKind[] = target.program === "server" ? ["socket", "service"] : ["service"];
  return [...kinds.flatMap((kind) => withoutUnit(target, place, kind)), systemctl(target, "daemon-reload")];
}

function withoutUnit(target: InstallTarget, place: Pick<Place, "home">, kind: UnitKind): readonly Step[] {
  const unit = `${unitName(target.program)}.${kind}`;
  return [
    { ...systemctl(target, "disable", "--now", unit), mayFail: true },
    { type: "remove", path: join(foldersOf(target, place).units, unit) },
  ];
}

/** Where something may stay after an uninstall. */
export function keptFolders(
  { program, isOfUser }: InstallTarget,
  { home }: Pick<Place, "home">,
): readonly string[] {
  const name = unitName(program);
  if (!isOfUser) return ["/etc/culvert", join("/var/lib", name)];
  // Younger versions of systemd keep the state of users at the second place.
  return [".config/culvert", join(".local/state", name)].map((folder) => join(home, folder));
}

function foldersOf({ isOfUser }: InstallTarget, { home }: Pick<Place, "home">) {
  return isOfUser
    ? { units: join(home, ".config/systemd/user"), settings: join(home, ".config/culvert") }
    : { units: "/etc/systemd/system", settings: "/etc/culvert" };
}

function systemctl({ isOfUser }: InstallTarget, ...words: readonly string[]) {
  return {
    type: "run",
    command: ["systemctl", ...(isOfUser ? ["--user"] : []), ...words],
    mayFail: false,
  } as const;
}
