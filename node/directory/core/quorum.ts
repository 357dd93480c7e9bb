import type { Aor } from "../../../dht-schema/aor.ts";
import { kadIdOfAor } from "../../../dht-schema/record-key.ts";
import { replicaGroupSize } from "../../../dht-schema/replica-group.ts";
import { ReplicaGroups } from "../../../dht-schema/replica-groups.ts";
import type { Roster } from "../../../dht-schema/roster.ts";
import { isJoint, kadMembers } from "../../../dht-schema/roster.ts";

/** The replicas of an AoR under one roster version. Quorums of the same replicas are one object. */
export interface Quorum {
  /** Of the roster. */
  readonly version: number;
  /** Every replica that has a say, by server number. */
  readonly members: readonly number[];
  /** A majority of each of these groups is needed: one group when the version is stable, the old and the new when it is joint. */
  readonly groups: readonly (readonly number[])[];
}

/** Smallest number that two subsets of `size` cannot both have without meeting. */
export function majorityOf(size: number): number {
  return (size >> 1) + 1;
}

/** Whether a majority of every group satisfies `test`. */
export function isQuorum(quorum: Quorum, test: (member: number) => boolean): boolean {
  for (const group of quorum.groups) {
    let count = 0;
    for (const member of group) if (test(member)) count++;
    if (count < majorityOf(group.length)) return false;
  }
  return true;
}

/** Whether a majority of some group satisfies `test`: what must be ruled out before an owner can be. */
export function isQuorumOfSome(quorum: Quorum, test: (member: number) => boolean): boolean {
  for (const group of quorum.groups) {
    let count = 0;
    for (const member of group) if (test(member)) count++;
    if (count >= majorityOf(group.length)) return true;
  }
  return false;
}

/** The quorums of one roster version: a function of the roster and the AoR alone. */
export class Quorums {
  /** Of the voters; of the old and the new ones when the version is joint. */
  readonly #groups: readonly ReplicaGroups[];
  readonly #version: number;
  readonly #interned = new Map<string, Quorum>();
  /** When every set is no larger than a group, all AoRs have the same quorum and nothing needs to be hashed. */
  readonly #only: Quorum | undefined;

  constructor(roster: Roster) {
    this.#version = roster.version;
    const sets = [kadMembers(roster, roster.voters)];
    if (isJoint(roster)) sets.unshift(kadMembers(roster, roster.oldVoters));
    this.#groups = sets.map((set) => new ReplicaGroups(set));
    if (sets.every((set) => replicaGroupSize(set.length) === set.length)) {
      this.#only = this.#intern(sets.map((set) => set.map((member) => member.number)));
    }
  }

  of(aor: Aor): Quorum {
    if (this.#only !== undefined) return this.#only;
    const kadId = kadIdOfAor(aor);
    return this.#intern(this.#groups.map((groups) => groups.of(kadId).sort((a, b) => a - b)));
  }

  #intern(groups: readonly (readonly number[])[]): Quorum {
    const name = groups.map((group) => group.join()).join("/");
    let quorum = this.#interned.get(name);
    if (quorum === undefined) {
      quorum = { version: this.#version, groups, members: [...new Set(groups.flat())] };
      this.#interned.set(name, quorum);
    }
    return quorum;
  }
}
