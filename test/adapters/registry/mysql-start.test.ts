/** How a start takes a database that it cannot use, by the first packets of MySQL's protocol. */
import net from "node:net";
import tls from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { type MysqlReport, openMysqlRegistry } from "../../../adapters/registry/mysql.ts";
import type { MysqlSettings } from "../../../adapters/settings/settings.ts";
import { listen } from "../listen.ts";
import { createCertificate } from "../origin/certificate.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0).reverse()) clean();
});

const SSL = 0x800;
/** Long passwords, protocol 4.1, secure connections and authentication plugins: what every server has. */
const CAPABILITIES = 0x1 | 0x200 | 0x8000 | 0x80000;

/** Protocol::SSLRequest, with its header. */
const SSL_REQUEST_BYTES = 36;

/** The server's first packet: Protocol::HandshakeV10 of dev.mysql.com/doc. */
function handshake(capabilities: number): Buffer {
  const flags = Buffer.alloc(4);
  flags.writeUInt32LE(capabilities);
  const payload = Buffer.concat([
    Buffer.from("\x0a8.0.0\0"),
    Buffer.from([1, 0, 0, 0]),
    Buffer.from("12345678\0"),
    flags.subarray(0, 2),
    Buffer.from([45, 2, 0]),
    flags.subarray(2),
    Buffer.from([21]),
    Buffer.alloc(10),
    Buffer.from("123456789012\0mysql_native_password\0"),
  ]);
  return Buffer.concat([Buffer.from([payload.length, 0, 0, 0]), payload]);
}

type Begun = { readonly settings: MysqlSettings; readonly dials: () => number };

async function database(capabilities: number, goOn: (socket: net.Socket) => void): Promise<Begun> {
  let dials = 0;
  const server = net.createServer((socket) => {
    dials++;
    socket.write(handshake(capabilities));
    socket.once("readable", () => {
      // The request for TLS; what follows is TLS.
      socket.read(SSL_REQUEST_BYTES);
      goOn(socket);
    });
  });
  const port = Number((await listen(server, cleanups)).split(":")[1]);
  return { settings: settingsFor(port), dials: () => dials };
}

function settingsFor(port: number): MysqlSettings {
  return {
    type: "mysql",
    host: "127.0.0.1",
    port,
    user: "u",
    password: "canary",
    name: "d",
    ssl: "verify-ca",
    caFile: null,
    pool: 1,
    connectMs: 5_000,
    queryMs: 5_000,
    startMs: 20_000,
  };
}

async function failureOf(settings: MysqlSettings, reports: MysqlReport[] = []): Promise<string> {
  try {
    await openMysqlRegistry(settings, (report) => reports.push(report));
    return "";
  } catch (error) {
    return String(error);
  }
}

describe("a start", () => {
  test("ends at once, with what to do, where the database's certificate is not trusted", async () => {
    const { settings, dials } = await database(CAPABILITIES | SSL, (socket) => {
      const secured = new tls.TLSSocket(socket, { isServer: true, ...createCertificate() });
      secured.on("error", () => {});
    });
    expect(await failureOf(settings)).toMatch(
      /cannot use the database: TLS with it fails, .*self-signed.*ca=FILE/,
    );
    expect(dials()).toBe(1);
  });

  test("ends at once, with what to do, where the database speaks no TLS", async () => {
    const { settings, dials } = await database(CAPABILITIES, () => {});
    expect(await failureOf(settings)).toMatch(/cannot use the database: it does not speak TLS: .*ssl=/);
    expect(dials()).toBe(1);
  });

  test("tries again where the database leaves inside of the handshake, and tells it ever more seldom", async () => {
    const { settings, dials } = await database(CAPABILITIES | SSL, (socket) => socket.destroy());
    const reports: MysqlReport[] = [];
    expect(await failureOf({ ...settings, startMs: 2_800 }, reports)).toContain("cannot use the database");
    expect(dials()).toBeGreaterThan(1);
    expect(reports.length).toBeLessThan(dials());
    expect(reports.length).toBe(Math.floor(Math.log2(dials() - 1)) + 1);
  });
});
