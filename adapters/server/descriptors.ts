/** How many connections this process can hold. */

/** For the operator's listener, the database, the log, and what Node itself has open. */
const RESERVED = 64;

/** Where the system does not tell, as many as most let a process have. */
const USUAL = 1_024;

/** Connections for which there are descriptors, some being kept for everybody else who needs one. */
export function connectionsThatFit(): number {
  return Math.max(1, descriptorsMax() - RESERVED);
}

function descriptorsMax(): number {
  const { report } = process;
  if (report === undefined) return USUAL;
  // Names of network interfaces would be looked up, which takes time. Younger than its type declaration.
  Object.assign(report, { excludeNetwork: true });
  const { userLimits } = report.getReport() as { userLimits?: { open_files?: { soft?: number | string } } };
  const soft = userLimits?.open_files?.soft;
  if (soft === "unlimited") return Number.MAX_SAFE_INTEGER;
  return typeof soft === "number" ? soft : USUAL;
}
