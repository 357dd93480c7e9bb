import { limits } from "../runtime/limits.ts";
import { isShareLeft } from "../runtime/share.ts";
import { Tally } from "../runtime/tally.ts";
import type { Timers } from "../runtime/timers.ts";

/** One INVITE that waits for a person to answer. */
export interface RingingCall {
  /** Cancels it. */
  readonly cancelled: AbortController;
  /** Whether it is cancelled because this server stops, and not by its caller. */
  readonly isStopped: boolean;
  /** It is answered. */
  end(): void;
}

/** Reason of the CANCEL that devices get then. @see RFC 3326 §2 */
const STOPPING = 'SIP;cause=480;text="Server stopping"';

/**
 * The INVITEs that a server has taken and not answered yet. It is they that do not outlive the server: what it knows of them is in its memory
 * alone, so that callers would wait for ever, and devices ring for nobody.
 */
export class RingingCalls {
  readonly #timers: Timers;
  readonly #calls = new Map<RingingCall, () => void>();
  readonly #byParty = new Tally<string>();
  #allEnded = (): void => {};
  #isStopping = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Whether no other INVITE is taken: there are too many, or nobody would be there to carry its answer. */
  get isClosed(): boolean {
    return this.#isStopping || this.#calls.size >= limits.session.ringing;
  }

  /** Whether whoever calls may have one more. */
  isShareLeft(party: string): boolean {
    return isShareLeft(this.#byParty.of(party), this.#calls.size, limits.session.ringing);
  }

  /**
   * @param party who calls
   * @param giveUp answers the caller where no device has answered when the server stops
   */
  begin(party: string, giveUp: () => void): RingingCall {
    const cancelled = new AbortController();
    const call: RingingCall = {
      cancelled,
      get isStopped() {
        return cancelled.signal.reason === STOPPING;
      },
      end: () => {
        this.#calls.delete(call);
        this.#byParty.add(party, -1);
        if (this.#calls.size === 0) this.#allEnded();
      },
    };
    this.#calls.set(call, giveUp);
    this.#byParty.add(party, 1);
    return call;
  }

  /** Takes no more, and ends all that there are. Resolves when the devices have said so, or after a moment. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const calls = [...this.#calls];
    if (calls.length === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#allEnded = resolve;
    for (const [{ cancelled }] of calls) cancelled.abort(STOPPING);
    const forget = this.#timers.after(limits.session.stopMs, resolve);
    await promise;
    forget();
    for (const [call, giveUp] of calls) if (this.#calls.delete(call)) giveUp();
  }
}
