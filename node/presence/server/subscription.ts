import type { Aor } from "../../../dht-schema/aor.ts";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import { formatBallot } from "../../../dht-schema/ballot.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { AORTA_EPOCH } from "../../federation/aorta-headers.ts";
import { createRequest } from "../../sip/message/build.ts";
import type { SipRequest, SipResponse } from "../../sip/message/message.ts";
import type { Flow } from "../../sip/stack.ts";
import { PRESENCE_EVENT } from "../answer.ts";
import { PIDF_CONTENT_TYPE } from "../pidf/pidf-document.ts";
import type { Task } from "../../sip/transaction/scheduler.ts";
import type { EndReason, NotifierEffect, Notify, Shown, SubscribeOutcome } from "../subscription/notifier-dialog.ts";
import { NotifierDialog } from "../subscription/notifier-dialog.ts";
import type { SubscribeRequest } from "../subscription/read-subscribe.ts";
import { contactFor } from "./presence-context.ts";
import type { PresenceContext } from "./presence-context.ts";

/** A state to show, with its document. */
export interface ShownDocument extends Shown {
  readonly body: Uint8Array;
}

/** Who subscribed: a client's user, or another server for its clients, under the epoch in which it did. */
export type Subscriber =
  | { readonly kind: "watcher"; readonly aor: Aor }
  | { readonly kind: "peer"; readonly server: ServerId; readonly epoch: Epoch };

/** What a subscription is a subscription to. */
export interface Subject {
  readonly aor: Aor;
  /** What this subscriber is to see now; `undefined` while there is nothing to say. */
  shownTo(subscriber: Subscriber): ShownDocument | undefined;
  /**
   * Asked before each NOTIFY that shows state, because a lease may have run out since the state was shown.
   * False: this subscription has been terminated.
   */
  mayShow(subscriber: Subscriber): boolean;
  ended(subscription: Subscription): void;
}

/** Driver of a {@link NotifierDialog}: builds its NOTIFYs, sends them over the subscriber's flow, and keeps its time. */
export class Subscription implements Task {
  dueMs = Infinity;
  heapIndex = -1;
  readonly subscriber: Subscriber;
  readonly subject: Subject;
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  readonly #context: PresenceContext;
  readonly #core: NotifierDialog;
  readonly #from: string;
  readonly #to: string;
  readonly #routeSet: readonly string[];
  readonly #event: string;
  #remoteTarget: string;
  #flow: Flow;
  #isOver = false;

  constructor(
    context: PresenceContext,
    init: {
      readonly subject: Subject;
      readonly subscriber: Subscriber;
      readonly request: SubscribeRequest;
      readonly flow: Flow;
      readonly localTag: string;
      readonly expiresSeconds: number;
    },
  ) {
    const { request } = init;
    this.#context = context;
    this.subject = init.subject;
    this.subscriber = init.subscriber;
    this.callId = request.callId;
    this.localTag = init.localTag;
    this.remoteTag = request.remoteTag;
    this.#from = `${request.to};tag=${init.localTag}`;
    this.#to = request.from;
    this.#routeSet = request.routeSet;
    this.#event = request.eventId === undefined ? PRESENCE_EVENT : `${PRESENCE_EVENT};id=${request.eventId}`;
    this.#remoteTarget = request.remoteTarget ?? init.subject.aor;
    this.#flow = init.flow;
    this.#core = new NotifierDialog(
      { expiry: context.times.subscription, expiresSeconds: init.expiresSeconds, cseq: request.cseq },
      context.clock.monotonicMs(),
    );
    this.#schedule();
  }

  /** Whether the last word has been said: what remains is an answer to it. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** A SUBSCRIBE within the dialog. The path it came by is the one for NOTIFYs from now on. @see RFC 3261 §12.2.2 */
  subscribe(request: SubscribeRequest, flow: Flow): SubscribeOutcome {
    const outcome = this.#core.subscribe({ cseq: request.cseq, expiresSeconds: request.expiresSeconds }, this.#nowMs());
    if (outcome.kind === "accepted") {
      this.#flow = flow;
      this.#remoteTarget = request.remoteTarget ?? this.#remoteTarget;
    }
    return outcome;
  }

  /** Shows the subject's present state, if there is one. */
  tell(): void {
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

  due(nowMs: number): void {
    this.perform(this.#core.tick(nowMs));
  }

  /** Carries out effects: those of {@link subscribe} after its answer has left. */
  perform(effects: readonly NotifierEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "notify") this.#notify(effect);
      else this.#end();
    }
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
    void stack.send(this.#build(notify), this.#flow).then((response) => this.#answered(response));
  }

  #answered(response: SipResponse): void {
    if (this.#isOver) return;
    if (response.status >= 300) this.#context.counters.add("presence.notify_failed");
    const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
    const answer = Number.isNaN(seconds)
      ? { status: response.status }
      : { status: response.status, retryAfterSeconds: seconds };
    this.perform(this.#core.answered(answer, this.#nowMs()));
  }

  /** @see RFC 6665 §4.2.2, RFC 3261 §12.2.1.1 */
  #build({ cseq, subscriptionState }: Notify): SipRequest {
    const { subscriber } = this;
    const shown = this.subject.shownTo(subscriber);
    const headers: [string, string][] = this.#routeSet.map((route) => ["Route", route]);
    headers.push(
      ["Contact", `<${contactFor(this.#context, this.#flow, this.subject.aor)}>`],
      ["Event", this.#event],
      [
        "Subscription-State",
        subscriptionState.state === "terminated"
          ? `terminated;reason=${subscriptionState.reason}`
          : `${subscriptionState.state};expires=${subscriptionState.expiresSeconds}`,
      ],
    );
    if (subscriber.kind === "peer") headers.push([AORTA_EPOCH, formatBallot(subscriber.epoch)]);
    if (shown !== undefined) headers.push(["Content-Type", PIDF_CONTENT_TYPE]);
    return createRequest({
      method: "NOTIFY",
      uri: this.#remoteTarget,
      from: this.#from,
      to: this.#to,
      callId: this.callId,
      cseq,
      headers,
      ...(shown === undefined ? {} : { body: shown.body }),
    });
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.subject.ended(this);
  }

  #schedule(): void {
    this.#context.scheduler.schedule(this, (this.#isOver ? undefined : this.#core.nextWakeMs()) ?? Infinity);
  }

  #nowMs(): number {
    return this.#context.clock.monotonicMs();
  }
}
