import type { Aor } from "../../dht-schema/aor.ts";
import { tryParseAor } from "../../dht-schema/aor.ts";
import type { Clock } from "../runtime/clock.ts";
import type { AortaError } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import type { Timers } from "../runtime/timers.ts";
import type { SipRequest } from "../sip/message/message.ts";
import { parseNameAddr } from "../sip/message/name-addr.ts";
import type { Ageing } from "../storage/ageing.ts";
import type { HistorySize, HistoryStore } from "../storage/ports.ts";
import { storageError } from "../storage/storage-error.ts";
import type { HistoryFailure } from "./history-failures.ts";
import { HistoryFailures } from "./history-failures.ts";
import { textOf } from "./message-text.ts";

export interface HistoryComponents {
  readonly store: HistoryStore;
  /** 0: nothing is kept. */
  readonly keepMs: number;
  readonly clock: Clock;
  /** By which messages are removed. */
  readonly ageing: Pick<Ageing, "nowMs">;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly counters: Counters;
}

/** A history as operators see it. */
export interface HistoryStatus {
  /** Set where none is kept. */
  readonly off?: true;
  /** Absent where none is kept, and while it cannot be opened. */
  readonly size?: HistorySize;
  /** Set while the oldest messages make room before their time: since when in this run, wall clock. */
  readonly fullSinceMs?: number;
  /** Set while messages that an earlier release kept with the contacts are not all moved to where they can be found. */
  readonly takingOver?: true;
  /** Set while it cannot be written. */
  readonly failing?: HistoryFailure;
}

/**
 * The messages of users while they are on this server: what they sent, written down when it has been accepted, and what reached a
 * device of theirs. A failure to write costs the entry, never the message.
 */
export class History {
  readonly #components: HistoryComponents;
  readonly #failures: HistoryFailures;
  #fullSinceMs: number | undefined;
  #isStopped = false;
  #endSweep = () => {};
  #endTakingOver = () => {};

  constructor(components: HistoryComponents) {
    this.#components = components;
    this.#failures = new HistoryFailures(components);
  }

  start(): void {
    this.#sweep();
    this.#takeOver();
  }

  stop(): void {
    this.#isStopped = true;
    this.#endSweep();
    this.#endTakingOver();
    this.#failures.stop();
  }

  sent(request: SipRequest, user: Aor, to: Aor): void {
    this.#add(request, user, to, true);
  }

  received(request: SipRequest, user: Aor): void {
    if (this.#components.keepMs > 0) this.#add(request, user, writerIn(request.headers.get("From") ?? ""), false);
  }

  status(): HistoryStatus {
    const { store, keepMs } = this.#components;
    const isOff = keepMs === 0;
    const size = isOff ? undefined : this.#attempt(() => store.size());
    const takingOver = this.#attempt(() => store.isTakingOver());
    const { present: failing } = this.#failures;
    return {
      ...(isOff && { off: true as const }),
      ...(size && { size }),
      ...(this.#fullSinceMs !== undefined && { fullSinceMs: this.#fullSinceMs }),
      ...(takingOver && { takingOver: true as const }),
      ...(failing && { failing }),
    };
  }

  #add(request: SipRequest, user: Aor, peer: string, sent: boolean): void {
    const { store, keepMs, clock, counters } = this.#components;
    const text = keepMs === 0 ? undefined : textOf(request);
    if (text === undefined) return;
    const callId = request.headers.get("Call-ID") ?? "";
    const done = (error?: AortaError) => {
      counters.add(error === undefined ? "history.added" : "history.failed");
      if (error === undefined) this.#failures.succeeded();
      else this.#failures.failed(error, 1);
      this.#noteFullness();
    };
    try {
      store.add({ user, peer, sent, atMs: clock.wallMs(), callId, text }, done);
    } catch (error) {
      done(storageError("the history", error));
    }
  }

  #sweep(): void {
    const { store, keepMs, ageing } = this.#components;
    const { movePauseMs, sweepMs } = limits.history;
    const wasOpen = store.isOpen;
    const beforeMs = keepMs === 0 ? Number.MAX_SAFE_INTEGER : ageing.nowMs() - keepMs;
    const hasMore = this.#attempt(() => store.expire(beforeMs, () => this.#sweepIn(sweepMs))) ?? false;
    if (!wasOpen && store.isOpen) this.#failures.succeeded();
    this.#noteFullness();
    this.#sweepIn(hasMore ? movePauseMs : sweepMs);
  }

  /** Not before, whatever was intended. */
  #sweepIn(ms: number): void {
    if (this.#isStopped) return;
    this.#endSweep();
    this.#endSweep = this.#components.timers.after(ms, () => this.#sweep());
  }

  /** Step by step, so that what users do goes on in between. */
  #takeOver(): void {
    const { store, timers } = this.#components;
    const hasMore = this.#attempt(() => store.takeOver());
    if (hasMore === false) return;
    const { movePauseMs, sweepMs } = limits.history;
    this.#endTakingOver = timers.after(hasMore ? movePauseMs : sweepMs, () => this.#takeOver());
  }

  #noteFullness(): void {
    const { store, clock, logger } = this.#components;
    if (store.isFull === (this.#fullSinceMs !== undefined)) return;
    this.#fullSinceMs = store.isFull ? clock.wallMs() : undefined;
    if (store.isFull) logger.warn({}, "the history is full: the oldest messages make room for new ones");
  }

  /** Of timers and of the status, where an error that nobody catches would end the node. */
  #attempt<Result>(work: () => Result): Result | undefined {
    try {
      return work();
    } catch (error) {
      this.#failures.failed(storageError("the history", error), 0);
      return undefined;
    }
  }
}

/** Whoever From names, in one spelling: who asks for what somebody wrote gets all of it. */
function writerIn(from: string): string {
  try {
    const { uri } = parseNameAddr(from);
    return tryParseAor(uri) ?? uri;
  } catch {
    return from;
  }
}
