import type { Timers } from "../runtime/timers.ts";

/** A message that is on its way. */
export interface Sent {
  /** It will not be known what becomes of it. */
  readonly giveUp: () => void;
}

/** One of a ring: a `Set` that is kept small by deleting would hold on to what was in it when it was last laid out anew, until the old generation is collected. */
interface Link extends Partial<Sent> {
  before: Link;
  behind: Link;
}

/** What clients of this server have sent, and is on its way: they are told of it before the server stops. */
export class OnTheirWay {
  readonly #ends: Link = newRing();
  #isOver: (() => void) | undefined;

  /** Returns how to say that it is dealt with. */
  add({ giveUp }: Sent): () => void {
    const { before: last } = this.#ends;
    const link: Link = { giveUp, before: last, behind: this.#ends };
    last.behind = link;
    this.#ends.before = link;
    return () => {
      link.before.behind = link.behind;
      link.behind.before = link.before;
      link.before = link.behind = link;
      if (this.#isEmpty) this.#isOver?.();
    };
  }

  /** Resolves when none is left. What is left after a moment is given up, in the order in which it came. @param withinMs the moment */
  async stop(withinMs: number, timers: Timers): Promise<void> {
    if (this.#isEmpty) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#isOver = resolve;
    const cancel = timers.after(withinMs, resolve);
    await promise;
    cancel();
    for (let link = this.#ends.behind; link !== this.#ends; link = link.behind) link.giveUp?.();
  }

  get #isEmpty(): boolean {
    return this.#ends.behind === this.#ends;
  }
}

function newRing(): Link {
  const ends = {} as Link;
  ends.before = ends.behind = ends;
  return ends;
}
