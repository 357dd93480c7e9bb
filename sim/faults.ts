import type { NetworkFaults } from "./network.ts";
import type { Random } from "./random.ts";

/** T of a domain that nobody has set, ms. */
const PRODUCTION_LEASE_MS = 10_000;

/**
 * Which faults and which work a run has, and how much, drawn from its seed: runs that all have a bit of everything would
 * never meet what needs much of one thing. `…EveryMs` are means between two of the kind; `Infinity` for never.
 */
export interface RunMix {
  /** T of the domain, ms. */
  readonly leaseMs: number;
  /** Users. */
  readonly aors: number;
  readonly claimEveryMs: number;
  /** Share of claims that take a user over from a live owner. */
  readonly takeOver: number;
  /** Share of claims that go on since the epoch by which their server owned the user last, where it has. */
  readonly since: number;
  /** Share of claims that all servers make at the same instant. */
  readonly storms: number;
  readonly releaseEveryMs: number;
  readonly lookupEveryMs: number;
  /** Messages that an owner sends other servers in a user's name. */
  readonly effectEveryMs: number;
  /** Servers that begin or cease to watch a user. */
  readonly watchEveryMs: number;
  /** Users that a server watches at its start. */
  readonly watched: number;
  readonly crashEveryMs: number;
  /** Longest time that a crashed server stays down, ms; many are back much sooner. */
  readonly downMs: number;
  readonly pauseEveryMs: number;
  readonly partitionEveryMs: number;
  /** Longest time that a partition lasts, ms. */
  readonly cutMs: number;
  /** Servers that leave or join. */
  readonly rosterEveryMs: number;
  /** Voters that the steward aims at: with fewer than servers, some claim without being a replica of anything. */
  readonly votersTarget: number;
  /** Ballots after which replicas forget registers that are nobody's: 0 for as soon as they can, `Infinity` for never. */
  readonly forgetAfterBallots: number;
  /** Messages to itself that a server looks at in one turn. */
  readonly selfMessages: number;
  /** Ownerships, and watches, that are moved to a new roster in one turn, and ms until the next. */
  readonly movedAtOnce: number;
  readonly movePauseMs: number;
  readonly network: NetworkFaults;
  /** Mean time between two links of which one end has a newer roster noticing it, for each server, ms. */
  readonly gossipEveryMs: number;
  /** Mean time that a disk takes to store a higher ballot ceiling, ms. */
  readonly diskMs: number;
  /**
   * `bounded`: rates within the domain's drift of true time. `edges`: all at the very edges of it. `wrong`: any rate, jumps,
   * standstills.
   */
  readonly clocks: "bounded" | "edges" | "wrong";
  readonly clockEveryMs: number;
}

export function drawMix(
  random: Random,
  clocks: "bounded" | "wrong",
  leaseMs = PRODUCTION_LEASE_MS,
): Omit<RunMix, "selfMessages" | "movedAtOnce" | "movePauseMs"> {
  const often = () => (random.chance(0.7) ? random.between(0.5, 10) * leaseMs : Infinity);
  const claimEveryMs = random.pick([50, 200, 500, 2_000]);
  // Longer than a lease: what was granted or asked before comes when it is long over.
  const maxMs = 3 * leaseMs;
  const aors = random.pick([1, 3, 3, 10, 40]);
  return {
    leaseMs,
    aors,
    claimEveryMs,
    takeOver: random.pick([0.3, 0.7, 1]),
    since: random.pick([0, 0.2, 0.7]),
    storms: random.pick([0, 0.1, 0.1, 0.5]),
    releaseEveryMs: claimEveryMs * random.pick([3, 7, 30]),
    lookupEveryMs: random.pick([100, 500, 2_000]),
    effectEveryMs: random.pick([200, 1_000]),
    watchEveryMs: random.pick([500, 5_000, Infinity]),
    watched: random.pick([0, 1, 3]),
    crashEveryMs: often(),
    downMs: random.pick([100, 2 * leaseMs]),
    pauseEveryMs: often(),
    partitionEveryMs: often(),
    cutMs: 3 * leaseMs,
    rosterEveryMs: random.chance(0.6) ? random.between(3, 20) * leaseMs : Infinity,
    votersTarget: random.pick([1, 3, 4, 5, 1024, 1024]),
    forgetAfterBallots: random.pick([0, 64, Infinity]),
    network: {
      loss: random.pick([0, 0, 0.01, 0.1]),
      duplication: random.pick([0, 0.05]),
      delayMs: random.pick([0.2, 2, 20, 100]),
      ...random.pick([{}, {}, { late: { share: 0.002, maxMs } }, { late: { share: 0.02, maxMs } }]),
    },
    gossipEveryMs: random.pick([300, 300, 5_000]),
    diskMs: random.pick([3, 3, 300]),
    clocks: clocks === "wrong" ? clocks : random.pick(["bounded", "edges"]),
    clockEveryMs: clocks === "wrong" ? random.between(1, 5) * leaseMs : Infinity,
  };
}
