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

/**
 * Messages on their way, in the order in which they came: each leaves behind those before it, whichever finds its recipient first, and is tried
 * while these are; but what has to wait is put on disk behind what was written before it, whichever is given up first.
 */
export class Turns {
  /** By way, sender and recipient. */
  readonly #lines = new Map<string, Line>();

  begin(key: string): Turn {
    let line = this.#lines.get(key);
    if (line === undefined) this.#lines.set(key, (line = new Line(() => void this.#lines.delete(key))));
    return line.join();
  }
}

/** Messages of one way, sender and recipient. Mostly it is one alone. */
class Line {
  readonly #isOver: () => void;
  #last = 0;
  /** What is not dealt with, in the order in which it came. */
  readonly #underWay = new Set<Place>();
  /** Of these, what has not left. */
  readonly #staying: Place[] = [];

  constructor(isOver: () => void) {
    this.#isOver = isOver;
  }

  join(): Place {
    const place = new Place(this, ++this.#last);
    this.#underWay.add(place);
    this.#staying.push(place);
    return place;
  }

  /** Whether all that came before a place are dealt with. */
  isFirst({ number }: Place): boolean {
    const [first] = this.#underWay;
    return first === undefined || first.number >= number;
  }

  /** The first leaves if it can, and the one that is first then. */
  letGo(): void {
    for (let first = this.#staying[0]; first?.go !== undefined; first = this.#staying[0]) {
      const { go } = first;
      first.go = undefined;
      this.#staying.shift();
      go();
    }
  }

  stay(place: Place): void {
    if (this.#staying.includes(place)) return;
    const behind = this.#staying.findIndex(({ number }) => number > place.number);
    this.#staying.splice(behind < 0 ? this.#staying.length : behind, 0, place);
  }

  end(place: Place): void {
    const at = this.#staying.indexOf(place);
    if (at >= 0) this.#staying.splice(at, 1);
    this.#underWay.delete(place);
    const [first] = this.#underWay;
    if (first === undefined) return this.#isOver();
    this.letGo();
    first.comesFirst();
  }
}

class Place implements Turn {
  readonly #line: Line;
  readonly number: number;
  /** Where it is ready to leave. */
  go: (() => void) | undefined = undefined;
  #earlier: PromiseWithResolvers<void> | undefined = undefined;

  constructor(line: Line, number: number) {
    this.#line = line;
    this.number = number;
  }

  get earlier(): Promise<void> | undefined {
    if (this.#line.isFirst(this)) return undefined;
    this.#earlier ??= Promise.withResolvers<void>();
    return this.#earlier.promise;
  }

  /** All that came before are dealt with now. */
  comesFirst(): void {
    this.#earlier?.resolve();
  }

  leave(go: () => void): void {
    this.go = go;
    this.#line.letGo();
  }

  back(): void {
    this.#line.stay(this);
  }

  end(): void {
    this.#line.end(this);
  }
}
