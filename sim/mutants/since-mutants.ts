import type { Mutant } from "./mutant.ts";
import { core } from "./mutant.ts";
import { ONE_REPLICA, PATCHY_RETURNS, RESTARTS, RETURNS } from "./runs.ts";

/** Rules about claims that go on since an epoch, and about what replicas remember for them, broken. */
export const sinceMutants: readonly Mutant[] = [
  {
    name: "since-takes-at-once",
    rule: "a claim since an epoch asks for promises only",
    mark: "·",
    edits: [core("claim", 'this.purpose === "reclaim" || this.#since !== undefined;', 'this.purpose === "reclaim";')],
    runs: RETURNS,
    seeds: 20,
  },
  {
    name: "since-asks-nobody",
    rule: "a claim since an epoch ends where another server has owned later",
    mark: "·",
    edits: [
      core(
        "claim",
        "if (later !== undefined) return this.#endSuperseded(nowMs, later);",
        "if (later !== undefined) later;",
      ),
    ],
    runs: RETURNS,
    seeds: 20,
  },
  {
    name: "superseded-by-itself",
    rule: "a claim since an epoch is not superseded by its own server",
    mark: "·",
    edits: [
      core(
        "claim",
        "accepted.validForMs > 0 || accepted.ballot.member === this.#context.self) continue;",
        "accepted.validForMs > 0) continue;",
      ),
    ],
    runs: RESTARTS,
    seeds: 20,
  },
  {
    name: "denied-and-forgotten",
    rule: "what a majority holds was owned, though its server denies to own it still",
    mark: "·",
    edits: [core("claim", "if (owned === undefined && !this.#isLater(value))", "if (owned === undefined)")],
    runs: RETURNS,
    seeds: 20,
  },
  {
    name: "proposals-hide",
    rule: "a claim since an epoch waits for what others propose, which hides what was owned before",
    mark: "·",
    edits: [core("claim", "return proposed.length === 0 ? this.#accept", "return proposed.length >= 0 ? this.#accept")],
    runs: PATCHY_RETURNS,
    seeds: 20,
  },
  {
    name: "let-go-and-forgotten",
    rule: "a replica keeps what was owned when it is let go of",
    mark: "·",
    edits: [core("replica", "const latest = order === 0 ? held.former : held;", "const latest = held.former;")],
    runs: RETURNS,
    seeds: 20,
  },
  {
    name: "let-go-by-the-very-ballot",
    rule: "an owner lets go by a ballot above the one that it owned by",
    mark: "·",
    edits: [
      core(
        "directory-core",
        "const ballot = this.#context.ballotAbove();",
        "const ballot = this.#ownerships.ballot(aor) as Ballot;",
      ),
    ],
    runs: RETURNS,
    seeds: 20,
  },
  {
    name: "denied-by-the-very-ballot",
    rule: "a server that denies to own by a ballot lets go of it by one above, for it may have owned by it",
    mark: "·",
    edits: [core("directory-core", 'type: "release", aor, ballot: above }', 'type: "release", aor, ballot }')],
    runs: PATCHY_RETURNS,
    seeds: 20,
  },
  {
    name: "denied-while-claiming",
    rule: "a server that denies a ballot lets go of nothing that it proposes now",
    mark: "·",
    edits: [
      core(
        "directory-core",
        "if (inFlight !== undefined) return compareBallots(inFlight, ballot) > 0;",
        "if (inFlight !== undefined && compareBallots(inFlight, ballot) <= 0) return false;",
      ),
    ],
    runs: PATCHY_RETURNS,
    seeds: 20,
  },
  {
    name: "given-up-and-forgotten",
    rule: "where a proposal is given up, a replica remembers again what was owned before",
    mark: "·",
    edits: [
      core(
        "replica",
        "const latest = order === 0 ? held.former : held;",
        "const latest = order === 0 ? undefined : held;",
      ),
    ],
    runs: PATCHY_RETURNS,
    seeds: 20,
  },
  {
    name: "own-proposal-hides",
    rule: "a claimant hears what another owned by before its own last proposal",
    mark: "·",
    edits: [core("replica", "register.accepted && latestOfOthers(register.accepted, from)", "register.accepted")],
    runs: ONE_REPLICA,
    seeds: 20,
  },
  {
    name: "latest-alone-remembered",
    rule: "a replica remembers the latest ballot, and the latest of another server",
    mark: "·",
    edits: [
      core(
        "replica",
        "former: other && { ballot: other.ballot, boot: other.boot } };",
        "former: other && undefined };",
      ),
    ],
    runs: ONE_REPLICA,
    seeds: 20,
  },
];
