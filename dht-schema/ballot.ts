/**
 * A ballot, totally ordered by roster version, then counter, then member. The winning ballot of a claim is the
 * *epoch* of that ownership, so epochs of one AoR only grow (invariant I1), and the member in it is the owner.
 */
export interface Ballot {
  /** Version of the roster under which it was proposed, 0 … 2^32−1. */
  readonly version: number;
  /** Lamport counter of the proposer, 1 … 2^48−1. */
  readonly counter: number;
  /** Number of the proposing server in the roster, 1 … 2^32−1. */
  readonly member: number;
}

/** The ballot under which a server owns an AoR. */
export type Epoch = Ballot;

/** Below every ballot that can be proposed. */
export const NO_BALLOT: Ballot = { version: 0, counter: 0, member: 0 };

/** The largest of each part, as far as the wire encoding goes. */
export const BALLOT_MAX: Ballot = { version: 0xffff_ffff, counter: 2 ** 48 - 1, member: 0xffff_ffff };

/** < 0, 0 or > 0 as `a` is below, equal to or above `b`. */
export function compareBallots(a: Ballot, b: Ballot): number {
  return a.version - b.version || a.counter - b.counter || a.member - b.member;
}

/** Whether two ballots are the same. */
export function sameBallot(a: Ballot, b: Ballot): boolean {
  return a.counter === b.counter && a.version === b.version && a.member === b.member;
}

/** Text form `version.counter.member`, as in the SIP header field `Aorta-Epoch` and in the CLI. */
export function formatBallot(ballot: Ballot): string {
  return `${ballot.version}.${ballot.counter}.${ballot.member}`;
}

/** Inverse of {@link formatBallot}; `undefined` where the text is not a ballot, or not written as it would be. */
export function parseBallot(text: string): Ballot | undefined {
  const match = /^(\d{1,10})\.(\d{1,15})\.(\d{1,10})$/.exec(text);
  if (match === null) return undefined;
  const ballot = { version: Number(match[1]), counter: Number(match[2]), member: Number(match[3]) };
  const isInBounds =
    ballot.version <= BALLOT_MAX.version && ballot.counter <= BALLOT_MAX.counter && ballot.member <= BALLOT_MAX.member;
  return isInBounds && formatBallot(ballot) === text ? ballot : undefined;
}
