/** How many files and sockets this process may have open; infinite where the system sets no bound. Node has raised it as far as it may be (`ulimit -Hn`). */
export function openFilesMax(): number {
  const report: NodeJS.ProcessReport & { excludeNetwork?: boolean } = process.report;
  const { excludeNetwork = false } = report;
  // The addresses of all sockets are none of it, and their names even less: they would be asked for.
  report.excludeNetwork = true;
  try {
    return openFilesIn(report.getReport());
  } finally {
    report.excludeNetwork = excludeNetwork;
  }
}

/** That of a diagnostic report of Node. */
export function openFilesIn(report: object): number {
  const { userLimits } = report as { userLimits?: { open_files?: { soft?: unknown } } };
  const bound = userLimits?.open_files?.soft;
  return typeof bound === "number" ? bound : Infinity;
}
