/**
 * systemd's unit of a server or an agent. A service of the machine runs as a user that exists as long as it does, sees no file but
 * its own folder, the system and the secrets that it is given, and may call what programs of its kind call. What is missing is
 * missing for a reason: V8 writes the code that it runs, so memory may be both (MemoryDenyWriteExecute).
 */
import type {
  InstallConfig,
  InstalledFlag,
  InstalledProgram,
  InstalledSockets,
  SocketAddress,
} from "../settings/install.ts";

export type UnitOptions = Pick<InstallConfig, "program" | "isOfUser" | "flags" | "sockets"> & {
  /** What runs the program: whole paths. */
  readonly command: readonly string[];
};

/** Also of its folders: `/var/lib/culvert`, `/etc/culvert`. */
export function unitName(program: InstalledProgram): string {
  return program === "server" ? "culvert" : "culvert-agent";
}

export function serviceText({ program, isOfUser, flags, sockets, command }: UnitOptions): string {
  const name = unitName(program);
  const secrets = flags.filter(({ namesSecretFile }) => namesSecretFile);
  const keepsState = program === "agent" && !isOfUser && flags.every((flag) => flag.name !== "state");
  const words = [
    ...command.map(quoted),
    program === "server" ? "serve" : "agent",
    ...(keepsState ? [`--state=%S/${name}/agent.json`] : []),
    ...flags.map((flag) => flagText(flag, isOfUser)),
  ];
  const lines = [
    "[Unit]",
    `Description=Culvert ${program}`,
    "After=network-online.target",
    "Wants=network-online.target",
    // Without them it would listen by itself, and be in their way.
    ...(sockets === null ? [] : [`Requires=${name}.socket`]),
    "",
    "[Service]",
    "Type=exec",
    `ExecStart=${words.join(" ")}`,
    ...(isOfUser ? [] : secrets.map(({ name: flag, value }) => `LoadCredential=${flag}:${escaped(value)}`)),
    `StateDirectory=${name}`,
    "StateDirectoryMode=0700",
    `WorkingDirectory=%S/${name}`,
    "Restart=always",
    "RestartSec=5",
    // A refusal of the agent's that no further attempt changes: `--exit-on-error`.
    "RestartPreventExitStatus=78",
    // A drain lasts for at most 30 seconds, unless a limit says otherwise.
    "TimeoutStopSec=60",
    "LimitNOFILE=65536",
    "UMask=0077",
    ...(isOfUser ? USER_WALLS : [...WALLS, ...(sockets === null ? rightsFor(flags) : NO_RIGHTS)]),
    "",
    "[Install]",
    `WantedBy=${isOfUser ? "default.target" : "multi-user.target"}`,
    "",
  ];
  return lines.join("\n");
}

/**
 * A server's ports, held by systemd: what connects while the server is started anew waits, and is not refused. `inheritedListeners`
 * takes visitors' first, then the operator's.
 */
export function socketText({ visitors, operator }: InstalledSockets): string {
  const lines = [
    "[Unit]",
    "Description=Culvert server, its ports",
    "",
    "[Socket]",
    `ListenStream=${addressText(visitors)}`,
    `ListenStream=${addressText(operator)}`,
    "Backlog=4096",
    "NoDelay=yes",
    // An address may be there later than the socket, which is made as early as can be.
    "FreeBind=yes",
    "",
    "[Install]",
    "WantedBy=sockets.target",
    "",
  ];
  return lines.join("\n");
}

function addressText({ address, port }: SocketAddress): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** What the kernel lets any user do for himself. */
const USER_WALLS = [
  "NoNewPrivileges=yes",
  "LockPersonality=yes",
  "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
  "RestrictNamespaces=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "SystemCallArchitectures=native",
  "SystemCallFilter=@system-service",
  "SystemCallFilter=~@privileged @resources",
  "SystemCallErrorNumber=EPERM",
];

const WALLS = [
  "DynamicUser=yes",
  ...USER_WALLS,
  "PrivateDevices=yes",
  "PrivateTmp=yes",
  "ProcSubset=pid",
  "ProtectClock=yes",
  "ProtectControlGroups=yes",
  "ProtectHome=yes",
  "ProtectHostname=yes",
  "ProtectKernelLogs=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelTunables=yes",
  "ProtectProc=invisible",
  "ProtectSystem=strict",
  "RemoveIPC=yes",
];

/** Ports below 1024 are the only thing that needs a right, which systemd has. */
function rightsFor(flags: readonly InstalledFlag[]): string[] {
  const isLow = flags.some(
    ({ name, value }) => /^(admin-)?port$/.test(name) && Number(value) < 1024 && Number(value) > 0,
  );
  return isLow
    ? ["AmbientCapabilities=CAP_NET_BIND_SERVICE", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE"]
    : NO_RIGHTS;
}

const NO_RIGHTS = ["CapabilityBoundingSet="];

/** A service of the machine gets secrets as credentials, which only it can read; `%d` is where they are. */
function flagText({ name, value, namesSecretFile }: InstalledFlag, isOfUser: boolean): string {
  return namesSecretFile && !isOfUser ? `--${name}=%d/${name}` : quoted(`--${name}=${value}`);
}

/** One word of a command line (systemd.service(5), "Command lines"): no variable, no specifier, no quote in it counts. */
function quoted(word: string): string {
  const plain = escaped(word).replaceAll("$", "$$$$");
  return /^[\w@%+=:,./$-]+$/.test(plain)
    ? plain
    : `"${plain.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

function escaped(text: string): string {
  return text.replaceAll("%", "%%");
}
