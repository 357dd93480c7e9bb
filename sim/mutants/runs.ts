import type { RunMix } from "../faults.ts";
import type { Mutant } from "./mutant.ts";

/** Servers that want one user, and nothing else; each run adds what its rule is about. */
const DUEL: RunMix = {
  // Shorter than in production, so that a minute holds more of what takes a term.
  leaseMs: 3_000,
  aors: 1,
  claimEveryMs: 200,
  takeOver: 0.9,
  since: 0,
  storms: 0,
  releaseEveryMs: 5_000,
  lookupEveryMs: 500,
  effectEveryMs: 500,
  watchEveryMs: Infinity,
  watched: 0,
  crashEveryMs: Infinity,
  pauseEveryMs: Infinity,
  downMs: 2_000,
  partitionEveryMs: Infinity,
  cutMs: 9_000,
  rosterEveryMs: Infinity,
  votersTarget: 1024,
  selfMessages: Infinity,
  movedAtOnce: Infinity,
  movePauseMs: 1,
  forgetAfterBallots: 64,
  network: { loss: 0, duplication: 0, delayMs: 2 },
  gossipEveryMs: 300,
  diskMs: 3,
  clocks: "edges",
  clockEveryMs: Infinity,
};

const duel = (nodes: number, mix: Partial<RunMix>, minutes = 2): Mutant["runs"] => ({
  nodes,
  minutes,
  mix: { ...DUEL, ...mix },
});

/** Owners are cut off, and others wait for their leases to run out. */
export const CUT_OFF = duel(3, {
  aors: 5,
  partitionEveryMs: 4_000,
  network: { loss: 0, duplication: 0, delayMs: 0.2 },
});
/** The same, with claims that do not wait, so that one begins at just the wrong moment. */
export const DRIFT = duel(3, {
  takeOver: 0,
  claimEveryMs: 100,
  partitionEveryMs: 4_000,
  network: { loss: 0, duplication: 0, delayMs: 0.2 },
});
/** The same, with some messages that take as long as a lease. */
export const LATE_CUT_OFF = duel(3, {
  partitionEveryMs: 4_000,
  claimEveryMs: 500,
  network: { loss: 0, duplication: 0, delayMs: 2, late: { share: 0.1, maxMs: 2_500 } },
});
/** Servers crash all the time, and are back before a lease has run out. */
export const CRASHES = duel(3, { crashEveryMs: 400, downMs: 100, claimEveryMs: 100 });
/** Short lives, and messages that outlive them. */
export const SHORT_LIVES = duel(6, {
  leaseMs: 500,
  votersTarget: 1,
  crashEveryMs: 300,
  downMs: 50,
  claimEveryMs: 50,
  lookupEveryMs: 20,
  network: { loss: 0, duplication: 0, delayMs: 50, late: { share: 0.2, maxMs: 2_000 } },
});
/** Five replicas, more contention, and messages that overtake each other. */
export const CONTENTION = duel(5, {
  claimEveryMs: 50,
  storms: 0.2,
  network: { loss: 0.02, duplication: 0.05, delayMs: 20 },
});
/** Servers that let users go and want them back, with replicas that forget nothing. */
export const RETURNS = duel(5, {
  aors: 3,
  takeOver: 0.2,
  since: 0.5,
  claimEveryMs: 100,
  releaseEveryMs: 300,
  forgetAfterBallots: Infinity,
  network: { loss: 0.02, duplication: 0, delayMs: 5 },
});
/** The same by the light of links that fail here and there, so that claims are given up and nobody hears of it. */
export const PATCHY_RETURNS = duel(5, {
  aors: 3,
  takeOver: 0.2,
  since: 0.5,
  claimEveryMs: 50,
  storms: 0.1,
  releaseEveryMs: 300,
  partitionEveryMs: 2_000,
  cutMs: 2_000,
  forgetAfterBallots: Infinity,
  network: { loss: 0.2, duplication: 0, delayMs: 20 },
});
/** The same with a single replica, so that all depends on what it remembers. */
export const ONE_REPLICA = duel(5, {
  aors: 3,
  takeOver: 0.2,
  since: 0.5,
  claimEveryMs: 20,
  storms: 0.1,
  releaseEveryMs: 300,
  votersTarget: 1,
  forgetAfterBallots: Infinity,
  network: { loss: 0.3, duplication: 0, delayMs: 50 },
});
/** Servers that want users back right after they have crashed. */
export const RESTARTS = duel(5, {
  aors: 3,
  takeOver: 0.2,
  since: 0.5,
  claimEveryMs: 100,
  releaseEveryMs: 300,
  crashEveryMs: 1_000,
  downMs: 100,
  forgetAfterBallots: Infinity,
  network: { loss: 0.02, duplication: 0, delayMs: 5 },
});
/** Servers that claim without voting, and a voter that forgets. */
export const FORGETTING = duel(6, { votersTarget: 1, crashEveryMs: 1_000, rosterEveryMs: 20_000 }, 4);
/** Disks too slow for the claims. */
export const SLOW_DISKS = duel(3, { crashEveryMs: 1_500, downMs: 100, claimEveryMs: 50, diskMs: 20_000 });
/** Voters come and go, in partitions too. */
export const ROSTERS = duel(
  6,
  { votersTarget: 4, rosterEveryMs: 3_000, partitionEveryMs: 5_000, pauseEveryMs: 6_000 },
  3,
);
/** All voters but one are replaced again and again. */
export const NEW_VOTERS = duel(
  4,
  { aors: 5, votersTarget: 3, rosterEveryMs: 1_500, claimEveryMs: 300, takeOver: 1 },
  3,
);
/** Clocks that stop, race and jump. */
export const WRONG_CLOCKS = duel(3, { clocks: "wrong", clockEveryMs: 2_000, effectEveryMs: 100 });
/** Voters come and go while hardly anything gets through. */
export const DROPPED = duel(
  4,
  {
    votersTarget: 3,
    rosterEveryMs: 800,
    partitionEveryMs: 3_000,
    cutMs: 6_000,
    claimEveryMs: 100,
    network: { loss: 0.1, duplication: 0, delayMs: 50 },
  },
  3,
);
/** The same, with some user owned at each change of the voters, and owners that stand still just after they have learned of one. */
export const FROZEN_OWNERS = duel(
  4,
  {
    aors: 5,
    votersTarget: 3,
    rosterEveryMs: 800,
    partitionEveryMs: 3_000,
    cutMs: 6_000,
    pauseEveryMs: 1_500,
    claimEveryMs: 100,
    network: { loss: 0.1, duplication: 0, delayMs: 50 },
  },
  3,
);
/** Voters come and go so often and with so many users that some server owns one when it is dropped. */
export const DROPPED_OWNERS = duel(6, {
  aors: 10,
  takeOver: 0,
  votersTarget: 2,
  rosterEveryMs: 400,
  partitionEveryMs: 1_500,
  cutMs: 6_000,
  claimEveryMs: 30,
  network: { loss: 0.1, duplication: 0, delayMs: 50, late: { share: 0.05, maxMs: 4_000 } },
});
/** Most voters are replaced at once, and messages take so long that the steward hears of owners before the new voters do. */
export const SETTLING = duel(6, {
  votersTarget: 3,
  rosterEveryMs: 800,
  partitionEveryMs: 6_000,
  cutMs: 1_000,
  takeOver: 0,
  claimEveryMs: 30,
  lookupEveryMs: Infinity,
  effectEveryMs: Infinity,
  network: { loss: 0.2, duplication: 0, delayMs: 100 },
});
/** The same, and servers take their time to move what they own to the roster in force. */
export const MOVING: Mutant["runs"] = {
  ...SETTLING,
  mix: { ...SETTLING.mix, aors: 6, votersTarget: 2, movedAtOnce: 1, movePauseMs: 2_000 },
};
/** Lookups all the time, by servers that hear late of voters that come and go within short terms. */
export const BEHIND = duel(6, {
  leaseMs: 500,
  votersTarget: 2,
  rosterEveryMs: 1_000,
  partitionEveryMs: 1_000,
  cutMs: 3_000,
  claimEveryMs: 100,
  lookupEveryMs: 10,
  gossipEveryMs: 2_000,
  network: { loss: 0.1, duplication: 0, delayMs: 50 },
});
/** Readers that are stopped in the midst of lookups, while voters come and go and owners are caught up with. */
export const STOPPED_READERS = duel(6, {
  leaseMs: 500,
  aors: 3,
  votersTarget: 3,
  rosterEveryMs: 1_000,
  pauseEveryMs: 300,
  claimEveryMs: 50,
  lookupEveryMs: 4,
  gossipEveryMs: 2_000,
  network: { loss: 0, duplication: 0, delayMs: 20 },
});
/** Few changes, and many lost messages. */
export const WATCHES = duel(3, {
  aors: 20,
  watched: 20,
  claimEveryMs: 1_000,
  takeOver: 1,
  releaseEveryMs: Infinity,
  partitionEveryMs: 20_000,
  cutMs: 20_000,
  network: { loss: 0.2, duplication: 0, delayMs: 2 },
});
/** Whatever the seed draws, of which one in a thousand may be what shows a mutant; what a server says to itself it looks at at once. */
export const ANYTHING: Mutant["runs"] = {
  nodes: 5,
  minutes: 1,
  leaseMs: 3_000,
  mix: { selfMessages: Infinity, movedAtOnce: Infinity },
};
