/** Names that count events since start, e.g. `mesh.strangers_refused`. */
export interface Counters {
  add(name: string, by?: number): void;
  get(name: string): number;
  /** All names with their values, sorted by name. */
  snapshot(): Record<string, number>;
}

/** Counters of one node. */
export function createCounters(): Counters {
  const values = new Map<string, number>();
  return {
    add: (name, by = 1) => void values.set(name, (values.get(name) ?? 0) + by),
    get: (name) => values.get(name) ?? 0,
    snapshot: () => Object.fromEntries([...values].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}
