import type { KadMember } from "./replica-group.ts";
import { compareDistance, replicaGroupSize } from "./replica-group.ts";

/** A range of so few members is searched one by one. */
const FEW = 8;

/** The distance from it is the id itself. */
const ORIGIN = new Uint8Array(32);

/**
 * The replica groups of one set of members, for many keys: what `replicaGroup` says, without looking at every
 * member for every key. Sorted by id, members that share a prefix stand together, and all that share the key's next
 * bit are nearer to it than all that do not: so a search walks down the bits of the key, O((log members)²).
 */
export class ReplicaGroups {
  /** By id, ascending. */
  readonly #members: readonly KadMember[];
  readonly #size: number;

  constructor(members: readonly KadMember[]) {
    this.#members = members.toSorted((a, b) => compareDistance(ORIGIN, a.kadId, b.kadId));
    this.#size = replicaGroupSize(members.length);
  }

  /** Numbers of the members that hold the key, nearest first. */
  of(keyKadId: Uint8Array): number[] {
    const nearest: KadMember[] = [];
    this.#collect(keyKadId, 0, this.#members.length, 0, nearest);
    return nearest.map(({ number }) => number);
  }

  /** Adds the members from `low` to before `high`, all of which share their first `bit` bits, nearest first until there are enough. */
  #collect(key: Uint8Array, low: number, high: number, bit: number, nearest: KadMember[]): void {
    if (high - low <= FEW || bit >= key.length * 8) {
      const few = this.#members.slice(low, high).sort((a, b) => compareDistance(key, a.kadId, b.kadId));
      nearest.push(...few.slice(0, this.#size - nearest.length));
      return;
    }
    const middle = this.#firstWithBit(low, high, bit);
    const isZero = bitOf(key, bit) === 0;
    if (isZero) this.#collect(key, low, middle, bit + 1, nearest);
    if (nearest.length < this.#size) this.#collect(key, middle, high, bit + 1, nearest);
    if (!isZero && nearest.length < this.#size) this.#collect(key, low, middle, bit + 1, nearest);
  }

  /** The first member of the range whose `bit` is 1; they are sorted, and alike before it. */
  #firstWithBit(low: number, high: number, bit: number): number {
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bitOf((this.#members[middle] as KadMember).kadId, bit) === 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function bitOf(id: Uint8Array, bit: number): number {
  return ((id[bit >> 3] as number) >> (7 - (bit & 7))) & 1;
}
