import type { Load, Timing } from "./load.ts";

/** What is measured of an operation; which of these depends on the operation. */
export interface Figures {
  /** One at a time. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  /** 64 in flight. */
  readonly perSecond?: number;
  /** At 64 in flight: CPU of all processes of the system for one operation, µs. */
  readonly cpuMicros?: number;
  /** CPU of all processes while nothing is asked, % of a core. */
  readonly idlePercent?: number;
  /** Heap that each binding takes at a replica, and at its owner, which is a replica too; bytes. */
  readonly replicaHeapBytes?: number;
  readonly ownerHeapBytes?: number;
  /** Resident memory of the process that owns the bindings, MiB. */
  readonly rssMebibytes?: number;
  /** Of {@link RACE}: keys that more than one claimant believed to have. */
  readonly twoBelievers?: number;
  /** Longest time without a successful claim while a member is killed, ms. */
  readonly outageMs?: number;
}

export type Metric = keyof Figures;

/** How much load a run puts on. */
export interface Plan {
  /** Operations one at a time. */
  readonly sequential: number;
  /** Operations at 64 in flight. */
  readonly parallel: number;
  /** Longest phase of either. */
  readonly phaseMs: number;
  /** Moves that a user's watchers are told of. */
  readonly notices: number;
  /** Bindings of the idle server. */
  readonly bindings: number;
  /** How long an idle system is looked at. */
  readonly idleMs: number;
}

/** Something that can be measured of a system. */
export interface Operation {
  readonly name: string;
  /** Too costly for every round: it runs in the last. */
  readonly once?: boolean;
  run(plan: Plan): Promise<Figures>;
}

/** What is measured: Aorta, the raw limit, a peer. Each keeps its processes from start to stop; only one is under load at a time. */
export interface System {
  readonly name: string;
  readonly operations: readonly Operation[];
  /** Resolves when it is ready for load. */
  start(): Promise<void>;
  /** Ends every process it started. Idempotent. */
  stop(): Promise<void>;
}

/** Many who want the same at the same instant. */
export const RACE = { claimants: 20, keys: 200 } as const;

/** A member is killed while claims go on. */
export const OUTAGE = { forMs: 12_000, killAfterMs: 1_000 } as const;

const IN_FLIGHT = 64;

/** How the load of one operation is put on. */
export interface Bout {
  /** Makes ready for so many operations; not measured. */
  prepare?(operations: number): Promise<unknown>;
  run(load: Load): Promise<Timing>;
  /** CPU of all processes of the system so far. */
  cpuMicros(): Promise<number>;
  /** Called around the part with many in flight. */
  profile?(begins: boolean): Promise<unknown>;
}

/** Measures an operation: first one at a time, then many in flight with the CPU that takes. */
export async function measure(plan: Plan, bout: Bout): Promise<Figures> {
  await bout.prepare?.(plan.sequential);
  const one = await bout.run({ operations: plan.sequential, inFlight: 1, atMostMs: plan.phaseMs });
  await bout.prepare?.(plan.parallel);
  await bout.profile?.(true);
  const before = await bout.cpuMicros();
  const many = await bout.run({ operations: plan.parallel, inFlight: IN_FLIGHT, atMostMs: plan.phaseMs });
  const spent = (await bout.cpuMicros()) - before;
  await bout.profile?.(false);
  return { p50Ms: one.p50Ms, p99Ms: one.p99Ms, perSecond: many.perSecond, cpuMicros: spent / many.operations };
}
