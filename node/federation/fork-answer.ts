import type { SipResponse } from "../sip/message/message.ts";
import { isChallenge, joinChallenges } from "./challenges.ts";

/** Statuses that tell the sender how to do better, best first. @see RFC 3261 §16.7 step 6 */
const HELPFUL = [401, 407, 415, 420, 484];

export interface ForkAnswerOptions {
  /** Whether the request can wait where a device does not answer for now: then what another one refuses does not decide. @default false */
  readonly canWait?: boolean;
}

/**
 * Collects the final answers of the branches of one forked request and says when, and with which, the sender is answered:
 * with the first 2xx at once, otherwise with the best when all are in. One that asks for credentials asks for those of all branches.
 * @see RFC 3261 §16.7
 */
export class ForkAnswer {
  #pending: number;
  #answered = false;
  #best: SipResponse | undefined;
  readonly #challenges: SipResponse[] = [];
  readonly #canWait: boolean;

  /** @param branches how many answers will come, at least 1 */
  constructor(branches: number, { canWait = false }: ForkAnswerOptions = {}) {
    this.#pending = branches;
    this.#canWait = canWait;
  }

  /** The answer for the sender, once; `undefined` while there is more to wait for, and ever after. */
  received(answer: SipResponse): SipResponse | undefined {
    this.#pending -= 1;
    if (this.#answered) return undefined;
    if (isChallenge(answer)) this.#challenges.push(answer);
    if (this.#best === undefined || this.#isBetter(answer.status, this.#best.status)) this.#best = answer;
    if (!isSuccess(answer.status) && this.#pending > 0) return undefined;
    this.#answered = true;
    return isChallenge(this.#best) ? joinChallenges(this.#best, this.#challenges) : this.#best;
  }

  #isBetter(a: number, b: number): boolean {
    return rank(a, this.#canWait) < rank(b, this.#canWait);
  }
}

/** Lower is better: 2xx, then 6xx (the user refused everywhere), then by class, helpful ones of a class first. */
function rank(status: number, canWait: boolean): number {
  if (isSuccess(status)) return 0;
  if (status >= 600) return 1;
  // The device that is silent now may take it later, unless its sender can do something about it at once.
  if (canWait && (status === 401 || status === 407)) return 2;
  if (canWait && status === 480) return 3;
  const helpful = HELPFUL.indexOf(status);
  // 503 would say that this server is overloaded, so any other 5xx is better (§16.7 step 6).
  // 489 would say that there is no such package, when it is another device that cannot be asked now.
  const within = helpful >= 0 ? helpful : status === 503 || status === 489 ? 90 : HELPFUL.length;
  return Math.floor(status / 100) * 100 + within;
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}
