/** How much one phase of load is. It ends at whatever comes first. */
export interface Load {
  readonly operations: number;
  readonly inFlight: number;
  readonly atMostMs: number;
}

/** What a phase of load showed. */
export interface Timing {
  readonly operations: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly perSecond: number;
}

/**
 * Runs an operation again and again, `inFlight` at a time, as clients that wait for their answers do.
 * @param operate gets 0, 1, 2, …, each once
 */
export async function runLoad(load: Load, operate: (index: number) => Promise<unknown>): Promise<Timing> {
  const { operations, inFlight, atMostMs } = load;
  const latencies = new Float64Array(operations);
  let begun = 0;
  let ended = 0;
  const startMs = performance.now();
  const untilMs = startMs + atMostMs;
  const client = async () => {
    for (let nowMs = performance.now(); begun < operations && nowMs < untilMs;) {
      const beginMs = nowMs;
      await operate(begun++);
      nowMs = performance.now();
      latencies[ended++] = nowMs - beginMs;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, client));
  const seconds = (performance.now() - startMs) / 1000;
  const sorted = latencies.subarray(0, ended).toSorted();
  return {
    operations: ended,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    perSecond: ended / seconds,
  };
}

/** The value below which `fraction` of the sorted values lie; NaN of none. */
export function percentile(sorted: ArrayLike<number>, fraction: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? NaN;
}

/** Middle of the values; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[half] as number) : ((sorted[half - 1] ?? NaN) + (sorted[half] ?? NaN)) / 2;
}
