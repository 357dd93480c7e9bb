/** The place of one message among those that came before it. */
export interface Turn {
  /** Resolves when all that came before are dealt with; `undefined` where they are. */
  readonly earlier: Promise<void> | undefined;
  /** Calls `go` when all that came before have left for where their recipient is, or are dealt with: with that it has left, too. */
  leave(go: () => void): void;
  /** It did not get there: those behind it that are still here stay until it has left again, or is dealt with. */
  back(): void;
  /** It is dealt with itself. */
  end(): void;
}

/** A message that has not left. */
interface Staying {
  readonly number: number;
  /** Where it is ready to leave. */
  go?: () => void;
}

/** Messages of one way, sender and recipient. */
interface Line {
  /** Resolves with the last of them, and all before it. */
  all: Promise<void> | undefined;
  last: number;
  underWay: number;
  /** In the order in which they came. */
  readonly staying: Staying[];
}

/**
 * Messages on their way, in the order in which they came: each leaves behind those before it, whichever finds its recipient first, and is tried
 * while these are; but what has to wait is put on disk behind what was written before it, whichever is given up first.
 */
export class Turns {
  /** By way, sender and recipient. */
  readonly #lines = new Map<string, Line>();

  begin(key: string): Turn {
    const line = this.#lines.get(key) ?? { all: undefined, last: 0, underWay: 0, staying: [] };
    this.#lines.set(key, line);
    const { all: earlier, staying } = line;
    const { promise, resolve } = Promise.withResolvers<void>();
    line.all = earlier === undefined ? promise : earlier.then(() => promise);
    line.underWay++;
    const self: Staying = { number: ++line.last };
    staying.push(self);
    return {
      earlier,
      leave(go) {
        self.go = go;
        letGo(staying);
      },
      back: () => stay(staying, self),
      end: () => {
        const at = staying.indexOf(self);
        if (at >= 0) staying.splice(at, 1);
        if (--line.underWay === 0) this.#lines.delete(key);
        else letGo(staying);
        resolve();
      },
    };
  }
}

/** The first leaves if it can, and the one that is first then. */
function letGo(staying: Staying[]): void {
  for (let first = staying[0]; first?.go !== undefined; first = staying[0]) {
    const { go } = first;
    delete first.go;
    staying.shift();
    go();
  }
}

function stay(staying: Staying[], self: Staying): void {
  if (staying.includes(self)) return;
  const behind = staying.findIndex(({ number }) => number > self.number);
  staying.splice(behind < 0 ? staying.length : behind, 0, self);
}
