import type { JournalEntry } from "./journal.ts";
import type { Identity } from "./swarm.ts";

/** A time during which one run of a server's process believed that it owned a user. */
export interface Tenure {
  readonly aor: string;
  readonly server: string;
  readonly place: number;
  /** When the claim was asked for, and when it succeeded. */
  readonly askedAtMs: number;
  readonly fromMs: number;
  /** When it ended, or the last instant of which the server said in advance that it would believe it still. */
  readonly toMs: number;
  /** When the server was last seen to own the user, and when it certainly had ceased to. */
  readonly seenMs: number;
  readonly goneMs: number;
  /** Of the claim, then those that the owner claimed for itself meanwhile, each between two instants. */
  readonly epoch: string;
  readonly raised: readonly Raise[];
  readonly end: "handed-over" | "expired" | "released" | "died" | "lasts";
}

/** The owner went on under a higher epoch. */
export interface Raise {
  readonly epoch: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** A journal with whose it is. */
export interface Journal {
  readonly identity: Pick<Identity, "name" | "place" | "lives">;
  readonly entries: readonly JournalEntry[];
}

/** The epoch that a tenure had in the end. */
export function lastEpochOf({ epoch, raised }: Pick<Tenure, "epoch" | "raised">): string {
  return raised.at(-1)?.epoch ?? epoch;
}

/**
 * When which server believed to own which user, from what the servers wrote down. `fromMs` to `toMs` is at most as long as the belief was
 * in truth: it begins after the claim succeeded, and where a process was killed or stood still it ends with what it had foretold. So two
 * tenures of one user that overlap are two believers.
 */
export function tenuresOf(journals: readonly Journal[], endMs: number): Tenure[] {
  const tenures = journals.flatMap((journal) => new Reading(journal, endMs).tenures());
  return tenures.sort((a, b) => a.fromMs - b.fromMs);
}

interface Open {
  readonly aor: string;
  readonly askedAtMs: number;
  readonly fromMs: number;
  readonly epoch: string;
  readonly raised: Raise[];
  untilMs: number;
  seenMs: number;
}

type Entry<Kind extends JournalEntry["kind"]> = JournalEntry & { readonly kind: Kind };

/** One journal, read from its beginning to its end. */
class Reading {
  readonly #journal: Journal;
  readonly #endMs: number;
  readonly #open = new Map<string, Open>();
  readonly #closed: Tenure[] = [];

  constructor(journal: Journal, endMs: number) {
    this.#journal = journal;
    this.#endMs = endMs;
  }

  tenures(): Tenure[] {
    for (const entry of this.#journal.entries) {
      if (entry.kind === "up") this.#closeAll("died");
      else if (entry.kind === "won") this.#won(entry);
      else if (entry.kind === "owns") this.#owns(entry);
      else if (entry.kind === "lost") this.#lost(entry);
    }
    this.#closeAll(this.#journal.identity.lives.at(-1)?.toMs === Infinity ? "lasts" : "died");
    return this.#closed;
  }

  #won({ aor, epoch, atMs, askedAtMs }: Entry<"won">): void {
    // Asked for again while it is owned already, a user keeps the epoch.
    if (this.#open.has(aor)) return;
    this.#open.set(aor, { aor, askedAtMs, fromMs: atMs, epoch, raised: [], untilMs: atMs, seenMs: atMs });
  }

  #owns({ aor, epoch, atMs, untilMs }: Entry<"owns">): void {
    const tenure = this.#open.get(aor);
    if (tenure === undefined) return;
    if (lastEpochOf(tenure) !== epoch) tenure.raised.push({ epoch, fromMs: tenure.seenMs, toMs: atMs });
    tenure.untilMs = Math.max(tenure.untilMs, untilMs);
    tenure.seenMs = atMs;
  }

  #lost({ aor, epoch, atMs, reason }: Entry<"lost">): void {
    const tenure = this.#open.get(aor);
    if (tenure === undefined) return;
    if (lastEpochOf(tenure) !== epoch) tenure.raised.push({ epoch, fromMs: tenure.seenMs, toMs: atMs });
    // A lapse is noticed after the fact; everything else is done in the instant in which it is written.
    const toMs = reason === "expired" ? Math.min(tenure.untilMs, atMs) : atMs;
    this.#close(tenure, { toMs, goneMs: atMs, end: reason });
  }

  #closeAll(end: "died" | "lasts"): void {
    const { lives } = this.#journal.identity;
    for (const tenure of [...this.#open.values()]) {
      const life = lives.find(({ fromMs, goneMs }) => fromMs <= tenure.fromMs && tenure.fromMs <= goneMs);
      const toMs = Math.min(tenure.untilMs, life?.toMs ?? this.#endMs, this.#endMs);
      this.#close(tenure, { toMs: Math.max(toMs, tenure.fromMs), goneMs: life?.goneMs ?? Infinity, end });
    }
  }

  #close(tenure: Open, ending: Pick<Tenure, "toMs" | "goneMs" | "end">): void {
    this.#open.delete(tenure.aor);
    const { name: server, place } = this.#journal.identity;
    const { aor, askedAtMs, fromMs, seenMs, epoch, raised } = tenure;
    this.#closed.push({ aor, server, place, askedAtMs, fromMs, seenMs, epoch, raised, ...ending });
  }
}
