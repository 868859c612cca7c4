#!/usr/bin/env node
/*
 * What `culvert` runs. It is written for every Node there ever was: one that is too old for the program gets a sentence and not
 * a stack trace.
 */
"use strict";

var fs = require("fs");
var path = require("path");

var root = path.join(__dirname, "..", "..");
var needed = /\d+(\.\d+)*/.exec(require(path.join(root, "package.json")).engines.node)[0];

function isOlder(version, least) {
  var has = version.split(".");
  var needs = least.split(".");
  var index;
  for (index = 0; index < needs.length; index++) {
    if (Number(has[index]) !== Number(needs[index])) return Number(has[index]) < Number(needs[index]);
  }
  return false;
}

if (isOlder(process.versions.node, needed)) {
  process.stderr.write(
    "culvert: this is Node " +
      process.versions.node +
      ", and it needs " +
      needed +
      " or later: install that, or the single executable, which needs no Node\n"
  );
  process.exit(1);
}

// A repository has the sources, a package what was made of them.
var source = path.join(root, "adapters", "main.ts");
require(fs.existsSync(source) ? source : path.join(root, "dist", "program.cjs"));
