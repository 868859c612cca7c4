/** What a setting is, for whatever reads one or tells of it. */
import { resolve } from "node:path";

export type Setting = {
  /** Without the dashes. */
  readonly flag: string;
  /** Environment variable, where there is one. */
  readonly variable?: string;
  /** Stands for the value in the help text. */
  readonly placeholder: string;
  readonly help: string;
  /** Where nothing else is taken. */
  readonly choices?: readonly string[];
  /** May be given several times; its schema takes a list of texts. The variable holds one on each line. */
  readonly repeatable?: boolean;
  /** What joins name and value of an item, where each has both: a configuration file may give them so. */
  readonly joint?: string;
  /** A text that was read in a file of this folder, where it names something there. */
  readonly placed?: (text: string, folder: string) => string;
  /** Tells of a text of it whether that is a secret. Such a setting can be given in a file, too. */
  readonly isSecret?: (text: string) => boolean;
};

/** The settings, each that may hold a secret with the one that names a file of it (Docker's and systemd's convention). */
export function withFiles(settings: readonly Setting[]): Setting[] {
  return settings.flatMap((setting) => {
    const file = fileOf(setting);
    return file === null ? [setting] : [setting, file];
  });
}

/** The setting that names a file with this one's text; null where this one holds no secret. */
export function fileOf({ flag, variable, isSecret, repeatable }: Setting): Setting | null {
  if (isSecret === undefined) return null;
  return {
    flag: `${flag}-file`,
    ...(variable === undefined ? {} : { variable: `${variable}_FILE` }),
    placeholder: "FILE",
    placed: placedPath,
    help: `a file with what --${flag} takes${repeatable ? ", one on each line" : ""}; keeps it out of the process list`,
    ...(repeatable === undefined ? {} : { repeatable }),
  };
}

/** Paths in a file are from its own folder on. */
export function placedPath(text: string, folder: string): string {
  return resolve(folder, text);
}

/** Of both commands: read before all others. */
export const configSetting: Setting = {
  flag: "config",
  variable: "CULVERT_CONFIG",
  placeholder: "FILE",
  placed: placedPath,
  help: "YAML with settings by their names here; what is also given by flag or variable is taken from there",
};
