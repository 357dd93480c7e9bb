import { RecentMap } from "../../runtime/recent-map.ts";
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
  /** Users, sources, and pairs of them that are remembered, each. Beyond, those touched longest ago are forgotten. */
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
  readonly #byUser: RecentMap<string, Guesses>;
  readonly #bySource: RecentMap<string, Guesses>;
  /** Of users from sources where they have shown the right password. */
  readonly #proven: RecentMap<string, Guesses & { provenAtMs: number }>;

  constructor(rules: GuessRules) {
    this.#rules = rules;
    this.#byUser = new RecentMap(rules.remembered);
    this.#bySource = new RecentMap(rules.remembered);
    this.#proven = new RecentMap(rules.remembered);
  }

  /** Users and the sources where they have shown the right password, the newest last. */
  proven(): KnownSource[] {
    const newestLast = [...this.#proven.entries()].sort(([, a], [, b]) => a.provenAtMs - b.provenAtMs);
    return newestLast.map(([key]) => {
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
    const proven = this.#proven.get(key);
    if (proven !== undefined) return this.#count(proven, perSource, nowMs);
    this.#count(guessesOf(this.#byUser, user, nowMs), perUser, nowMs);
    this.#count(guessesOf(this.#bySource, source, nowMs), perSource, nowMs);
  }

  right(user: string, source: string, nowMs: number): void {
    const key = pair(user, source);
    const known = this.#proven.get(key);
    if (known !== undefined) known.provenAtMs = nowMs;
    else this.#proven.set(key, { ...noGuesses(nowMs), provenAtMs: nowMs });
  }

  #count(guesses: Guesses, free: number, nowMs: number): void {
    const { firstMs, longestMs, forgetMs } = this.#rules;
    const forgotten = (nowMs - guesses.countedAtMs) / forgetMs;
    guesses.count = Math.max(0, guesses.count - forgotten) + 1;
    guesses.countedAtMs = nowMs;
    const tooMany = Math.ceil(guesses.count - free);
    guesses.waitUntilMs = nowMs + (tooMany <= 0 ? 0 : Math.min(longestMs, firstMs * 2 ** (tooMany - 1)));
  }
}

function guessesOf(map: RecentMap<string, Guesses>, key: string, nowMs: number): Guesses {
  const known = map.get(key);
  if (known !== undefined) return known;
  const none = noGuesses(nowMs);
  // It is remembered for longer than the message.
  map.set(detached(key), none);
  return none;
}

function noGuesses(nowMs: number): Guesses {
  return { count: 0, countedAtMs: nowMs, waitUntilMs: nowMs };
}

/** Neither has a line break: they come from a header field and from a socket. */
function pair(user: string, source: string): string {
  return [user, source].join("\n");
}
