import type { Mutant } from "./mutant.ts";
import { core } from "./mutant.ts";
import { BEHIND, DROPPED, DROPPED_OWNERS, FROZEN_OWNERS, MOVING, ROSTERS, SETTLING } from "./runs.ts";

/** Rules about changes of the roster, broken. */
export const rosterMutants: readonly Mutant[] = [
  {
    name: "joint-owner-needs-both",
    rule: "while joint, an owner is ruled out under each group by itself: it may count only one",
    mark: "●",
    edits: [
      core(
        "claim",
        "isQuorumOfSome(quorum, (member) => {\n        const promise",
        "isQuorum(quorum, (member) => {\n        const promise",
      ),
    ],
    runs: DROPPED,
    seeds: 20,
  },
  {
    name: "joint-new-only",
    rule: "while joint, a majority of the old and of the new group is needed",
    mark: "·",
    edits: [
      core(
        "quorum",
        "export function isQuorum(quorum: Quorum, test: (member: number) => boolean): boolean {\n  for (const group of quorum.groups) {",
        "export function isQuorum(quorum: Quorum, test: (member: number) => boolean): boolean {\n  for (const group of quorum.groups.slice(-1)) {",
      ),
    ],
    runs: ROSTERS,
    seeds: 20,
  },
  {
    name: "stable-at-once",
    rule: "the stable version waits until a majority of every old group has held the joint one for T·(1 + 4ρ)",
    mark: "●",
    edits: [core("steward", "if (!areAllSettled && late.length > lateAllowed(roster)) return undefined;", "")],
    runs: DROPPED,
    seeds: 20,
  },
  {
    name: "stable-without-term",
    rule: "… for T·(1 + 4ρ), not just have it",
    mark: "●",
    edits: [
      core(
        "steward",
        "!holds(member) || nowMs - (reports.get(member) as Report).sinceMs < graceMs(roster);",
        "!holds(member);",
      ),
    ],
    runs: DROPPED,
    seeds: 20,
  },
  {
    name: "dropped-and-forgotten",
    rule: "after a server was dropped from the roster the leases run out before a version is left on the word of the others",
    mark: "·",
    edits: [
      core("steward", "const areAllSettled = !sight.mayOweDropped && ", "const areAllSettled = "),
      core("directory-core", "this.#claims.cancelAll(nowMs, LEAVING);", ""),
    ],
    runs: DROPPED_OWNERS,
    seeds: 40,
  },
  {
    name: "settled-is-a-lie",
    rule: "a server says that it is settled only when nothing of its own counts under the former version",
    mark: "·",
    edits: [
      core("ownerships", "if (ownership.former !== undefined && this.#stands(nowMs, ownership)) return false;", ""),
    ],
    runs: SETTLING,
    seeds: 40,
  },
  {
    name: "settled-before-moved",
    rule: "… nor is still to be moved to the version in force",
    mark: "·",
    edits: [core("ownerships", "if (!this.#moves.isOver) return false;", "")],
    runs: MOVING,
    seeds: 40,
  },
  {
    name: "moved-though-lost",
    rule: "what did not stand when the version changed is lost, though it would stand under the new one",
    mark: "·",
    edits: [
      core("ownerships", "!this.#isMoved(ownership) && !this.#stoodAtChange(ownership)", "false"),
      core(
        "ownerships",
        'if (!this.#stoodAtChange(ownership)) return this.#lose(nowMs, ownership, "expired", undefined);',
        "",
      ),
    ],
    runs: MOVING,
    seeds: 5,
    survives:
      "implied: what stands under the new version is held by a majority of its group, without which no other could own under the old one",
  },
  {
    name: "former-leases-extended",
    rule: "what counts under the former version does so by its leases as they were",
    mark: "·",
    edits: [
      core(
        "ownerships",
        "return lease !== undefined && lease.generation === generation && lease.expiresMs > nowMs;",
        "return lease !== undefined && lease.generation === generation;",
      ),
    ],
    runs: FROZEN_OWNERS,
    seeds: 20,
  },
  {
    name: "behind-is-served",
    rule: "requests under an earlier roster version are refused",
    mark: "·",
    edits: [core("directory-core", "if (behind && REQUESTS_OF_A_VERSION.has(message.type)) continue;", "")],
    runs: BEHIND,
    seeds: 5,
    survives:
      "implied: what a server that is ahead answers waits for its roster, and by then claims and lookups begin anew and other leases count",
  },
  {
    name: "lookup-of-former-voters",
    rule: "a lookup begins anew when the version changes",
    mark: "·",
    edits: [core("lookup", "context.roster().version !== version;", "context.roster().version < version;")],
    runs: BEHIND,
    seeds: 5,
    survives: "rare: seed 1178 of `--minutes 1 --lease-ms 3000` met it, one of 2,200; the next shows what it keeps out",
  },
  {
    name: "former-voters-heard",
    rule: "of the last two rules, both",
    mark: "·",
    edits: [
      core("directory-core", "if (behind && REQUESTS_OF_A_VERSION.has(message.type)) continue;", ""),
      core("lookup", "context.roster().version !== version;", "context.roster().version < version;"),
    ],
    runs: BEHIND,
    seeds: 20,
  },
];
