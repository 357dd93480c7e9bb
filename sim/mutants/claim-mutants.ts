import type { Mutant } from "./mutant.ts";
import { core } from "./mutant.ts";
import { CONTENTION, FORGETTING, NEW_VOTERS, SLOW_DISKS } from "./runs.ts";

/** Rules about ballots and claims, broken. */
export const claimMutants: readonly Mutant[] = [
  {
    name: "floor-forgotten",
    rule: "after a restart ballots start from the durable ceiling",
    mark: "●",
    edits: [
      core(
        "directory-core",
        "floor: boot > 1 ? { version: roster.version, counter: init.ceiling, member: MEMBER_MAX } : NO_BALLOT",
        "floor: NO_BALLOT",
      ),
    ],
    runs: FORGETTING,
    seeds: 20,
  },
  {
    name: "ceiling-not-durable",
    rule: "no ballot above the durable ceiling is promised",
    mark: "●",
    edits: [core("replica", "return counter <= this.#ceiling;", "return true;")],
    runs: SLOW_DISKS,
    seeds: 20,
  },
  {
    name: "ballot-without-version",
    rule: "a ballot is (roster version, counter, member), in that order",
    mark: "●",
    edits: [
      {
        file: "dht-schema/ballot.ts",
        find: "return a.version - b.version || a.counter",
        replace: "return a.counter",
      },
    ],
    runs: NEW_VOTERS,
    seeds: 20,
  },
  {
    name: "ballot-without-member",
    rule: "a ballot is (roster version, counter, member)",
    mark: "●",
    edits: [
      {
        file: "dht-schema/ballot.ts",
        find: "a.counter - b.counter || a.member - b.member",
        replace: "a.counter - b.counter",
      },
    ],
    runs: CONTENTION,
    seeds: 3,
    survives:
      "implied: a replica promises no ballot equal to its promise, so of two that differ only in the member one alone finds a majority",
  },
  {
    name: "equal-ballots-promised",
    rule: "of the last one and of that no equal ballot is promised, both",
    mark: "●",
    edits: [
      {
        file: "dht-schema/ballot.ts",
        find: "a.counter - b.counter || a.member - b.member",
        replace: "a.counter - b.counter",
      },
      core(
        "replica",
        'if (compareBallots(ballot, promised) <= 0) return this.#refuse(from, op, "promised", promised);',
        'if (compareBallots(ballot, promised) < 0) return this.#refuse(from, op, "promised", promised);',
      ),
    ],
    runs: CONTENTION,
    seeds: 20,
  },
  {
    name: "highest-value-only",
    rule: "a claimant rules out every accepted value that is reported, not just the highest",
    mark: "●",
    edits: [
      core(
        "claim",
        "return [...highest.values()].filter(({ member: owner }) =>",
        "return [...highest.values()].sort(compareBallots).slice(-1).filter(({ member: owner }) =>",
      ),
    ],
    runs: CONTENTION,
    seeds: 20,
  },
  {
    name: "silent-not-counted",
    rule: "who has not answered counts as holding the value",
    mark: "●",
    edits: [
      core("claim", "return promise === undefined || isValid(promise, owner);", "return isValid(promise, owner);"),
    ],
    runs: CONTENTION,
    seeds: 20,
  },
  {
    name: "ballots-counted-apart",
    rule: "all valid ballots of one server count together",
    mark: "·",
    edits: [
      core(
        "claim",
        "return promise === undefined || isValid(promise, owner);",
        "return promise === undefined || (isValid(promise, owner) && sameBallot(promise.accepted.ballot, highest.get(owner)));",
      ),
    ],
    runs: CONTENTION,
    seeds: 40,
  },
  {
    name: "accept-below-promise",
    rule: "a replica accepts nothing below its promise, of a claimant or in catch-up",
    mark: "●",
    edits: [
      core(
        "replica",
        'if (compareBallots(ballot, promised) < 0) return this.#refuse(from, op, "promised", promised);',
        "",
      ),
    ],
    runs: CONTENTION,
    seeds: 20,
  },
  {
    name: "prepare-below-promise",
    rule: "a replica promises nothing below its promise",
    mark: "·",
    edits: [
      core(
        "replica",
        'if (compareBallots(ballot, promised) <= 0) return this.#refuse(from, op, "promised", promised);',
        "",
      ),
    ],
    runs: CONTENTION,
    seeds: 20,
  },
  {
    name: "owner-serves-on",
    rule: "an owner that hands over stops serving for good",
    mark: "●",
    edits: [core("directory-core", 'this.#ownerships.end(nowMs, aor, "handed-over", mine);', "")],
    runs: CONTENTION,
    seeds: 20,
  },
  {
    name: "claim-goes-on",
    rule: "who hands over gives up what it proposes below the claimant's ballot too",
    mark: "·",
    edits: [core("directory-core", "this.#claims.giveWay(nowMs, aor, mine);", "")],
    runs: CONTENTION,
    seeds: 20,
  },
  {
    name: "no-majority",
    rule: "any two quorums meet",
    mark: "·",
    edits: [core("quorum", "return (size >> 1) + 1;", "return Math.max(1, size >> 1);")],
    runs: CONTENTION,
    seeds: 20,
  },
  {
    name: "release-frees-later",
    rule: "a release voids no ballot above the one it names",
    mark: "·",
    edits: [core("replica", "if (ballot.member !== from || order < 0) return;", "if (ballot.member !== from) return;")],
    runs: CONTENTION,
    seeds: 20,
  },
  {
    name: "taken-at-once-from-another",
    rule: "a replica accepts at once only where it holds no other server's valid ballot",
    mark: "·",
    edits: [core("replica", " && !this.#isHeldByAnother(nowMs, register, from)", "")],
    runs: CONTENTION,
    seeds: 20,
  },
  {
    name: "if-free-takes",
    rule: "a claim if free leaves a live owner alone",
    mark: "·",
    edits: [
      core(
        "claim",
        'if (this.purpose !== "take-over") {\n      const certain',
        "if (Math.random() < 0) {\n      const certain",
      ),
    ],
    runs: CONTENTION,
    seeds: 20,
  },
];
