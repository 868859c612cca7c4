/** What visitors meet: the server itself, or a proxy in front of it that has the certificate and speaks HTTP/2 to them. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import http2 from "node:http2";
import { join } from "node:path";
import { createCertificate } from "../../adapters/origin/certificate.ts";
import { temporaryFolder } from "../../helpers/tunnel.ts";
import { fromDebian } from "./cache.ts";
import { freePort, serve } from "./programs.ts";

export type FrontName = "direct" | "caddy" | "nginx";

export type Front = {
  /** Of `host`, without a slash at its end. */
  readonly url: string;
  readonly port: number;
  /** Variables that have a client trust its certificate. */
  readonly environment: Readonly<Record<string, string>>;
};

export const DOMAIN = "tunnel.test";

export const FRONT_WORDS: Readonly<Record<FrontName, string>> = {
  direct: "direct",
  caddy: "behind Caddy with TLS and HTTP/2",
  nginx: "behind nginx with TLS and HTTP/2",
};

/** `host` is a name below `DOMAIN`. */
export async function startFront(name: FrontName, host: string, serverPort: number): Promise<Front> {
  if (name === "direct") return { url: `http://${host}:${serverPort}`, port: serverPort, environment: {} };
  const folder = temporaryFolder();
  const { key, cert } = createCertificate({ alsoFor: [`*.${DOMAIN}`] });
  const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  writeFileSync(keyFile, key, { mode: 0o600 });
  writeFileSync(certFile, cert);
  const port = await freePort();
  const options = { folder, port, serverPort, keyFile, certFile };
  await (name === "caddy" ? startCaddy(options) : startNginx(options));
  await expectHttp2(port, host, cert);
  return { url: `https://${host}:${port}`, port, environment: trusting(certFile) };
}

type ProxyOptions = {
  readonly folder: string;
  readonly port: number;
  readonly serverPort: number;
  readonly keyFile: string;
  readonly certFile: string;
};

async function startCaddy({ folder, port, serverPort, keyFile, certFile }: ProxyOptions): Promise<void> {
  await fromDebian({ caddy: "caddy" });
  const file = join(folder, "Caddyfile");
  writeFileSync(
    file,
    `{
  admin off
  auto_https off
  servers {
    protocols h1 h2
  }
}
https://${DOMAIN}:${port}, https://*.${DOMAIN}:${port} {
  tls ${certFile} ${keyFile}
  reverse_proxy 127.0.0.1:${serverPort}
}
`,
  );
  const environment = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
  await serve("caddy", ["run", "--config", file, "--adapter", "caddyfile"], port, { environment });
}

async function startNginx({ folder, port, serverPort, keyFile, certFile }: ProxyOptions): Promise<void> {
  await fromDebian({ "/usr/sbin/nginx": "nginx-light" });
  await startNginxOf(
    folder,
    port,
    `map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
server {
  listen 127.0.0.1:${port} ssl http2;
  server_name .${DOMAIN};
  ssl_certificate ${certFile};
  ssl_certificate_key ${keyFile};
  client_max_body_size 0;
  location / {
    proxy_pass http://127.0.0.1:${serverPort};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_request_buffering off;
    proxy_buffering off;
    proxy_read_timeout 310s;
    proxy_send_timeout 310s;
  }
}`,
  );
}

/** One that has this in its `http` block, whether it is a proxy or a service. */
export async function startNginxOf(folder: string, port: number, block: string): Promise<void> {
  const file = join(folder, "nginx.conf");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  );
  writeFileSync(
    file,
    `daemon off;
user root;
worker_processes 1;
pid ${join(folder, "nginx.pid")};
error_log stderr;
events {}
http {
access_log off;
${temporary.join("\n")}
${block}
}
`,
  );
  await serve("/usr/sbin/nginx", ["-p", folder, "-c", file], port);
}

/** For curl and git, OpenSSL, Go, Python's requests, Node and the AWS tools. */
function trusting(file: string): Front["environment"] {
  return {
    SSL_CERT_FILE: file,
    CURL_CA_BUNDLE: file,
    GIT_SSL_CAINFO: file,
    REQUESTS_CA_BUNDLE: file,
    AWS_CA_BUNDLE: file,
    NODE_EXTRA_CA_CERTS: file,
  };
}

/** What is said about HTTP/2 shall be so. */
async function expectHttp2(port: number, host: string, ca: string): Promise<void> {
  const session = http2.connect(`https://127.0.0.1:${port}`, { ca, servername: host });
  await once(session, "connect");
  session.close();
}
