export interface BacklogRules {
  /** Octets that may wait of one peer. */
  readonly perConnection: number;
  /** For all peers together. */
  readonly inAll: number;
}

/** What waits takes as much beside its octets: without it, writes of two octets each would fill the memory below any bound of octets. */
const WRITE_BYTES = 256;

/**
 * What waits in memory for slow peers: to be read by them, or for the rest of what they have begun to send. Where it becomes too much, those
 * lose their connection of whom the most waits.
 */
export class Backlogs {
  readonly #rules: BacklogRules;
  readonly #waiting = new Set<Backlog>();
  #bytes = 0;

  constructor(rules: BacklogRules) {
    this.#rules = rules;
  }

  /** Memory that all of it takes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** That of a new connection. @param close ends the connection */
  open(close: () => void): Backlog {
    return new Backlog(close, {
      hasRoom: (backlog, more) => {
        const { perConnection, inAll } = this.#rules;
        if (backlog.bytes + more > perConnection) return false;
        while (this.#bytes + more > inAll) {
          const longest = this.#longest();
          if (longest === undefined || longest === backlog) return false;
          longest.close();
        }
        return true;
      },
      changed: (backlog, by) => {
        this.#bytes += by;
        if (backlog.bytes > 0) this.#waiting.add(backlog);
        else this.#waiting.delete(backlog);
      },
    });
  }

  #longest(): Backlog | undefined {
    let longest: Backlog | undefined;
    for (const each of this.#waiting) if (longest === undefined || each.bytes > longest.bytes) longest = each;
    return longest;
  }
}

interface Surroundings {
  hasRoom(backlog: Backlog, more: number): boolean;
  changed(backlog: Backlog, by: number): void;
}

/** What waits on one connection. */
export class Backlog {
  readonly #close: () => void;
  readonly #surroundings: Surroundings;
  #bytes = 0;

  constructor(close: () => void, surroundings: Surroundings) {
    this.#close = close;
    this.#surroundings = surroundings;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Octets that wait from now on, as a write that is about to be made.
   * @returns to be called when they have left; `undefined` when too much waits, and the connection was closed
   */
  add(octets: number): (() => void) | undefined {
    const bytes = octets + WRITE_BYTES;
    if (!this.#surroundings.hasRoom(this, bytes)) {
      this.close();
      return undefined;
    }
    this.#change(bytes);
    // After the end the writes that waited are told that they have failed.
    return () => this.#change(-Math.min(bytes, this.#bytes));
  }

  close(): void {
    this.#close();
    this.end();
  }

  /** The connection has closed: nothing waits on it any more. */
  end(): void {
    this.#change(-this.#bytes);
  }

  #change(by: number): void {
    this.#bytes += by;
    this.#surroundings.changed(this, by);
  }
}
