import type { Mutant } from "./mutant.ts";
import { core } from "./mutant.ts";
import { ANYTHING, CONTENTION, STOPPED_READERS, WATCHES, WRONG_CLOCKS } from "./runs.ts";

/** Rules about those who read, watch, or are told in a user's name, broken. */
export const readerMutants: readonly Mutant[] = [
  {
    name: "nobody-by-one",
    rule: "a majority lookup says nobody only by a majority",
    mark: "·",
    edits: [
      core(
        "lookup",
        "if (!isQuorum(quorum, (member) => reports.has(member))) return;\n    const owners = possibleOwners(quorum, reports);\n    // Some",
        "const owners = possibleOwners(quorum, reports);\n    // Some",
      ),
      core(
        "lookup",
        "if (!isQuorum(quorum, (member) => reports.has(member))) return;\n    const owners = possibleOwners(quorum, reports);\n    // Of",
        "const owners = possibleOwners(quorum, reports);\n    // Of",
      ),
    ],
    runs: CONTENTION,
    seeds: 20,
  },
  {
    name: "nobody-said-once",
    rule: "a majority lookup says nobody only where that is said twice and nothing has changed in between",
    mark: "·",
    edits: [
      core(
        "lookup",
        "else readAgain(atMs);",
        'else if (owner === undefined) finish(atMs, { kind: "nobody" });\n    else readAgain(atMs);',
      ),
    ],
    runs: STOPPED_READERS,
    seeds: 100,
    rare: 7,
  },
  {
    name: "found-once",
    rule: "a majority lookup finds a server that less than a majority reports only where that is said twice and nothing has changed in between",
    mark: "·",
    edits: [
      core(
        "lookup",
        "if (owner !== undefined && isChosen(quorum, reports, owner)) finish(",
        "if (owner !== undefined) finish(",
      ),
    ],
    runs: STOPPED_READERS,
    seeds: 200,
    rare: 150,
  },
  {
    name: "found-whoever",
    rule: "a majority lookup finds only who a majority may hold",
    mark: "·",
    edits: [
      core("lookup", "if (owners.length > 1) return askOthers();", ""),
      core("lookup", "owners.length <= 1 && !isOutdated()", "owners.length <= 9 && !isOutdated()"),
    ],
    runs: CONTENTION,
    seeds: 20,
  },
  {
    name: "stale-is-taken",
    rule: "a receiver that has seen a higher epoch refuses a lower one",
    mark: "·",
    edits: [
      core(
        "seen-epochs",
        "compareBallots(epoch, newest) < 0) return false;",
        "compareBallots(epoch, newest) < 0) return true;",
      ),
    ],
    runs: CONTENTION,
    seeds: 20,
  },
  {
    name: "stale-speaks",
    rule: "a server that has seen a higher epoch does not speak by its own",
    mark: "·",
    edits: [
      {
        file: "node/federation/serving-epoch.ts",
        find: "compareBallots(newest, owned as Epoch) > 0 ? undefined : owned",
        replace: "compareBallots(newest, owned as Epoch) > 0 ? owned : owned",
      },
    ],
    runs: WRONG_CLOCKS,
    seeds: 20,
  },
  {
    name: "notices-not-counted",
    rule: "a watcher finds out about notices that were lost",
    mark: "·",
    edits: [core("watches", "if (heard.contiguous >= notices) {", "if (heard.contiguous >= 0) {")],
    runs: WATCHES,
    seeds: 20,
  },
  {
    name: "watch-not-registered-anew",
    rule: "a watcher registers again where its session was replaced",
    mark: "·",
    edits: [core("directory-core", "this.#watches.leaseBegan(atMs, member);", "")],
    runs: WATCHES,
    seeds: 20,
  },
  {
    name: "missed-not-told",
    rule: "a watcher that hears too few replicas is told that it may have missed changes",
    mark: "·",
    edits: [core("watches", '!this.#hears(nowMs, watch)) this.#tell(watch, { kind: "missed" });', "false) return;")],
    runs: WATCHES,
    seeds: 20,
  },
  {
    name: "reclaim-given-up",
    rule: "a re-claim that failed is tried again while its server owns",
    mark: "·",
    edits: [core("claims", "(atMs) => this.reclaim(atMs, aor)", "(atMs) => this.#ownerships.catchUp(atMs, aor)")],
    runs: ANYTHING,
    seeds: 5,
    survives:
      "rare: while rounds lasted 250 ms whatever the distance seed 709 met it, none of 6,000 has since they grow; a test of cores does",
  },
];
