import { tryParseAor } from "../../../dht-schema/aor.ts";
import { formatBallot } from "../../../dht-schema/ballot.ts";
import { AORTA_EPOCH, notOwner } from "../../federation/aorta-headers.ts";
import type { RequestIdentity } from "../../federation/identity.ts";
import { randomTag } from "../../sip/message/tags.ts";
import type { IncomingRequest } from "../../sip/stack.ts";
import type { Answer } from "../answer.ts";
import { REG_EVENT, tooBrief } from "../answer.ts";
import { grantedSeconds } from "../expiry.ts";
import type { SubscribeRequest } from "../subscription/read-subscribe.ts";
import { readSubscribe } from "../subscription/read-subscribe.ts";
import type { RestoredSubscription } from "../subscription/stored-subscription.ts";
import { eventValueOf } from "../subscription/stored-subscription.ts";
import { Admissions } from "./admissions.ts";
import type { PresenceContext } from "./presence-context.ts";
import { contactFor } from "./presence-context.ts";
import type { Registry } from "./registry.ts";
import { respond } from "./respond.ts";
import { Subscription } from "./subscription.ts";

const NOT_FOUND: Answer = { status: 404, reason: "Not Found" };
const FORBIDDEN: Answer = { status: 403, reason: "Forbidden" };
const NO_SUCH_DIALOG: Answer = { status: 481, reason: "Subscription Does Not Exist" };
// RFC 3261 §12.2.2: what is out of order gets 500.
const OUT_OF_ORDER: Answer = { status: 500, reason: "CSeq Out Of Order" };

/**
 * Answers SUBSCRIBE, of clients and of other servers. A client's subscription stays here whoever owns the user; a
 * server's is only taken by the user's owner.
 * @see RFC 6665 §4.2.1
 */
export class SubscribeHandler {
  readonly #context: PresenceContext;
  readonly #registry: Registry;
  readonly #admissions: Admissions;

  constructor(context: PresenceContext, registry: Registry) {
    this.#context = context;
    this.#registry = registry;
    this.#admissions = new Admissions(context, registry);
  }

  handle(incoming: IncomingRequest, identity: RequestIdentity): void {
    const request = readSubscribe(incoming.request);
    if ("refuse" in request) this.#refuse(incoming, request.refuse);
    else if (request.localTag !== undefined) this.#withinDialog(incoming, request, request.localTag, identity);
    else this.#initial(incoming, request, identity);
  }

  /** Goes on with a subscription of an earlier run: its subscriber is told the present state as soon as that is known. */
  restore(restored: RestoredSubscription): void {
    const admission = this.#admissions.readmit(restored);
    const subscription = new Subscription(this.#context, { ...admission, restored });
    this.#registry.subscriptionStarted(subscription);
    this.#context.counters.add("presence.subscriptions_restored");
    admission.join(subscription);
  }

  #withinDialog(
    incoming: IncomingRequest,
    request: SubscribeRequest,
    localTag: string,
    identity: RequestIdentity,
  ): void {
    const subscription = this.#registry.subscription(localTag);
    if (
      subscription === undefined ||
      subscription.callId !== request.callId ||
      subscription.remoteTag !== request.remoteTag ||
      subscription.event !== eventValueOf(request)
    )
      return this.#refuse(incoming, NO_SUCH_DIALOG);
    if (!isFrom(subscription, identity)) return this.#refuse(incoming, FORBIDDEN);
    // What the lease says at this instant: an owner that is none any more must not confirm anything.
    if (subscription.subscriber.kind === "peer" && !subscription.subject.mayShow(subscription.subscriber))
      return this.#refuse(incoming, notOwner(subscription.subject.aor, this.#context.locator));
    const outcome = subscription.subscribe(request, incoming.flow);
    switch (outcome.kind) {
      case "gone":
        return this.#refuse(incoming, NO_SUCH_DIALOG);
      case "out-of-order":
        return this.#refuse(incoming, OUT_OF_ORDER);
      case "too-brief":
        return this.#refuse(incoming, tooBrief(this.#context.times.subscription.minSeconds));
      case "accepted":
        this.#accept(incoming, subscription, outcome);
        subscription.subject.refreshed?.();
        return subscription.perform(outcome.effects);
    }
  }

  #initial(incoming: IncomingRequest, request: SubscribeRequest, identity: RequestIdentity): void {
    const { from } = identity;
    const aor = tryParseAor(incoming.request.uri);
    if (aor === undefined) return this.#refuse(incoming, NOT_FOUND);
    // RFC 3680 §4.6: a server that registers users may know of their registrations, in its own name.
    const asserted = identity.trusted === true && request.event === REG_EVENT ? aor : identity.asserted;
    // Whose presence it is for has to be known: rules will ask.
    if (asserted === undefined) return this.#refuse(incoming, FORBIDDEN);
    const expiresSeconds = grantedSeconds(request.expiresSeconds, this.#context.times.subscription);
    if (expiresSeconds === "too-brief")
      return this.#refuse(incoming, tooBrief(this.#context.times.subscription.minSeconds));
    const applicant = { request, headers: incoming.request.headers, aor, asserted, from };
    const problem = this.#admissions.problemOf(applicant);
    if (problem !== undefined) return this.#refuse(incoming, problem);
    const admission = this.#admissions.admit(applicant);
    if ("refuse" in admission) return this.#refuse(incoming, admission.refuse);
    const { subject, subscriber } = admission;
    const localTag = randomTag();
    const subscription = new Subscription(this.#context, {
      subject,
      subscriber,
      request,
      flow: incoming.flow,
      localTag,
      expiresSeconds,
    });
    this.#registry.subscriptionStarted(subscription);
    // In this turn: what nobody has subscribed to is let go of.
    admission.join(subscription);
    const begin = (isKept: boolean) => {
      if (!isKept) this.#context.counters.add("presence.disk_failures");
      this.#accept(incoming, subscription, { expiresSeconds, suppressed: false });
      subscription.begin();
    };
    // After what has to outlive the process is on disk, or cannot be: nobody would miss a NOTIFY before the next refresh.
    if (subscription.isKept) this.#context.storage.group.join({ done: begin });
    else begin(true);
  }

  #accept(
    incoming: IncomingRequest,
    { subject, subscriber, localTag }: Subscription,
    { expiresSeconds, suppressed }: { readonly expiresSeconds: number; readonly suppressed: boolean },
  ): void {
    this.#context.counters.add("presence.subscribe_accepted");
    const headers: [string, string][] = [
      ["Expires", String(expiresSeconds)],
      ["Contact", `<${contactFor(this.#context, incoming.flow, subject.aor)}>`],
    ];
    if (subscriber.kind === "peer") headers.push([AORTA_EPOCH, formatBallot(subscriber.epoch)]);
    for (const [name, value] of subject.answerHeaders ?? []) headers.push([name, value]);
    const answer: Answer = suppressed
      ? { status: 204, reason: "No Notification", headers }
      : { status: 200, reason: "OK", headers };
    respond(incoming, answer, localTag);
  }

  #refuse(incoming: IncomingRequest, answer: Answer): void {
    this.#context.counters.add(`presence.subscribe_refused.${answer.status}`);
    respond(incoming, answer);
  }
}

function isFrom({ subscriber, subject }: Subscription, identity: RequestIdentity): boolean {
  if (subscriber.kind === "watcher") {
    if (subject.event === REG_EVENT && identity.trusted === true) return true;
    return identity.from === "client" && identity.asserted === subscriber.aor;
  }
  return identity.from !== "client" && identity.from.server === subscriber.server;
}
