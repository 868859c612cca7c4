/**
 * The planted bugs. They are applied to scratch copies only; a simulator that finds none of them proves nothing by being green.
 */

import { MUTANTS_AT_DOORS } from "../mutants/at-doors.ts";
import { MUTANTS_IN_TRANSFER } from "../mutants/in-transfer.ts";
import type { Mutant } from "../mutants/mutant.ts";

export type { Mutant };

export const MUTANTS: readonly Mutant[] = [...MUTANTS_IN_TRANSFER, ...MUTANTS_AT_DOORS];
