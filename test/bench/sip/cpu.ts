import { readdirSync, readFileSync } from "node:fs";

/** Of `USER_HZ`, which Linux fixes for `/proc`. */
const TICK_MS = 10;

/** CPU time of processes and all their descendants until now, ms. */
export function cpuMs(roots: readonly number[]): number {
  const parents = new Map<number, number>();
  const ticks = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    try {
      // After the name in parentheses: state, parent, …, utime (12th), stime (13th).
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
      parents.set(pid, Number(fields[1]));
      ticks.set(pid, Number(fields[11]) + Number(fields[12]));
    } catch {
      continue; // It has ended.
    }
  }
  const isOurs = (pid: number | undefined): boolean =>
    pid !== undefined && pid > 1 && (roots.includes(pid) || isOurs(parents.get(pid)));
  let sum = 0;
  for (const [pid, own] of ticks) if (isOurs(pid)) sum += own;
  return sum * TICK_MS;
}
