import type { Epoch } from "../../dht-schema/ballot.ts";
import { compareBallots, formatBallot, NO_BALLOT, sameBallot } from "../../dht-schema/ballot.ts";

/**
 * Something that somebody did with one AoR, from the instant at which it was asked for to the one at which its outcome
 * was known. `endMs` of `Infinity`: nobody knows whether and when it took effect (a time-out, a crash).
 */
export interface Operation {
  readonly startMs: number;
  readonly endMs: number;
  readonly server: number;
  readonly action: Action;
}

export type Action =
  /** A claim that succeeded by this epoch; without one, a claim whose outcome is unknown. */
  | { readonly kind: "claim"; readonly epoch: Epoch | undefined }
  /** The server stopped owning what it owned by this epoch: handed over, released, expired, crashed. */
  | { readonly kind: "end"; readonly epoch: Epoch }
  /** A lookup in `majority` mode, and the server that it found. */
  | { readonly kind: "lookup"; readonly found: number | "nobody" };

/** The register of one AoR, as if there were only one. `owner` 0 is nobody; `epoch` is the highest so far. */
interface Register {
  readonly owner: number;
  readonly epoch: Epoch;
}

/**
 * What an operation does to the register at the instant at which it takes effect; `undefined` where it cannot.
 * - a claim: nobody owns, or the claimant itself; its epoch is greater than all before
 * - an end: the server owns by that epoch
 * - a lookup: `nobody` only where nobody owns. A server only where no other one owns: it may be about to own, or have
 *   ceased to, as the replicas know of both what they were last told.
 */
function apply(register: Register, { server, action }: Operation): Register | undefined {
  const { owner, epoch } = register;
  switch (action.kind) {
    case "claim":
      if (owner !== 0 && owner !== server) return undefined;
      if (action.epoch === undefined) return { owner: server, epoch };
      if (compareBallots(action.epoch, epoch) > 0) return { owner: server, epoch: action.epoch };
      return owner === server && sameBallot(action.epoch, epoch) ? register : undefined;
    case "end":
      return owner === server && compareBallots(action.epoch, epoch) >= 0 ? { owner: 0, epoch } : undefined;
    case "lookup":
      return owner === 0 || owner === action.found ? register : undefined;
  }
}

/** Whether the operation, which has to take effect, no longer can: epochs have gone past it. */
function isTooLate({ epoch }: Register, { action, endMs }: Operation): boolean {
  if (action.kind !== "claim" || action.epoch === undefined || endMs === Infinity) return false;
  return compareBallots(action.epoch, epoch) < 0;
}

/** One way in which everything so far can have happened: the register, and which of the open operations took effect. */
interface Way {
  readonly register: Register;
  readonly done: ReadonlySet<number>;
}

/** Whether a history fits into an order; else what is wrong with the first operation that does not. */
export type Verdict = "fits" | "undecided" | { readonly wrong: string };

/**
 * Whether there is an order of the operations of one AoR, each taking effect at one instant between its start and its
 * end, in which the register behaves as {@link apply} says (Wing & Gong 1993, with memoised states as in Lowe 2017: all
 * ways are followed at once in order of time, and those with the same register and the same open operations are one).
 */
export function judgeHistory(operations: readonly Operation[]): Verdict {
  const open = new Set<number>();
  let ways: Way[] = [{ register: { owner: 0, epoch: NO_BALLOT }, done: new Set() }];
  for (const { at, isEnd } of inOrderOfTime(operations)) {
    if (!isEnd) {
      open.add(at);
      continue;
    }
    const ended = operations[at] as Operation;
    const next = waysWith(at, ways, open, operations);
    if (next === undefined) return "undecided";
    if (next.length === 0) return { wrong: explain(ended, ways, operations, open) };
    open.delete(at);
    ways = next;
  }
  return "fits";
}

interface Boundary {
  readonly at: number;
  readonly isEnd: boolean;
  readonly ms: number;
}

/** Starts before ends at the same instant: they may overlap. */
function inOrderOfTime(operations: readonly Operation[]): Boundary[] {
  const boundaries: Boundary[] = [];
  operations.forEach(({ startMs, endMs }, at) => {
    boundaries.push({ at, isEnd: false, ms: startMs });
    if (endMs !== Infinity) boundaries.push({ at, isEnd: true, ms: endMs });
  });
  return boundaries.sort((a, b) => a.ms - b.ms || Number(a.isEnd) - Number(b.isEnd) || a.at - b.at);
}

/** A history with more ways at one instant is left undecided from there on: a storm of claims that overlap can have exponentially many. */
const WAYS_MAX = 5_000;

/** Every way in which operation `must` has taken effect by now, others before it as needed; it then is forgotten. */
function waysWith(
  must: number,
  ways: readonly Way[],
  open: ReadonlySet<number>,
  operations: readonly Operation[],
): Way[] | undefined {
  // What has taken effect already everywhere changes nothing by ending.
  if (ways.every(({ done }) => done.has(must))) return ways.map((way) => without(way, must));
  const seen = new Set<string>();
  const todo: Way[] = [];
  const result = new Map<string, Way>();
  const consider = (register: Register, done: Set<number>) => {
    for (const at of open) {
      if (done.has(at)) continue;
      const operation = operations[at] as Operation;
      // Where an operation can have taken effect and changes nothing, such as a lookup, it may as well have.
      if (apply(register, operation) === register) done.add(at);
      else if (isTooLate(register, operation)) return;
    }
    const isDone = done.delete(must);
    const way = { register, done };
    const name = nameOf(way);
    if (isDone) result.set(name, way);
    else if (!seen.has(name)) {
      seen.add(name);
      todo.push(way);
    }
  };
  for (const { register, done } of ways) consider(register, new Set(done));
  for (let way = todo.pop(); way !== undefined; way = todo.pop()) {
    if (seen.size > WAYS_MAX) return undefined;
    for (const at of open) {
      const operation = operations[at] as Operation;
      if (way.done.has(at)) continue;
      const register = apply(way.register, operation);
      if (register !== undefined) consider(register, new Set(way.done).add(at));
    }
  }
  return [...result.values()];
}

function without({ register, done }: Way, ended: number): Way {
  const left = new Set(done);
  left.delete(ended);
  return { register, done: left };
}

function nameOf({ register, done }: Way): string {
  return `${register.owner}/${formatBallot(register.epoch)}/${[...done].sort((a, b) => a - b).join()}`;
}

function explain(
  ended: Operation,
  ways: readonly Way[],
  operations: readonly Operation[],
  open: ReadonlySet<number>,
): string {
  const { owner, epoch } = (ways[0] as Way).register;
  const before = owner === 0 ? "nobody owned" : `server ${owner} owned by ${formatBallot(epoch)}`;
  const others = [...open].map((at) => operations[at] as Operation).filter((operation) => operation !== ended);
  const meanwhile = others.length === 0 ? "nothing else" : others.map(describe).join("; ");
  return `${describe(ended)}: before it ${before}, and meanwhile there was ${meanwhile}`;
}

function describe({ server, action, startMs, endMs }: Operation): string {
  const when = `from ${startMs.toFixed(3)} to ${endMs.toFixed(3)} ms`;
  switch (action.kind) {
    case "claim":
      return `server ${server} claimed ${action.epoch === undefined ? "with unknown outcome" : `and won ${formatBallot(action.epoch)}`} ${when}`;
    case "end":
      return `server ${server} stopped owning by ${formatBallot(action.epoch)} ${when}`;
    case "lookup":
      return `server ${server} looked up and found ${action.found === "nobody" ? "nobody" : `server ${action.found}`} ${when}`;
  }
}
