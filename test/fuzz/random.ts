/** Numbers that follow from a seed, so that a run can be repeated. */
export interface Random {
  /** 0 ≤ n < below */
  below(below: number): number;
  pick<T>(all: readonly T[]): T;
}

/** A xorshift generator: fast, and the same everywhere. */
export function randomFrom(seed: number): Random {
  // A seed of few bits would begin with numbers of few bits.
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const below = (limit: number): number => next() % limit;
  return { below, pick: (all) => all[below(all.length)] as (typeof all)[number] };
}
