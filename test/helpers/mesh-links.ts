import type { ServerId } from "../../dht-schema/roster.ts";
import type { ServerLinks } from "../../node/federation/links.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** A link that is silent for so long is given up by who waits for a word of the other; then it is down at both ends. */
export const SILENCE_MS = 1_500;
/** From the end of the trouble until the servers have found each other again. */
export const RELINK_MS = 500;

/**
 * The links between the servers of a simulated network, one a pair. A direction that is cut carries nothing: what is sent waits, as it
 * does in a black hole that TCP keeps retransmitting into, and arrives in order if it heals before the silence is noticed. Else the link
 * goes down: what waits is lost, and who waits for an answer over it gets none.
 */
export class MeshLinks {
  readonly #time: VirtualTime;
  readonly #latencyMs: number;
  readonly #cut = new Set<string>();
  readonly #down = new Set<string>();
  readonly #waiting = new Map<string, (() => void)[]>();
  readonly #upListeners = new Set<(pair: string) => void>();
  readonly #downListeners = new Map<string, () => void>();
  readonly #awaited = new Set<{ readonly pair: string; readonly to: string; readonly fail: () => void }>();

  constructor(time: VirtualTime, latencyMs: number) {
    this.#time = time;
    this.#latencyMs = latencyMs;
  }

  isUp(a: string, b: string): boolean {
    return !this.#down.has(pairOf(a, b));
  }

  /** The links of one server. */
  linksOf(server: string): ServerLinks {
    return {
      isUp: (other) => this.isUp(server, other),
      onUp: (listener) => {
        const own = (pair: string): void => {
          const [a, b] = pair.split("-");
          if (a === server || b === server) listener((a === server ? b : a) as ServerId);
        };
        this.#upListeners.add(own);
        return () => void this.#upListeners.delete(own);
      },
    };
  }

  /** Calls `listener` when a link of the server goes down. */
  onDown(server: string, listener: () => void): void {
    this.#downListeners.set(server, listener);
  }

  /** Brings something from one server to another, now, later or never. */
  carry(from: string, to: string, deliver: () => void): void {
    if (!this.isUp(from, to)) return;
    const direction = directionOf(from, to);
    if (this.#cut.has(direction)) this.#waiting.set(direction, [...(this.#waiting.get(direction) ?? []), deliver]);
    else this.#time.after(this.#latencyMs, deliver);
  }

  /**
   * An answer of another server is waited for.
   * @param fail the link has gone down meanwhile
   * @returns to be called when the waiting is over
   */
  awaitAnswer(from: string, to: string, fail: () => void): () => void {
    const entry = { pair: pairOf(from, to), to, fail };
    this.#awaited.add(entry);
    return () => void this.#awaited.delete(entry);
  }

  /** Cuts one direction. */
  cut(from: string, to: string): void {
    const direction = directionOf(from, to);
    if (this.#cut.has(direction)) return;
    this.#cut.add(direction);
    this.#time.after(SILENCE_MS, () => {
      if (this.#cut.has(direction)) this.#goDown(from, to);
    });
  }

  heal(from: string, to: string): void {
    const direction = directionOf(from, to);
    this.#cut.delete(direction);
    for (const deliver of this.#waiting.get(direction) ?? []) this.carry(from, to, deliver);
    this.#waiting.delete(direction);
    this.#time.after(RELINK_MS, () => {
      if (this.#cut.has(direction) || this.#cut.has(directionOf(to, from))) return;
      const pair = pairOf(from, to);
      if (this.#down.delete(pair)) for (const listener of this.#upListeners) listener(pair);
    });
  }

  /** The process of a server has gone: the links to it are down, and whoever waits for an answer of it hears of that. */
  broken(server: string): void {
    for (const [other, isDown] of this.#downListeners) if (other !== server) isDown();
    for (const { to, fail } of this.#awaited) if (to === server) fail();
  }

  /** Another run of a server has begun: the others find it, and have links to it again. */
  startedAnew(server: string, others: readonly string[]): void {
    this.#time.after(RELINK_MS, () => {
      for (const other of others) for (const listener of this.#upListeners) listener(pairOf(server, other));
    });
  }

  /** All links break, and are up again at once: who waits for an answer gets none. */
  breakAll(): void {
    for (const { fail } of this.#awaited) fail();
  }

  #goDown(a: string, b: string): void {
    const pair = pairOf(a, b);
    this.#down.add(pair);
    for (const end of [a, b]) this.#downListeners.get(end)?.();
    this.#waiting.delete(directionOf(a, b));
    this.#waiting.delete(directionOf(b, a));
    for (const awaited of this.#awaited) if (awaited.pair === pair) awaited.fail();
  }
}

function directionOf(from: string, to: string): string {
  return `${from}>${to}`;
}

function pairOf(a: string, b: string): string {
  return [a, b].toSorted().join("-");
}
