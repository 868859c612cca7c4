/** The server's settings about the nodes that share its registry: where they reach it, and what they know one another by. */
import { z } from "zod";
import { URL_LENGTH_MAX } from "../../core/registry.ts";
import { StartupError } from "../startup-error.ts";
import { bind, port } from "./network.ts";
import { placedPath, type Setting } from "./reading/setting.ts";
import { always, baseUrl, refuse } from "./schemas.ts";

/** How a node is reached by others, and how it reaches them. */
export type PeerConfig = {
  readonly bind: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** What other nodes dial: an origin, `http:` or `https:`; or `unix:` with a path. */
  readonly url: string;
  /** One or two. Both are good, and the first signs. */
  readonly secrets: readonly string[];
  readonly tls: PeerTls;
  /** A Unix socket in place of the address, where all nodes are processes of one machine. */
  readonly path?: string;
};

/** Paths of PEM files; null where there is none. */
export type PeerTls = {
  /** Both or neither: what the listener shows. */
  readonly cert: string | null;
  readonly key: string | null;
  /** Who vouches for other nodes; null: whom the system trusts. */
  readonly ca: string | null;
};

/** As many characters as 128 bits have in hexadecimal: it is guessed by nobody, and a word is no secret. */
const SECRET_LENGTH_MIN = 32;

/** The old and the new one, while all nodes get the new. */
const SECRETS_MAX = 2;

function nodeUrl(example: string) {
  const forms = `must be an http:// or https:// URL, such as ${example}`;
  return baseUrl({ "http:": "http:", "https:": "https:" }, example, forms).transform((url, context) => {
    if (url.href.length <= URL_LENGTH_MAX) return url;
    return refuse(context, `must have at most ${URL_LENGTH_MAX} characters`);
  });
}

const pemFile = z.string().nullable().default(null);

export const peerShape = {
  peerBind: bind.nullable().default(null),
  peerPort: port.nullable().default(null),
  peerUrl: nodeUrl("http://10.0.0.1:8002")
    .transform((url, context) => {
      if (url.pathname === "/") return url.origin;
      return refuse(context, "must have no path: it is where the node listens");
    })
    .nullable()
    .default(null),
  publicUrl: nodeUrl("https://one.tunnel.example.org")
    .transform(({ href }) => href)
    .nullable()
    .default(null),
  clusterSecrets: z.array(z.string()).transform((secrets, context) => {
    for (const [index, secret] of secrets.entries()) {
      if (secret.length < SECRET_LENGTH_MIN) {
        return refuse(
          context,
          `must have at least ${SECRET_LENGTH_MIN} characters: run openssl rand -hex 32`,
          index,
        );
      }
      if (!/^[\x21-\x7e]+$/.test(secret)) {
        return refuse(context, "must be visible ASCII without spaces", index);
      }
    }
    if (secrets.length <= SECRETS_MAX) return secrets;
    return refuse(context, `may be ${SECRETS_MAX} at most: the one that signs, and another that is good`);
  }),
  peerTlsCert: pemFile,
  peerTlsKey: pemFile,
  peerTlsCa: pemFile,
};

export const peerSettings: { readonly [Name in keyof typeof peerShape]: Setting } = {
  peerBind: {
    flag: "peer-bind",
    variable: "CULVERT_PEER_BIND",
    placeholder: "ADDRESS",
    help: "address of a private network where other nodes reach this one (default: they do not)",
  },
  peerPort: {
    flag: "peer-port",
    variable: "CULVERT_PEER_PORT",
    placeholder: "PORT",
    help: "its port (default 8002)",
  },
  peerUrl: {
    flag: "peer-url",
    variable: "CULVERT_PEER_URL",
    placeholder: "URL",
    help: "what other nodes dial to reach this one, such as http://10.0.0.1:8002",
  },
  publicUrl: {
    flag: "public-url",
    variable: "CULVERT_PUBLIC_URL",
    placeholder: "URL",
    help: "where agents reach this very node, past any balancer (default: nowhere)",
  },
  clusterSecrets: {
    flag: "cluster-secret",
    variable: "CULVERT_CLUSTER_SECRET",
    placeholder: "SECRET",
    help: "what all nodes know one another by; two are good at a time, and the first signs; repeatable",
    repeatable: true,
    isSecret: always,
  },
  peerTlsCert: {
    flag: "peer-tls-cert",
    variable: "CULVERT_PEER_TLS_CERT",
    placeholder: "FILE",
    placed: placedPath,
    help: "certificate that this node shows to others, PEM; --peer-url is https:// then (default: none)",
  },
  peerTlsKey: {
    flag: "peer-tls-key",
    variable: "CULVERT_PEER_TLS_KEY",
    placeholder: "FILE",
    placed: placedPath,
    help: "its key, PEM",
  },
  peerTlsCa: {
    flag: "peer-tls-ca",
    variable: "CULVERT_PEER_TLS_CA",
    placeholder: "FILE",
    placed: placedPath,
    help: "certificate authority of other nodes, PEM (default: the system's)",
  },
};

const PORT = 8002;

type PeerTexts = { readonly [Name in keyof typeof peerShape]: z.infer<(typeof peerShape)[Name]> };

/** Null where other nodes do not reach this one. Throws `StartupError` for settings that make no whole. */
export function peerOf(texts: PeerTexts): PeerConfig | null {
  const { peerBind, peerPort, peerUrl: url, clusterSecrets: secrets } = texts;
  const { peerTlsCert: cert, peerTlsKey: key, peerTlsCa: ca } = texts;
  if (peerBind === null) {
    const given = { peerPort, peerUrl: url, clusterSecrets: secrets[0], peerTlsCert: cert, peerTlsKey: key };
    for (const [name, value] of Object.entries({ ...given, peerTlsCa: ca })) {
      if (value === null || value === undefined) continue;
      const { flag } = peerSettings[name as keyof typeof peerSettings];
      throw new StartupError(
        `--${flag} is for other nodes: give --peer-bind, where they reach this one, too`,
      );
    }
    return null;
  }
  if (url === null) throw new StartupError("--peer-bind needs --peer-url, which other nodes dial");
  if (secrets.length === 0) {
    throw new StartupError(
      "--peer-bind needs --cluster-secret-file, the same at all nodes: run openssl rand -hex 32",
    );
  }
  if ((cert === null) !== (key === null)) {
    throw new StartupError("--peer-tls-cert and --peer-tls-key go together: give both or neither");
  }
  if (cert !== null && !url.startsWith("https:")) {
    throw new StartupError("--peer-tls-cert makes the listener speak TLS: --peer-url must be https://");
  }
  return { bind: peerBind, port: peerPort ?? PORT, url, secrets, tls: { cert, key, ca } };
}
