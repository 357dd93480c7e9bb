import { randomUUID } from "node:crypto";
import type { Aor } from "../../dht-schema/aor.ts";
import { AORTA_HOLD, AORTA_MESSAGE } from "../federation/aorta-headers.ts";
import { assertedIn } from "../federation/edge-identity.ts";
import type { Locator, OwnerWatch } from "../federation/locator.ts";
import type { OwnerRouter } from "../federation/route-to-owner.ts";
import type { RegisteredContacts } from "../registrar/registered-contacts.ts";
import type { Clock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import { LineLimit } from "../runtime/line-limit.ts";
import { Paced } from "../runtime/paced.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import type { Timers } from "../runtime/timers.ts";
import { hasTag } from "../sip/message/build.ts";
import { expiresOf } from "../sip/message/contact.ts";
import type { SipRequest } from "../sip/message/message.ts";
import { parseMessage } from "../sip/message/parse-message.ts";
import { serializeMessage } from "../sip/message/serialize-message.ts";
import type { Ageing } from "../storage/ageing.ts";
import type { ExpiredMessage, HeldMessage, MessageStore } from "../storage/ports.ts";
import { WriteFailures } from "../storage/write-failures.ts";
import { formatMessageName, messageNameIn } from "./delivered-names.ts";
import { HeldRoom } from "./held-room.ts";
import { isTypingNotice } from "./typing-notice.ts";
import { isForNow, isOfDevices } from "./verdict.ts";

export interface HeldMessagesComponents {
  readonly store: MessageStore;
  readonly router: OwnerRouter;
  readonly locator: Pick<Locator, "self" | "watch">;
  readonly contacts: Pick<RegisteredContacts, "onChange" | "onRegistration" | "contactsOf">;
  readonly clock: Clock;
  /** By which messages are removed when their time is over. */
  readonly ageing: Pick<Ageing, "nowMs">;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly counters: Counters;
}

/** What waits for one recipient, and how its delivery goes. */
interface Recipient {
  readonly aor: Aor;
  /** Who was the first to write to them, as far as this run knows. */
  readonly openedBy: Aor | undefined;
  /** None where the server stops. */
  readonly watch: OwnerWatch | undefined;
  messages: number;
  state:
    | { readonly kind: "waiting"; readonly cancel: () => void }
    /** `again`: the recipient appeared meanwhile. `isHeard`: one of their devices has registered. */
    | { readonly kind: "delivering"; again: boolean; isHeard: boolean }
    /** The server stops: until it is started again. */
    | { readonly kind: "resting" };
  /** In a row. */
  failures: number;
  /** Whether nobody answered the last time. */
  isSilent: boolean;
  /** Since when devices that are there have taken nothing of what waits; monotonic. */
  refusedSinceMs: number | undefined;
  /** What they do not take, though it was tried again and again, or is not delivered as its time seems to be over, and the last of it: it keeps nothing waiting behind it. */
  aside: { readonly messages: number; readonly lastId: number };
  /** The last that has ever been put aside. */
  lastAsideId: number;
}

type KeptMessage = HeldMessage & { readonly id: number };
type Outcome = "done" | "refused" | "unreachable";

const NONE_ASIDE: Recipient["aside"] = { messages: 0, lastId: 0 };

/**
 * Messages for users who cannot be reached: kept on disk, in order, until the recipient appears on this server or on another. While the server
 * stops, what comes goes on queueing, and nothing of it is delivered any more: the next run does that, or who is given it.
 * A message keeps one name on its way, so that the server that has delivered it can tell it from a new one.
 */
export class HeldMessages {
  readonly #components: HeldMessagesComponents;
  readonly #recipients = new Map<Aor, Recipient>();
  readonly #room = new HeldRoom();
  /** How many of them each sender was the first to write to. */
  readonly #opened = new Map<Aor | undefined, number>();
  /** Names of the messages that are being delivered. */
  readonly #underWay = new Set<string>();
  readonly #deliveries = new Set<Promise<void>>();
  readonly #failures: WriteFailures;
  readonly #refusals = new LineLimit(limits.node.clientLinesPerSecond);
  #endSweep = () => {};
  /** What all deliveries go past in one turn: they begin together where a server is started anew, and much may have expired meanwhile. */
  readonly #goingPast: Paced;
  #stopListening = () => {};
  #state: "new" | "running" | "stopping" | "closed" = "new";

  constructor(components: HeldMessagesComponents) {
    this.#components = components;
    this.#failures = new WriteFailures(components);
    const { expiredAtOnce, expirePauseMs } = limits.messaging;
    this.#goingPast = new Paced(components.timers, expiredAtOnce, expirePauseMs);
  }

  /** Goes on with what was held by an earlier run. */
  start(): void {
    const { store, contacts } = this.#components;
    this.#state = "running";
    const stopListening = [
      contacts.onChange((aor) => this.#appeared(aor)),
      contacts.onRegistration((aor) => this.#heard(aor)),
    ];
    this.#stopListening = () => stopListening.forEach((stop) => stop());
    this.#room.reset(store.parts());
    for (const { recipient, messages } of store.recipients()) this.#recipientOf(recipient).messages = messages;
    this.#sweep();
  }

  /**
   * What is held stays on disk, and what comes is put behind it. Resolves when it is known of each message on its way whether it was
   * delivered, or after a moment.
   */
  async stop(): Promise<void> {
    if (this.#state === "running") this.#state = "stopping";
    this.#endSweep();
    this.#stopListening();
    for (const recipient of this.#recipients.values()) this.#rest(recipient);
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#components.timers.after(limits.messaging.stopMs, resolve);
    await Promise.race([Promise.all(this.#deliveries), promise]);
    cancel();
  }

  /** Nothing more is held: others have what was. For those who may still wait there nothing is to be sent past them. */
  close(): void {
    this.#state = "closed";
  }

  get status(): { readonly recipients: number; readonly messages: number } {
    let messages = 0;
    for (const recipient of this.#recipients.values()) messages += recipient.messages;
    return { recipients: this.#recipients.size, messages };
  }

  /**
   * Whether a message has to queue behind others that wait for its recipient, or be refused; not one that is for now or never, nor our own
   * delivery, which has come back to us. What devices refuse again and again does not count.
   */
  isToQueue(request: SipRequest, to: Aor): boolean {
    const recipient = this.#recipients.get(to);
    if (recipient === undefined || recipient.messages <= recipient.aside.messages) return false;
    const key = messageNameIn(request.headers)?.key ?? "";
    return lifeMsOf(request) > 0 && !this.#underWay.has(key);
  }

  /**
   * Whether a message is of use later, too: not where its sender wants it to be delivered at once or not at all, where it says what is true at this moment only, or where it is of a
   * dialog: only the device whose tag is in To knows whether there is one, and by 202 this server would say so in its place.
   * @see RFC 3261 §12.2.2
   */
  canWait(request: SipRequest): boolean {
    if (lifeMsOf(request) === 0) return false;
    // What another server has held, of an earlier release too, goes on being held.
    const isNew = !request.headers.has(AORTA_HOLD);
    return !isNew || !(hasTag(request.headers.get("To") ?? "") || isTypingNotice(request));
  }

  /**
   * Keeps a message until it can be delivered.
   * @returns false when it cannot wait, there is no room, or the disk fails
   */
  hold(request: SipRequest, to: Aor): boolean {
    const { store, clock, counters } = this.#components;
    if (this.#state === "closed" || !this.canWait(request)) return false;
    const nowMs = clock.wallMs();
    const key = messageNameIn(request.headers)?.key ?? randomUUID();
    // Our own delivery has come back to us, sent on by a server that the user had left: taken for held elsewhere, it would be held nowhere.
    if (this.#underWay.has(key)) return false;
    const message = serializeMessage(asHeld(request, key, nowMs));
    // With what was added it may be more than a message may have: nobody could read it.
    if (readRequest(message) === undefined) return false;
    const sender = assertedIn(request.headers);
    const before = this.#recipients.get(to);
    const isOneTooMany =
      before === undefined &&
      (this.#recipients.size >= limits.messaging.heldRecipients ||
        (this.#opened.get(sender) ?? 0) >= limits.messaging.heldRecipientsPerSender);
    if (isOneTooMany || !this.#room.isLeft(to, sender ?? "", message.length)) {
      counters.add("messaging.held_full");
      return false;
    }
    const expiresAtMs = nowMs + lifeMsOf(request);
    try {
      if (!store.hold({ key, recipient: to, sender: sender ?? "", expiresAtMs, message })) return true;
    } catch (error) {
      counters.add("messaging.held_failed");
      this.#failures.tell(error, "a message could not be held", { recipient: to });
      return false;
    }
    counters.add("messaging.held");
    const recipient = before ?? this.#recipientOf(to, sender);
    recipient.messages++;
    this.#room.add(to, sender ?? "", message.length);
    return true;
  }

  /** @param openedBy who was the first to write to them */
  #recipientOf(aor: Aor, openedBy?: Aor, retryMs: number = limits.messaging.heldRetryMinMs): Recipient {
    const isRunning = this.#state === "running";
    const watch = isRunning ? this.#watch(aor) : undefined;
    const state: Recipient["state"] = isRunning
      ? { kind: "waiting", cancel: this.#after(retryMs, aor) }
      : { kind: "resting" };
    const recipient: Recipient = {
      aor,
      openedBy,
      watch,
      messages: 0,
      state,
      failures: 0,
      isSilent: false,
      refusedSinceMs: undefined,
      aside: NONE_ASIDE,
      lastAsideId: 0,
    };
    this.#recipients.set(aor, recipient);
    if (openedBy !== undefined) this.#opened.set(openedBy, (this.#opened.get(openedBy) ?? 0) + 1);
    return recipient;
  }

  #watch(aor: Aor): OwnerWatch {
    return this.#components.locator.watch(aor, (change) => {
      if (change.kind !== "nobody") this.#appeared(aor);
    });
  }

  #after(delayMs: number, aor: Aor): () => void {
    return this.#components.timers.after(delayMs, () => this.#appeared(aor));
  }

  /** waiting → delivering */
  #appeared(aor: Aor): void {
    const recipient = this.#recipients.get(aor);
    if (recipient === undefined || recipient.state.kind === "resting") return;
    if (recipient.state.kind === "delivering") recipient.state.again = true;
    else {
      recipient.state.cancel();
      recipient.state = { kind: "delivering", again: false, isHeard: false };
      const delivery = this.#deliver(recipient).finally(() => this.#deliveries.delete(delivery));
      this.#deliveries.add(delivery);
    }
  }

  /** A device of theirs has registered, perhaps anew: what could not be reached, for it had no power or its NAT had forgotten it, is there. */
  #heard(aor: Aor): void {
    const recipient = this.#recipients.get(aor);
    if (recipient?.state.kind === "delivering") recipient.state.isHeard = true;
    else if (recipient?.isSilent === true) this.#appeared(aor);
  }

  /** delivering → waiting or resting, or gone when nothing is left */
  async #deliver(recipient: Recipient): Promise<void> {
    const { store, contacts, clock, ageing, counters, logger } = this.#components;
    // Nothing waits but what was refused: once more, from the first on.
    if (recipient.aside.messages >= recipient.messages) recipient.aside = NONE_ASIDE;
    let refusedInRow = 0;
    try {
      while (refusedInRow < limits.messaging.heldRefusedInRow) {
        const held = store.next(recipient.aor, recipient.aside.lastId);
        if (held === undefined) {
          if (recipient.aside.messages === 0) return this.#forget(recipient);
          recipient.aside = { ...recipient.aside, messages: recipient.messages };
          break;
        }
        if (this.#isStopping()) break;
        if (held.expiresAtMs <= ageing.nowMs()) {
          counters.add("messaging.held_expired");
          this.#remove(recipient, held);
          await this.#goingPast.next();
          continue;
        }
        if (held.expiresAtMs <= clock.wallMs()) {
          recipient.aside = asideWith(recipient.aside, held);
          await this.#goingPast.next();
          continue;
        }
        const outcome = await this.#deliverNow(recipient, held);
        recipient.isSilent = outcome === "unreachable";
        if (outcome === "done") {
          refusedInRow = 0;
          if (recipient.aside.messages > 0) continue;
          recipient.failures = 0;
          recipient.refusedSinceMs = undefined;
          continue;
        }
        const isThere = outcome === "refused" || contacts.contactsOf(recipient.aor).length > 0;
        const nowMs = clock.monotonicMs();
        recipient.refusedSinceMs = isThere ? (recipient.refusedSinceMs ?? nowMs) : undefined;
        if (nowMs - (recipient.refusedSinceMs ?? nowMs) < limits.messaging.heldBorneMs) break;
        if (outcome === "unreachable" && held.id > recipient.lastAsideId) {
          // Nothing is gone past while they take nothing at all; what they have begun to take meanwhile is not of the message.
          if (!(await this.#takeAnother(recipient, held))) break;
          if (this.#isStopping()) break;
          if ((await this.#deliverNow(recipient, held)) === "done") continue;
        }
        refusedInRow++;
        recipient.aside = asideWith(recipient.aside, held);
        recipient.lastAsideId = Math.max(recipient.lastAsideId, held.id);
      }
    } catch (error) {
      logger.error({ err: error, recipient: recipient.aor }, "held messages could not be delivered");
    }
    this.#wait(recipient);
  }

  /**
   * Whether devices that are silent to a message take the shortest of those behind it: then it is this one that does not get through to them, as long ones by UDP.
   * @see RFC 3261 §18.1.1
   */
  async #takeAnother(recipient: Recipient, { id }: KeptMessage): Promise<boolean> {
    const { store, clock } = this.#components;
    const shortest = store.shortest(recipient.aor, id);
    if (shortest === undefined || shortest.expiresAtMs <= clock.wallMs() || this.#isStopping()) return false;
    return (await this.#deliverNow(recipient, shortest)) === "done";
  }

  #isStopping(): boolean {
    return this.#state !== "running";
  }

  async #deliverNow(recipient: Recipient, held: KeptMessage): Promise<Outcome> {
    const { key, message } = held;
    this.#underWay.add(key);
    const outcome = await this.#deliverOne(recipient.aor, message).finally(() => this.#underWay.delete(key));
    if (outcome === "done") this.#remove(recipient, held);
    return outcome;
  }

  #remove(recipient: Recipient, { id, sender, message }: KeptMessage): void {
    const { aor } = recipient;
    // It may have expired while it was being delivered.
    if (!this.#components.store.remove(id, () => this.#isBack(aor, sender, message.length))) return;
    recipient.messages--;
    this.#room.remove(aor, sender, message.length);
  }

  /** The disk did not take the removal of what was delivered: it goes to no device again, for its name is known as long as this process runs, and is to be gone before the next one. */
  #isBack(aor: Aor, sender: string, bytes: number): void {
    const recipient = this.#recipients.get(aor) ?? this.#recipientOf(aor, undefined, limits.messaging.heldRetryMaxMs);
    recipient.messages++;
    this.#room.add(aor, sender, bytes);
  }

  /** `done`: it is delivered, held by another server now, or refused for good. `refused`: by devices, for what they are. */
  async #deliverOne(aor: Aor, octets: Uint8Array): Promise<Outcome> {
    const { router, locator, clock, counters, logger } = this.#components;
    const message = readRequest(octets);
    if (message === undefined) {
      counters.add("messaging.held_unreadable");
      logger.error({ recipient: aor }, "a held message cannot be read, and is dropped");
      return "done";
    }
    const identity = { asserted: assertedIn(message.headers), from: "client" } as const;
    const { status } = await router.route(message, aor, identity, { transport: "MESH", server: locator.self });
    // Who did not answer may have delivered it; asked again, it will know by the message's name.
    if (isForNow(status)) return "unreachable";
    if (isOfDevices(status)) return "refused";
    counters.add(status < 300 ? "messaging.held_delivered" : "messaging.held_refused");
    const leftOut = status < 300 ? undefined : this.#refusals.take(clock.monotonicMs());
    if (leftOut !== undefined) logger.info({ recipient: aor, status, ...leftOut }, "a held message was refused");
    return "done";
  }

  #wait(recipient: Recipient): void {
    if (this.#isStopping()) {
      recipient.state = { kind: "resting" };
      return;
    }
    const { heldRetryMinMs, heldRetryMaxMs } = limits.messaging;
    const { state, isSilent } = recipient;
    const hasAppeared = state.kind === "delivering" && (state.again || (state.isHeard && isSilent));
    const pauseMs = hasAppeared ? 0 : Math.min(heldRetryMinMs * 2 ** recipient.failures, heldRetryMaxMs);
    recipient.failures = hasAppeared ? 0 : recipient.failures + 1;
    recipient.state = { kind: "waiting", cancel: this.#after(pauseMs, recipient.aor) };
  }

  /** waiting → resting; what is on its way to its device comes to its end */
  #rest(recipient: Recipient): void {
    recipient.watch?.close();
    if (recipient.state.kind !== "waiting") return;
    recipient.state.cancel();
    recipient.state = { kind: "resting" };
  }

  #forget(recipient: Recipient): void {
    this.#rest(recipient);
    this.#recipients.delete(recipient.aor);
    const { openedBy } = recipient;
    const opened = this.#opened.get(openedBy) ?? 0;
    if (opened > 1) this.#opened.set(openedBy, opened - 1);
    else this.#opened.delete(openedBy);
  }

  #sweep(): void {
    const { logger, timers } = this.#components;
    const { sweepMs, expirePauseMs } = limits.messaging;
    let hasMore = false;
    try {
      hasMore = this.#expire();
    } catch (error) {
      logger.warn({ err: error }, "held messages that have expired could not be removed");
    }
    this.#endSweep = timers.after(hasMore ? expirePauseMs : sweepMs, () => this.#sweep());
  }

  /** Returns whether there may be more. */
  #expire(): boolean {
    const { store, ageing, counters } = this.#components;
    // To count again all that waits would take a second, each minute.
    const { expired, hasMore } = store.expire(ageing.nowMs(), (back) => this.#areBack(back));
    counters.add("messaging.held_expired", expired.length);
    for (const { recipient: aor, sender, bytes } of expired) {
      this.#room.remove(aor, sender, bytes);
      const recipient = this.#recipients.get(aor);
      if (recipient === undefined) continue;
      recipient.messages--;
      recipient.aside = NONE_ASIDE;
      // A delivery that is under way finds out by itself.
      if (recipient.messages === 0 && recipient.state.kind === "waiting") this.#forget(recipient);
    }
    return hasMore;
  }

  /** The disk did not take the removal of what has expired: it may have room later. */
  #areBack(back: readonly ExpiredMessage[]): void {
    for (const { recipient, sender, bytes } of back) this.#isBack(recipient, sender, bytes);
    if (this.#isStopping()) return;
    this.#endSweep();
    this.#endSweep = this.#components.timers.after(limits.messaging.sweepMs, () => this.#sweep());
  }
}

function asideWith({ messages }: Recipient["aside"], { id }: KeptMessage): Recipient["aside"] {
  return { messages: messages + 1, lastId: id };
}

/** How long a message may wait. */
function lifeMsOf({ headers }: SipRequest): number {
  return Math.min((expiresOf(headers) ?? Infinity) * 1000, limits.messaging.heldMs);
}

/** The request as it will go out again: from this server, with its name, and the time when it was sent. */
function asHeld(request: SipRequest, key: string, nowMs: number): SipRequest {
  const headers = request.headers.clone();
  for (const name of ["Via", "Route", "Record-Route", "Max-Forwards", "Max-Breadth", AORTA_HOLD]) headers.delete(name);
  headers.set(AORTA_MESSAGE, formatMessageName({ key, isHeld: true }));
  if (!headers.has("Date")) headers.append("Date", new Date(nowMs).toUTCString());
  return { ...request, headers };
}

/** A request that was written before; `undefined` when it cannot be read. */
export function readRequest(octets: Uint8Array): SipRequest | undefined {
  try {
    const message = parseMessage(octets);
    return message.kind === "request" ? message : undefined;
  } catch {
    return undefined;
  }
}
