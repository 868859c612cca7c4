// Prints the test runner's own counts, of all its reports together, as the one plain line that CI ends with.
import { readFileSync } from "node:fs";

const reports = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, "utf8")));
const sum = (count) => reports.reduce((total, report) => total + count(report), 0);
const skipped = sum((report) => report.numPendingTests);
// A file that fails to load has no test to count, so the suites that failed as a whole count as well.
const broken = (report) =>
  report.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0).length;
const failed = sum((report) => report.numFailedTests + broken(report));
const passed = sum((report) => report.numPassedTests);
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
if (reports.some((report) => !report.success)) process.exitCode = 1;
