import { detached } from "../message/lexical.ts";
import type { KnownSource } from "./known-sources.ts";

/** How fast passwords may be guessed. */
export interface GuessRules {
  /** Wrong answers for one user that cost no wait. */
  readonly perUser: number;
  /** Wrong answers from one source that cost no wait: many people may be behind an address. */
  readonly perSource: number;
  /** The wait after the first wrong answer too many; it doubles with each further one. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** In this time one wrong answer is forgotten. */
  readonly forgetMs: number;
  /** Users, sources, and pairs of them that are remembered, each. Beyond, the one touched first is forgotten. */
  readonly remembered: number;
}

interface Guesses {
  /** Wrong answers not yet forgotten. */
  count: number;
  countedAtMs: number;
  /** Until when no answer is looked at. */
  waitUntilMs: number;
}

/**
 * Slows down who guesses passwords, by the user who is guessed and by the source of the guesses, each wait twice the one before. A user
 * who has shown the right password from a source is counted apart there: nobody can lock a user out by guessing from elsewhere, nor a whole
 * office behind one address.
 */
export class GuessThrottle {
  readonly #rules: GuessRules;
  readonly #byUser = new Map<string, Guesses>();
  readonly #bySource = new Map<string, Guesses>();
  /** Of users from sources where they have shown the right password. */
  readonly #proven = new Map<string, Guesses>();

  constructor(rules: GuessRules) {
    this.#rules = rules;
  }

  /** Users and the sources where they have shown the right password, the newest last. */
  proven(): KnownSource[] {
    return Array.from(this.#proven.keys(), (key) => {
      const at = key.lastIndexOf("\n");
      return [key.slice(0, at), key.slice(at + 1)];
    });
  }

  /** All that is remembered. */
  get size(): number {
    return this.#byUser.size + this.#bySource.size + this.#proven.size;
  }

  /** How long no answer of this user from this source is looked at; 0 when one may be tried. */
  waitMs(user: string, source: string, nowMs: number): number {
    const proven = this.#proven.get(pair(user, source));
    const apply = proven === undefined ? [this.#byUser.get(user), this.#bySource.get(source)] : [proven];
    return Math.max(0, ...apply.map((guesses) => (guesses?.waitUntilMs ?? nowMs) - nowMs));
  }

  wrong(user: string, source: string, nowMs: number): void {
    const { perUser, perSource } = this.#rules;
    const key = pair(user, source);
    // A device with an old password beside one with the right one, more often than an attacker.
    if (this.#proven.has(key)) return this.#count(this.#proven, key, perSource, nowMs);
    this.#count(this.#byUser, user, perUser, nowMs);
    this.#count(this.#bySource, source, perSource, nowMs);
  }

  right(user: string, source: string, nowMs: number): void {
    const key = pair(user, source);
    const before = this.#proven.get(key) ?? { count: 0, countedAtMs: nowMs, waitUntilMs: nowMs };
    this.#proven.delete(key);
    this.#proven.set(key, before);
    forgetBeyond(this.#proven, this.#rules.remembered);
  }

  #count(guesses: Map<string, Guesses>, key: string, free: number, nowMs: number): void {
    const { firstMs, longestMs, forgetMs, remembered } = this.#rules;
    const before = guesses.get(key);
    const forgotten = before === undefined ? 0 : (nowMs - before.countedAtMs) / forgetMs;
    const count = Math.max(0, (before?.count ?? 0) - forgotten) + 1;
    const tooMany = Math.ceil(count - free);
    const waitMs = tooMany <= 0 ? 0 : Math.min(longestMs, firstMs * 2 ** (tooMany - 1));
    guesses.delete(key);
    guesses.set(detached(key), { count, countedAtMs: nowMs, waitUntilMs: nowMs + waitMs });
    forgetBeyond(guesses, remembered);
  }
}

/** Neither has a line break: they come from a header field and from a socket. */
function pair(user: string, source: string): string {
  return [user, source].join("\n");
}

function forgetBeyond(map: Map<string, unknown>, capacity: number): void {
  if (map.size <= capacity) return;
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
