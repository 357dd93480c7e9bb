import type { NetworkFaults } from "./network.ts";
import type { Random } from "./random.ts";

/**
 * Which faults a run has and how hard, drawn from its seed: runs that all have a bit of everything would never meet
 * what needs much of one thing. Means are between two faults of the kind, ms; `Infinity` for never.
 */
export interface FaultMix {
  readonly claimMs: number;
  /** Share of claims that take a user over from a live owner. */
  readonly takeOver: number;
  readonly crashMs: number;
  readonly pauseMs: number;
  readonly partitionMs: number;
  /** Servers that leave or join. */
  readonly rosterMs: number;
  readonly network: NetworkFaults;
}

export function drawFaults(random: Random, leaseMs: number): FaultMix {
  const often = () => (random.chance(0.7) ? random.between(0.5, 10) * leaseMs : Infinity);
  return {
    claimMs: random.pick([20, 100, 500, 2_000]),
    takeOver: random.pick([0.3, 0.7, 1]),
    crashMs: often(),
    pauseMs: often(),
    partitionMs: often(),
    rosterMs: random.chance(0.6) ? random.between(3, 20) * leaseMs : Infinity,
    network: {
      loss: random.pick([0, 0, 0.01, 0.1]),
      duplication: random.pick([0, 0.05]),
      delayMs: random.pick([0.2, 2, 20, 100]),
    },
  };
}
