/** The settings of `culvert health`: where the operator's listener of a server on this machine is, as `culvert serve` was told. */
import { z } from "zod";
import { bind, port } from "./network.ts";
import { type Environment, readSettings } from "./reading/reader.ts";
import type { Setting } from "./reading/setting.ts";
import { variablesOfAll } from "./settings.ts";

export type HealthConfig = { readonly adminPort: number; readonly adminBind: string };

const schema = z.object({ adminPort: port.default(8001), adminBind: bind.default("127.0.0.1") });

const settings: { readonly [Name in keyof typeof schema.shape]: Setting } = {
  adminPort: {
    flag: "admin-port",
    variable: "ADMIN_PORT",
    placeholder: "PORT",
    help: "the server's (default 8001)",
  },
  adminBind: {
    flag: "admin-bind",
    variable: "ADMIN_BIND",
    placeholder: "ADDRESS",
    help: "the server's (default 127.0.0.1)",
  },
};

export const healthSettings: readonly Setting[] = Object.values<Setting>(settings);

/** Throws `StartupError`. */
export function readHealthConfig(args: readonly string[], environment: Environment): HealthConfig {
  return readSettings(schema, settings, { args, environment, variables: variablesOfAll() });
}
