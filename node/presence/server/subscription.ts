import type { Aor } from "../../../dht-schema/aor.ts";
import { formatBallot } from "../../../dht-schema/ballot.ts";
import { AORTA_EPOCH } from "../../federation/aorta-headers.ts";
import { isFlowLost, isSameFlow } from "../../federation/forward.ts";
import { limits } from "../../runtime/limits.ts";
import type { RegisteredContact } from "../../registrar/registered-contacts.ts";
import { createRequest } from "../../sip/message/build.ts";
import { detached } from "../../sip/message/lexical.ts";
import type { SipRequest, SipResponse } from "../../sip/message/message.ts";
import { areSameUris } from "../../sip/message/uri.ts";
import type { Task } from "../../runtime/scheduler.ts";
import { flowWithoutConnection } from "../../sip/reachable-flow.ts";
import type { Flow } from "../../sip/stack.ts";
import { AORTA_LOCAL, LOCAL_CUT_OFF } from "../../sip/stack.ts";
import { formatRate } from "../subscription/notify-rate.ts";
import type { Pace } from "../subscription/pacer.ts";
import type { EndReason, NotifierEffect, Notify, SubscribeOutcome } from "../subscription/notifier-dialog.ts";
import { NotifierDialog } from "../subscription/notifier-dialog.ts";
import type { SubscribeRequest } from "../subscription/read-subscribe.ts";
import type { DialogFields, RestoredSubscription } from "../subscription/stored-subscription.ts";
import { dialogFieldsOf } from "../subscription/stored-subscription.ts";
import type { PresenceContext } from "./presence-context.ts";
import { contactFor } from "./presence-context.ts";
import type { Subject, Subscriber } from "./subject.ts";
import type { Watcher } from "./watcher.ts";

/** CSeqs set aside at each write, so that a NOTIFY needs none of its own. After a crash as many may be skipped, which RFC 3261 §12.2.2 allows. */
const CSEQS_AHEAD = 100;

/** What proxies say of who does not answer, beside that the flow is lost. */
const UNREACHED: ReadonlySet<number> = new Set([408, 480, 503, 504]);

/** How a subscription comes to be: by a SUBSCRIBE, or from an earlier run of this process. */
export type SubscriptionOrigin =
  | {
      readonly request: SubscribeRequest;
      readonly flow: Flow;
      readonly localTag: string;
      readonly expiresSeconds: number;
    }
  | { readonly restored: RestoredSubscription };

/** Driver of a {@link NotifierDialog}: builds its NOTIFYs, sends them over the subscriber's flow, keeps its time, and keeps it on disk. */
export class Subscription implements Task, Watcher {
  dueMs = Infinity;
  place = -1;
  readonly subscriber: Subscriber;
  readonly subject: Subject;
  readonly localTag: string;
  /** When it was made, on the monotonic clock; of one from an earlier run, when it was taken up. */
  readonly sinceMs: number;
  readonly #context: PresenceContext;
  readonly #core: NotifierDialog;
  #fields: DialogFields;
  /** No CSeq above it has been set aside; 0: nothing is on disk. */
  #cseqsUntil = 0;
  /** What the subscriber says it has: what is the same is not sent again. */
  #held: string | undefined;
  #toldActive: boolean;
  /** Of the last NOTIFY: a subscriber that closes on each is not called again and again. */
  #wasCutOff = false;
  /** Its SUBSCRIBE has been answered. */
  #hasBegun = false;
  /** Of the NOTIFY whose answer counts. */
  #lastCseq = 0;
  /** Since when the last NOTIFY is on its way. */
  #unansweredSinceMs: number | undefined;
  #isOver = false;
  #endReason: EndReason | undefined;

  constructor(
    context: PresenceContext,
    init: { readonly subject: Subject; readonly subscriber: Subscriber } & SubscriptionOrigin,
  ) {
    this.#context = context;
    this.subject = init.subject;
    this.subscriber = init.subscriber;
    this.sinceMs = this.#nowMs();
    const { subscription: expiry } = context.times;
    if ("restored" in init) {
      const { localTag, fields, saved } = init.restored;
      this.localTag = localTag;
      this.#fields = fields;
      this.#hasBegun = true;
      this.#core = new NotifierDialog({ expiry, saved, ...this.#pace() }, this.sinceMs);
      // It is on disk as it is, and its CSeqs are used up: the next one sets more aside.
      this.#cseqsUntil = saved.localCseq;
    } else {
      const { request, localTag, flow, expiresSeconds } = init;
      this.localTag = localTag;
      this.#fields = dialogFieldsOf(request, {
        localTag,
        flow,
        aor: init.subject.aor,
        isList: init.subject.isList === true,
      });
      this.#held = request.suppressIfMatch;
      this.#core = new NotifierDialog({ expiry, expiresSeconds, cseq: request.cseq, ...this.#pace() }, this.sinceMs);
    }
    this.#toldActive = this.#core.wasActive;
    if (!("restored" in init)) this.#keep();
    this.#schedule();
  }

  get id(): string {
    return this.localTag;
  }

  /** The user who subscribed; of another server's subscription, whom it is about. */
  get aor(): Aor {
    return this.subscriber.kind === "watcher" ? this.subscriber.aor : this.subject.aor;
  }

  get callId(): string {
    return this.#fields.callId;
  }

  get remoteTag(): string {
    return this.#fields.remoteTag;
  }

  /** Value of Event. */
  get event(): string {
    return this.#fields.event;
  }

  /** Whether the last word has been said: what remains is an answer to it. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Why it ended, once it has. */
  get endReason(): EndReason | undefined {
    return this.#endReason ?? (this.#core.state.kind === "terminated" ? this.#core.state.reason : undefined);
  }

  /** Whether the subscriber has been told `active`. */
  get isActive(): boolean {
    return this.#core.wasActive;
  }

  /** Whether it is to be on disk. */
  get isKept(): boolean {
    return this.#cseqsUntil > 0;
  }

  get expiresAtMs(): number {
    return this.#core.expiresAtMs;
  }

  /** A SUBSCRIBE within the dialog. The path it came by is the one for NOTIFYs from now on. @see RFC 3261 §12.2.2 */
  subscribe(request: SubscribeRequest, flow: Flow): SubscribeOutcome {
    const { cseq, expiresSeconds, suppressIfMatch } = request;
    const hasState = suppressIfMatch !== undefined && this.#isPresent(suppressIfMatch);
    const isElsewhere = !isSameWay(flow, this.#fields.flow);
    const outcome = this.#core.subscribe({ cseq, expiresSeconds, hasState, isElsewhere }, this.#nowMs());
    if (outcome.kind === "accepted") {
      // `*` is the state of this moment, whatever that is.
      this.#held = hasState ? this.subject.entityTag?.(this.subscriber) : suppressIfMatch && detached(suppressIfMatch);
      const { minIntervalMs } = request;
      const remoteTarget =
        request.remoteTarget === undefined ? this.#fields.remoteTarget : detached(request.remoteTarget);
      this.#fields = { ...this.#fields, flow, remoteTarget, minIntervalMs };
      const { pace } = this.#pace();
      if (pace !== undefined) this.#core.repace(pace, this.#nowMs());
      this.#keep();
    }
    return outcome;
  }

  /** The first NOTIFY is not thought of before its SUBSCRIBE has been answered, which is now. */
  begin(): void {
    this.#hasBegun = true;
    this.tell();
  }

  /**
   * The subscriber's user has registered a device: where it is that of this dialog, NOTIFYs take the path that it has registered by. So a client that has lost its
   * connection, or another address behind its NAT, is told on, though it subscribes again only when this is about to expire.
   * @param device `isSame`: whether a URI is that of the device; `hasTwin`: whether another device of the user has the same Contact: then this is the one whose NAT the subscription has come by
   * @see RFC 5626 §5.3
   */
  registered(
    { flow, path }: Pick<RegisteredContact, "flow" | "path">,
    { isSame, hasTwin }: { readonly isSame: (uri: string) => boolean; readonly hasTwin: boolean },
  ): void {
    const { remoteTarget, routeSet, flow: from } = this.#fields;
    const isBehindProxies = routeSet.length > 0;
    if (this.#isOver || isBehindProxies !== (path !== undefined)) return;
    // Proxies know by the way that was recorded where the subscriber is, until that fails: of a connection that is gone without a word they may not know for long.
    const isNews = isBehindProxies
      ? (this.#core.isAway || this.#isUnanswered()) && !hasTwin
      : !isSameWay(flow, from) && (!hasTwin || isSameHost(flow, from));
    if (isNews && isSame(remoteTarget)) this.#take({ flow, routeSet: path ?? [] });
  }

  /** Whether nothing has been heard of the last NOTIFY for longer than answers take. */
  #isUnanswered(): boolean {
    return this.#unansweredSinceMs !== undefined && this.#nowMs() - this.#unansweredSinceMs >= limits.presence.answerMs;
  }

  /** NOTIFYs go that way from now on. */
  #take(way: Pick<DialogFields, "flow" | "routeSet">): void {
    this.#context.counters.add("presence.watchers_moved");
    this.#fields = { ...this.#fields, ...way };
    this.#keep();
    this.perform(this.#core.reached(this.#nowMs()));
  }

  /** Shows the subject's present state, if there is one. */
  tell(): void {
    if (!this.#hasBegun || this.#isOver) return;
    const shown = this.subject.shownTo(this.subscriber);
    if (shown !== undefined) this.perform(this.#core.show(shown, this.#nowMs()));
  }

  terminate(reason: EndReason): void {
    this.perform(this.#core.terminate(reason, this.#nowMs()));
  }

  /** Ends it without a word: the subscriber has made another. */
  abandon(): void {
    this.#end();
    this.#schedule();
  }

  /** Leaves it on disk for the next run of this process, and does nothing more here. @param exactly so that no CSeqs are skipped: this has to be written */
  suspend({ exactly }: { readonly exactly: boolean }): void {
    if (this.#isOver) return;
    if (exactly) this.#keep({ exactly });
    this.#isOver = true;
    this.#schedule();
  }

  due(nowMs: number): void {
    this.perform(this.#core.tick(nowMs));
  }

  /** Carries out effects: those of {@link subscribe} after its answer has left. */
  perform(effects: readonly NotifierEffect[]): void {
    const { subscriber } = this;
    const user = subscriber.kind === "watcher" && effects.length > 0 ? subscriber.aor : undefined;
    this.#context.userTimes.during(user, () => {
      for (const effect of effects) {
        if (effect.kind === "notify") this.#notify(effect);
        else this.#end();
      }
    });
    this.#schedule();
  }

  #notify(notify: Notify): void {
    const { stack, counters } = this.#context;
    if (notify.subscriptionState.state !== "terminated" && !this.subject.mayShow(this.subscriber)) {
      counters.add("presence.notify_withheld");
      // As if it had been sent and answered: what is due next is the NOTIFY that ends the subscription.
      this.perform(this.#core.answered({ status: 200 }, this.#nowMs()));
      return;
    }
    counters.add("presence.notify_sent");
    const request = this.#build(notify);
    this.#noteStanding(notify);
    this.#lastCseq = notify.cseq;
    this.#unansweredSinceMs = this.#nowMs();
    void stack.send(request, this.#fields.flow).then((response) => this.#answered(notify.cseq, response));
  }

  /** What a NOTIFY changes that has to outlive the process, before it leaves. */
  #noteStanding({ cseq, subscriptionState }: Notify): void {
    const turnsActive = subscriptionState.state === "active" && !this.#toldActive;
    this.#toldActive ||= turnsActive;
    if (turnsActive || cseq > this.#cseqsUntil) this.#keep();
    if (turnsActive) this.subject.standingChanged?.(this);
  }

  #answered(cseq: number, response: SipResponse): void {
    if (this.#isOver || cseq !== this.#lastCseq) return;
    this.#unansweredSinceMs = undefined;
    const { counters } = this.#context;
    if (this.#isAway(response)) {
      counters.add("presence.watchers_away");
      return this.perform(this.#core.away(this.#nowMs()));
    }
    if (response.status >= 300) counters.add("presence.notify_failed");
    if (response.status === 408) counters.add("presence.notify_unanswered");
    const isCutOff = this.#isCutOff(response);
    const seconds = isCutOff && !this.#wasCutOff ? 0 : Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
    this.#wasCutOff = isCutOff;
    if (Number.isNaN(seconds) && this.#isLost(response)) return this.#lookElsewhere();
    const answer = Number.isNaN(seconds)
      ? { status: response.status }
      : { status: response.status, retryAfterSeconds: seconds };
    this.perform(this.#core.answered(answer, this.#nowMs()));
  }

  /** Whether a connection closed under a NOTIFY, as idle ones do at any time, and the subscriber can be called back. */
  #isCutOff({ headers }: SipResponse): boolean {
    const { remoteTarget, flow, routeSet } = this.#fields;
    if (flow.transport === "MESH" || headers.get(AORTA_LOCAL) !== LOCAL_CUT_OFF) return false;
    return flowWithoutConnection(remoteTarget, flow, routeSet) !== undefined;
  }

  /** Whether the connection is gone, and the subscriber has to make another: they cannot be called, or nobody has answered the call, as many clients register the port of a connection. */
  #isAway(response: SipResponse): boolean {
    const { remoteTarget, flow, routeSet } = this.#fields;
    if (!response.headers.has(AORTA_LOCAL) || flow.transport === "MESH" || flow.transport === "UDP") return false;
    if (flow.connection !== undefined && !this.#context.stack.hasClosed(flow)) return false;
    if (flowWithoutConnection(remoteTarget, flow, routeSet) === undefined) return true;
    // By Retry-After this server has too much to do itself.
    return response.status === 503 && !response.headers.has("Retry-After") && !this.#isCutOff(response);
  }

  /** Whether a proxy on the way that was recorded does not reach the subscriber: a connection is gone, or a NAT has forgotten it. @see RFC 5626 §5.3 */
  #isLost(response: SipResponse): boolean {
    if (this.#fields.routeSet.length === 0 || this.subscriber.kind !== "watcher") return false;
    return isFlowLost(response) || UNREACHED.has(response.status);
  }

  /** By the path that the subscriber has registered by since, or registers by next. */
  #lookElsewhere(): void {
    const { remoteTarget, routeSet } = this.#fields;
    const contacts = this.#context.contacts.contactsOf(this.aor).filter(({ uri }) => areSameUris(uri, remoteTarget));
    const [there, another] = contacts;
    this.#context.counters.add("presence.watchers_away");
    this.perform(this.#core.away(this.#nowMs()));
    const isNew = there?.path !== undefined && String(there.path) !== String(routeSet);
    if (this.#core.isAway && isNew && another === undefined) this.#take({ flow: there.flow, routeSet: there.path });
  }

  /** @see RFC 6665 §4.2.2, RFC 3261 §12.2.1.1, RFC 5839 §6.3 */
  #build(notify: Notify): SipRequest {
    const { cseq, since } = notify;
    const { subscriber } = this;
    const { from, to, callId, routeSet, remoteTarget, event, flow } = this.#fields;
    const asked = { sequence: cseq - 1, ...(since === undefined ? {} : { since }) };
    const content =
      this.subject.shownTo(subscriber) === undefined ? undefined : this.subject.content(subscriber, asked);
    const headers: [string, string][] = routeSet.map((route) => ["Route", route]);
    headers.push(
      ["Contact", `<${contactFor(this.#context, flow, this.subject.aor)}>`],
      ["Event", event],
      ["Subscription-State", formatState(notify, this.#fields.minIntervalMs)],
    );
    if (subscriber.kind === "peer") headers.push([AORTA_EPOCH, formatBallot(subscriber.epoch)]);
    const entityTag = content && this.subject.entityTag?.(subscriber);
    const body = entityTag !== undefined && this.#holds(entityTag) ? undefined : content;
    // Who is told of another state may have forgotten the one that it had.
    if (body !== undefined) this.#held = undefined;
    if (entityTag !== undefined) headers.push(["SIP-ETag", entityTag]);
    for (const [name, value] of body?.headers ?? []) headers.push([name, value]);
    if (body !== undefined) headers.push(["Content-Type", body.contentType]);
    return createRequest({
      method: "NOTIFY",
      uri: remoteTarget,
      from,
      to,
      callId,
      cseq,
      headers,
      ...(body === undefined ? {} : { body: body.body }),
    });
  }

  /** Whether the subscriber said that it has this very state; from then on it does. */
  #holds(entityTag: string): boolean {
    if (this.#held === "*") this.#held = entityTag;
    return this.#held === entityTag;
  }

  /** The condition of Suppress-If-Match. @see RFC 5839 §6.2 */
  #isPresent(tag: string): boolean {
    if (this.subject.shownTo(this.subscriber) === undefined) return false;
    const entityTag = this.subject.entityTag?.(this.subscriber);
    return entityTag !== undefined && (tag === "*" || tag === entityTag);
  }

  /** Between servers a change crosses once, and the mesh keeps a pace of its own. */
  #pace(): { readonly pace?: Pace } {
    if (this.subscriber.kind === "peer") return {};
    const { pace } = this.#context.times;
    const { minIntervalMs } = this.#fields;
    return { pace: minIntervalMs === undefined ? pace : { ...pace, gapMs: minIntervalMs } };
  }

  #end(): void {
    if (this.#isOver) return;
    this.#endReason = this.endReason;
    this.#isOver = true;
    this.#forget();
    this.subject.ended(this);
  }

  /** The next run of this process is not to go on with it. */
  #forget(): void {
    if (this.#cseqsUntil > 0) this.#context.journal.remove(this.localTag);
    this.#cseqsUntil = 0;
  }

  /** Writes what the next run of this process needs. Other servers subscribe again by themselves, and a fetch is over at once. */
  #keep({ exactly = false } = {}): void {
    const { subscriber, subject } = this;
    const saved = this.#core.saved();
    if (subscriber.kind === "peer" || this.#isOver) return;
    if (saved.expiresAtMs <= this.#nowMs()) return this.#forget();
    this.#cseqsUntil = exactly ? saved.localCseq : saved.localCseq + CSEQS_AHEAD;
    this.#context.journal.put({
      localTag: this.localTag,
      event: subject.event,
      aor: subject.aor,
      subscriber: subscriber.aor,
      fields: this.#fields,
      saved: { ...saved, localCseq: this.#cseqsUntil },
    });
  }

  #schedule(): void {
    this.#context.scheduler.schedule(this, (this.#isOver ? undefined : this.#core.nextWakeMs()) ?? Infinity);
  }

  #nowMs(): number {
    return this.#context.clock.monotonicMs();
  }
}

function isSameWay(a: Flow, b: Flow): boolean {
  if (a.transport === "MESH" || b.transport === "MESH") return a.transport === b.transport;
  return isSameFlow(a, b) && a.connection === b.connection;
}

function isSameHost(a: Flow, b: Flow): boolean {
  return a.transport !== "MESH" && b.transport !== "MESH" && a.address === b.address;
}

/** @see RFC 6665 §8.2.3, RFC 6446 §9.2 */
function formatState({ subscriptionState }: Notify, minIntervalMs: number | undefined): string {
  if (subscriptionState.state === "terminated") return `terminated;reason=${subscriptionState.reason}`;
  const rate = minIntervalMs === undefined ? "" : `;max-rate=${formatRate(minIntervalMs)}`;
  return `${subscriptionState.state};expires=${subscriptionState.expiresSeconds}${rate}`;
}
