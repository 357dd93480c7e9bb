import type { Results } from "./results.ts";

/** A goal, what was measured for it, and whether that is enough. */
export interface Verdict {
  readonly goal: string;
  readonly measured: string;
  /** `undefined` where this run did not measure it. */
  readonly met: boolean | undefined;
}

/** Where Aorta has to be. Times are compared with the raw limit of the same round, for machines differ; rates and CPU are of this machine. */
export function judge(results: Results): readonly Verdict[] {
  const verdicts: Verdict[] = [];
  const add = (goal: string, value: number | undefined, met: (value: number) => boolean, unit: string) => {
    const measured = value === undefined ? "not measured" : `${format(value)}${unit}`;
    verdicts.push({ goal, measured, met: value === undefined ? undefined : met(value) });
  };
  const atMost = (bound: number) => (value: number) => value <= bound;
  const atLeast = (bound: number) => (value: number) => value >= bound;

  for (const system of ["aorta-3", "aorta-5"]) {
    const value = (...of: [string, "p50Ms" | "perSecond" | "cpuMicros"]) => results.value(system, ...of);
    const times = (operation: string, raw: string) => results.ratio(system, operation, "p50Ms", raw);
    // To as many replicas: five processes and a client share the cores.
    const write = system === "aorta-5" ? "write-5" : "write";
    add(`${system}: a claim within 4 raw majority writes`, times("claim", write), atMost(4), " ×");
    const nats = results.value("nats", "claim", "p50Ms");
    const claim = value("claim", "p50Ms");
    const beside = nats === undefined || claim === undefined ? undefined : claim / nats;
    add(`${system}: a claim faster than NATS R3's`, beside, atMost(1), " × NATS");
    add(`${system}: 15,000 claims a second from one server`, value("claim", "perSecond"), atLeast(15_000), " /s");
    add(`${system}: a claim for 105 µs of CPU, all servers`, value("claim", "cpuMicros"), atMost(105), " µs");
    add(`${system}: a cold lookup within 3 raw round trips`, times("lookup", "round-trip"), atMost(3), " ×");
    add(`${system}: 25,000 cold lookups a second`, value("lookup", "perSecond"), atLeast(25_000), " /s");
    add(
      `${system}: 1,000,000 lookups of watched users a second`,
      value("lookup-watched", "perSecond"),
      atLeast(1e6),
      " /s",
    );
    add(`${system}: 1,000 watchers told within 2 raw round trips`, times("notice-1000", "round-trip"), atMost(2), " ×");
  }
  for (const system of ["aorta-3", "aorta-5"]) {
    add(`${system}: nobody owned twice in a race`, results.value(system, "race", "twoBelievers"), atMost(0), "");
    add(
      `${system}: claims stop for 100 ms when a member dies`,
      results.value(system, "outage", "outageMs"),
      atMost(100),
      " ms",
    );
  }
  const idle = (metric: "idlePercent" | "replicaHeapBytes" | "rssMebibytes") =>
    results.value("aorta-3", "idle", metric);
  add("idle bindings cost less than 1 % of a core", idle("idlePercent"), (value) => value < 1, " %");
  add("a binding takes 300 B of heap at a replica", idle("replicaHeapBytes"), atMost(300), " B");
  add("a server with its bindings takes 150 MiB", idle("rssMebibytes"), atMost(150), " MiB");
  return verdicts;
}

/** Three digits that matter. */
export function format(value: number): string {
  return Math.abs(value) >= 1000
    ? Math.round(value).toLocaleString("en-US")
    : value.toLocaleString("en-US", { maximumSignificantDigits: 3 });
}
