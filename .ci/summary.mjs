// Prints the test runner's own counts as the one plain line that CI ends with.
import { readFileSync } from "node:fs";

const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
const skipped = report.numPendingTests > 0 ? `, ${report.numPendingTests} skipped` : "";
// A file that fails to load has no test to count, so the suites that failed as a whole count as well.
const broken = report.testResults.filter(
  (file) => file.status === "failed" && file.assertionResults.length === 0,
);
console.log(`${report.numPassedTests} passed, ${report.numFailedTests + broken.length} failed${skipped}`);
if (!report.success) process.exitCode = 1;
