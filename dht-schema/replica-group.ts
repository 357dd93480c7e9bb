/** Most replicas a record has; always odd, so that a majority is the smallest possible. */
export const REPLICA_GROUP_MAX = 5;

/** A server's place in the Kademlia space, with the number it has in the roster. */
export interface KadMember {
  readonly number: number;
  /** 32 bytes. */
  readonly kadId: Uint8Array;
}

/** How many replicas a record has among `members` servers: the greatest odd number ≤ min(5, members); 0 for none. */
export function replicaGroupSize(members: number): number {
  if (members <= 0) return 0;
  const most = Math.min(REPLICA_GROUP_MAX, members);
  return most % 2 === 1 ? most : most - 1;
}

/**
 * < 0, 0 or > 0 as `a` is nearer to `target`, as near, or farther by XOR: Kademlia's metric on 32-byte ids.
 * All three must have the same length.
 */
export function compareDistance(target: Uint8Array, a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < target.length; i++) {
    const t = target[i] as number;
    const difference = ((a[i] as number) ^ t) - ((b[i] as number) ^ t);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * The replica group of a key: numbers of the members nearest to it, nearest first.
 * It is a function of the roster alone, never of who answers: so both sides of a partition compute the same group.
 */
export function replicaGroup(keyKadId: Uint8Array, members: readonly KadMember[]): number[] {
  const size = replicaGroupSize(members.length);
  const nearest: KadMember[] = [];
  for (const member of members) {
    let at = nearest.length;
    while (at > 0 && compareDistance(keyKadId, member.kadId, (nearest[at - 1] as KadMember).kadId) < 0) at--;
    if (at < size) {
      nearest.splice(at, 0, member);
      if (nearest.length > size) nearest.pop();
    }
  }
  return nearest.map((member) => member.number);
}
