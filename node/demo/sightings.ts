/** The story did not go as it must. The message is for the person who watches. */
export class StoryFault extends Error {
  override readonly name = "StoryFault";
}

/** A sighting, with when it was made. */
export interface Sighting<T> {
  readonly item: T;
  readonly atMs: number;
}

/** What one person has seen, in order; someone may wait for the next thing of a kind. */
export class Sightings<T> {
  readonly #seen: Sighting<T>[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #describe: (item: T) => string;
  readonly #nowMs: () => number;

  /** @param describe how an item is named when one waited for did not come */
  constructor(describe: (item: T) => string, nowMs: () => number = () => performance.now()) {
    this.#describe = describe;
    this.#nowMs = nowMs;
  }

  /** To be given to {@link since} and {@link until}. */
  get mark(): number {
    return this.#seen.length;
  }

  see(item: T): void {
    this.#seen.push({ item, atMs: this.#nowMs() });
    for (const wake of this.#waiting) wake();
  }

  since(mark: number): readonly Sighting<T>[] {
    return this.#seen.slice(mark);
  }

  /**
   * The first sighting after `mark` that fits, made already or to come.
   * @throws {StoryFault} when there is none within the time
   */
  until(
    expected: string,
    options: { mark: number; withinMs: number; fits: (item: T) => boolean },
  ): Promise<Sighting<T>> {
    const { promise, resolve, reject } = Promise.withResolvers<Sighting<T>>();
    const look = (): void => {
      const found = this.since(options.mark).find(({ item }) => options.fits(item));
      if (found !== undefined) resolve(found);
    };
    const timer = setTimeout(() => {
      const seen = this.since(options.mark).map(({ item }) => this.#describe(item));
      const instead = seen.length === 0 ? "nothing came" : `instead: ${seen.join("; ")}`;
      reject(new StoryFault(`${expected} did not happen within ${options.withinMs} ms; ${instead}`));
    }, options.withinMs);
    this.#waiting.add(look);
    look();
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(look);
    });
  }
}
