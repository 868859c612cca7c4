/**
 * The configuration file of a command as JSON Schema (2020-12), by which editors complete it and mark what is wrong. Made of what the
 * settings are read by. A text may stand there as whatever YAML takes it for: `8080` is a number to an editor.
 */
import { z } from "zod";
import { agentSchema, agentSettings } from "./agent.ts";
import { LIMIT_REASONS } from "./limit-reasons.ts";
import { OF_ALL_HOMES, OF_ONE_HOME } from "./reading/config-file.ts";
import { fileOf, type Setting } from "./reading/setting.ts";
import { serveSchema, serveSettings } from "./serve.ts";
import { type CommandName, limitsOf } from "./settings.ts";

export type JsonSchema = { readonly [Keyword in string]: unknown };

export function configFileSchema(command: CommandName): JsonSchema {
  const properties = propertiesOf(command);
  const title = `Configuration file of culvert ${command}`;
  const head = { $schema: "https://json-schema.org/draft/2020-12/schema", title };
  if (command === "serve") return { ...head, ...objectOf(properties) };
  const ofHome = Object.entries(properties).filter(
    ([name]) => !OF_ALL_HOMES.includes(name) && name !== "client-id",
  );
  const homes = {
    description: "several homes by client id, each with what is not as above",
    type: "object",
    additionalProperties: objectOf(Object.fromEntries(ofHome)),
  };
  return {
    ...head,
    ...objectOf({ ...properties, homes }),
    if: { required: ["homes"] },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: { properties: Object.fromEntries(OF_ONE_HOME.map((name) => [name, false])) },
  };
}

function objectOf(properties: JsonSchema): JsonSchema {
  return { type: "object", properties, additionalProperties: false };
}

function propertiesOf(command: CommandName): JsonSchema {
  const schema = command === "serve" ? serveSchema : agentSchema;
  const table: Readonly<Record<string, Setting>> = command === "serve" ? serveSettings : agentSettings;
  const taken = z.toJSONSchema(schema, { io: "input" }).properties ?? {};
  const properties: Record<string, JsonSchema> = {};
  for (const [key, setting] of Object.entries(table)) {
    if (setting.flag === "config") continue;
    properties[setting.flag] = {
      description: setting.help,
      ...givenAs(setting, textOf(setting, taken[key]), command),
    };
    const file = fileOf(setting);
    if (file !== null)
      properties[file.flag] = { description: file.help, ...givenAs(file, { type: "string" }, command) };
  }
  return properties;
}

/** One text. What zod knows of it beyond that stands in the schema of the text, of the item, or of what is not null. */
function textOf({ choices }: Setting, taken: unknown): JsonSchema {
  if (choices?.includes("on")) return { enum: [...choices, true, false] };
  if (choices !== undefined) return { enum: choices };
  const pattern = patternIn(taken);
  return { type: ["string", "number"], ...(pattern === null ? {} : { pattern }) };
}

function patternIn(taken: unknown): string | null {
  if (typeof taken !== "object" || taken === null) return null;
  if ("pattern" in taken && typeof taken.pattern === "string") return taken.pattern;
  const parts = "anyOf" in taken && Array.isArray(taken.anyOf) ? taken.anyOf : [];
  return parts.map(patternIn).find((pattern) => pattern !== null) ?? null;
}

function givenAs({ flag, repeatable, joint }: Setting, text: JsonSchema, command: CommandName): JsonSchema {
  if (!repeatable) return text;
  const named = flag === "limit" ? limitsSchemaOf(command) : { type: "object", additionalProperties: text };
  return { anyOf: [text, { type: "array", items: text }, ...(joint === undefined ? [] : [named])] };
}

function limitsSchemaOf(command: CommandName): JsonSchema {
  const reasons: Readonly<Record<string, string>> = LIMIT_REASONS;
  const limits = Object.entries(limitsOf(command)).map(([name, value]) => [
    name,
    { description: `${reasons[name]} (default ${value})`, type: "integer", minimum: 0 },
  ]);
  return objectOf(Object.fromEntries(limits));
}
