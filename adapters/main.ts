#!/usr/bin/env node
/**
 * The first moments of the process. The rest takes a while to load, and a signal that comes meanwhile should find us and not
 * Node, which would die of most of them and open a debugger on SIGUSR1.
 */
import { listenToSignals } from "./operator/signals.ts";

const signals = listenToSignals();
void import("./command.ts").then(({ runCommand }) => runCommand(process.argv.slice(2), signals));
