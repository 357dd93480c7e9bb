import type { Aor } from "../../dht-schema/aor.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import { AORTA_HOLD } from "../federation/aorta-headers.ts";
import type { Clock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import type { Timers } from "../runtime/timers.ts";
import type { SipRequest } from "../sip/message/message.ts";
import type { SipStack } from "../sip/stack.ts";
import type { HeldMessage, MessageStore } from "../storage/ports.ts";
import type { HeldMessages } from "./held-messages.ts";
import { readRequest } from "./held-messages.ts";

export interface HandOnComponents {
  readonly store: Pick<MessageStore, "recipients" | "next" | "remove">;
  readonly stack: Pick<SipStack, "send">;
  /** What holds messages until there are none left, and nothing after that. */
  readonly held: Pick<HeldMessages, "close">;
  /** Servers that can hold messages now: up, and not leaving themselves. */
  readonly others: () => readonly ServerId[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly counters: Counters;
}

/**
 * Gives what this server holds to others, which hold it from then on: for a server that leaves for good. What one recipient has
 * goes to one server, in order, to the next only when that one takes no more; where none does, all are asked again a moment later: they may be
 * starting, or the links be broken. What comes meanwhile goes the same way. What nobody takes within its time stays on this disk.
 * @returns how many messages stay
 */
export async function handOnHeld(components: HandOnComponents): Promise<number> {
  const { store, held, clock, logger } = components;
  const giveUpAtMs = clock.monotonicMs() + limits.messaging.handOnMs;
  let waiting = [...store.recipients()];
  // Meanwhile more comes, and is held behind what there is.
  while (waiting.length > 0 && clock.monotonicMs() < giveUpAtMs) {
    const workers = Array.from({ length: limits.messaging.handOnAtOnce }, async (_, worker) => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop())
        await handOnOf(components, next.recipient, worker, giveUpAtMs);
    });
    await Promise.all(workers);
    waiting = [...store.recipients()];
  }
  held.close();
  const left = store.recipients().reduce((sum, { messages }) => sum + messages, 0);
  if (left > 0) logger.error({ messages: left }, "held messages could not be handed on: they stay in the data folder");
  return left;
}

/** @param spread which of the others is asked first */
async function handOnOf(
  components: HandOnComponents,
  recipient: Aor,
  spread: number,
  giveUpAtMs: number,
): Promise<void> {
  const { store, stack, others, clock, timers, counters } = components;
  let servers = others();
  let refusals = 0;
  for (let held = store.next(recipient); held !== undefined; held = store.next(recipient)) {
    const request = toHold(held, components);
    if (request === undefined) {
      store.remove(held.id);
      continue;
    }
    const withinMs = Math.min(limits.messaging.handOnAnswerMs, giveUpAtMs - clock.monotonicMs());
    if (withinMs <= 0) return;
    if (refusals >= servers.length) {
      await new Promise<void>((resolve) => timers.after(Math.min(limits.messaging.handOnPauseMs, withinMs), resolve));
      servers = others();
      refusals = 0;
      continue;
    }
    const server = servers[(spread + refusals) % servers.length] as ServerId;
    const { status } = await stack.send(request, { transport: "MESH", server }, { withinMs });
    // Who did not answer may have taken it. Taken by another too it is delivered once all the same: it keeps its name.
    if (status >= 300) {
      refusals++;
      continue;
    }
    counters.add("messaging.handed_on");
    store.remove(held.id);
  }
}

/** As another server is asked to hold it; `undefined` where its time is over, or it cannot be read. */
function toHold(
  { recipient, message, expiresAtMs }: HeldMessage,
  { clock, logger, counters }: HandOnComponents,
): SipRequest | undefined {
  const request = readRequest(message);
  if (request === undefined) {
    counters.add("messaging.held_unreadable");
    logger.error({ recipient }, "a held message cannot be read, and is dropped");
    return undefined;
  }
  const leftSeconds = Math.floor((expiresAtMs - clock.wallMs()) / 1000);
  if (leftSeconds <= 0) return undefined;
  request.headers.set(AORTA_HOLD, "1").set("Expires", String(leftSeconds));
  return request;
}
