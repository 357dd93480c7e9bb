import type { Aor } from "../../dht-schema/aor.ts";
import type { Clock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import type { Timers } from "../runtime/timers.ts";
import type { SipRequest } from "../sip/message/message.ts";
import { parseNameAddr } from "../sip/message/name-addr.ts";
import type { HistoryStore } from "../storage/ports.ts";
import { textOf } from "./message-text.ts";

export interface HistoryComponents {
  readonly store: HistoryStore;
  /** 0: nothing is kept. */
  readonly keepMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly counters: Counters;
}

/**
 * The messages of users while they are on this server: what they sent, written down when it has been accepted, and what reached a
 * device of theirs. A failure to write costs the entry, never the message.
 */
export class History {
  readonly #components: HistoryComponents;
  #endSweep = () => {};

  constructor(components: HistoryComponents) {
    this.#components = components;
  }

  start(): void {
    this.#sweep();
  }

  stop(): void {
    this.#endSweep();
  }

  sent(request: SipRequest, user: Aor, to: Aor): void {
    this.#add(request, user, to, true);
  }

  received(request: SipRequest, user: Aor): void {
    this.#add(request, user, uriOf(request.headers.get("From") ?? ""), false);
  }

  #add(request: SipRequest, user: Aor, peer: string, sent: boolean): void {
    const { store, keepMs, clock, logger, counters } = this.#components;
    const text = keepMs === 0 ? undefined : textOf(request);
    if (text === undefined) return;
    try {
      store.add({ user, peer, sent, atMs: clock.wallMs(), callId: request.headers.get("Call-ID") ?? "", text });
      counters.add("history.added");
    } catch (error) {
      counters.add("history.failed");
      logger.warn({ err: error, user }, "a message could not be written to the history");
    }
  }

  #sweep(): void {
    const { store, keepMs, clock, timers, logger } = this.#components;
    try {
      store.expire(clock.wallMs() - keepMs);
    } catch (error) {
      logger.warn({ err: error }, "old messages could not be removed from the history");
    }
    this.#endSweep = timers.after(limits.history.sweepMs, () => this.#sweep());
  }
}

function uriOf(from: string): string {
  try {
    return parseNameAddr(from).uri;
  } catch {
    return from;
  }
}
