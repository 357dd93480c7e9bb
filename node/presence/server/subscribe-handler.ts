import type { Aor } from "../../../dht-schema/aor.ts";
import { tryParseAor } from "../../../dht-schema/aor.ts";
import { formatBallot } from "../../../dht-schema/ballot.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { AORTA_EPOCH, epochIn, notOwner } from "../../federation/aorta-headers.ts";
import type { RequestIdentity } from "../../federation/identity.ts";
import { randomTag } from "../../sip/message/tags.ts";
import type { IncomingRequest } from "../../sip/stack.ts";
import type { Answer } from "../answer.ts";
import { tooBrief, unavailable } from "../answer.ts";
import { grantedSeconds } from "../expiry.ts";
import type { SubscribeRequest } from "../subscription/read-subscribe.ts";
import { readSubscribe } from "../subscription/read-subscribe.ts";
import type { PresenceContext } from "./presence-context.ts";
import { contactFor } from "./presence-context.ts";
import type { Registry } from "./registry.ts";
import { respond } from "./respond.ts";
import type { Subject, Subscriber } from "./subscription.ts";
import { Subscription } from "./subscription.ts";

const NOT_FOUND: Answer = { status: 404, reason: "Not Found" };
const FORBIDDEN: Answer = { status: 403, reason: "Forbidden" };
const NO_SUCH_DIALOG: Answer = { status: 481, reason: "Subscription Does Not Exist" };
// RFC 3261 §12.2.2: what is out of order gets 500.
const OUT_OF_ORDER: Answer = { status: 500, reason: "CSeq Out Of Order" };
/** How long a subscriber is told to wait when this server is full. */
const RETRY_SECONDS = 30;

/**
 * Answers SUBSCRIBE, of clients and of other servers. A client's subscription stays here whoever owns the user; a
 * server's is only taken by the user's owner.
 * @see RFC 6665 §4.2.1
 */
export class SubscribeHandler {
  readonly #context: PresenceContext;
  readonly #registry: Registry;

  constructor(context: PresenceContext, registry: Registry) {
    this.#context = context;
    this.#registry = registry;
  }

  handle(incoming: IncomingRequest, identity: RequestIdentity): void {
    const request = readSubscribe(incoming.request);
    if ("refuse" in request) this.#refuse(incoming, request.refuse);
    else if (request.localTag !== undefined) this.#withinDialog(incoming, request, request.localTag, identity);
    else this.#initial(incoming, request, identity);
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
      subscription.remoteTag !== request.remoteTag
    )
      return this.#refuse(incoming, NO_SUCH_DIALOG);
    if (!isFrom(subscription.subscriber, identity)) return this.#refuse(incoming, FORBIDDEN);
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
        this.#accept(incoming, subscription, outcome.expiresSeconds);
        return subscription.perform(outcome.effects);
    }
  }

  #initial(incoming: IncomingRequest, request: SubscribeRequest, identity: RequestIdentity): void {
    const aor = tryParseAor(incoming.request.uri);
    if (aor === undefined) return this.#refuse(incoming, NOT_FOUND);
    // Whose presence it is for has to be known: rules will ask.
    if (identity.asserted === undefined) return this.#refuse(incoming, FORBIDDEN);
    const expiresSeconds = grantedSeconds(request.expiresSeconds, this.#context.times.subscription);
    if (expiresSeconds === "too-brief")
      return this.#refuse(incoming, tooBrief(this.#context.times.subscription.minSeconds));
    if (this.#registry.subscriptionCount >= this.#context.bounds.subscriptions)
      return this.#refuse(incoming, unavailable(RETRY_SECONDS));
    if (identity.from === "client")
      this.#addWatcher(incoming, request, { aor, watcher: identity.asserted, expiresSeconds });
    else this.#addPeer(incoming, request, { aor, server: identity.from.server, expiresSeconds });
  }

  #addWatcher(
    incoming: IncomingRequest,
    request: SubscribeRequest,
    { aor, watcher, expiresSeconds }: { readonly aor: Aor; readonly watcher: Aor; readonly expiresSeconds: number },
  ): void {
    const watched = this.#registry.presentity(aor).watchedBy(watcher);
    if (watched.watcherCount >= this.#context.bounds.watchersPerUser)
      return this.#refuse(incoming, unavailable(RETRY_SECONDS));
    const subscription = this.#create(incoming, request, {
      subject: watched,
      subscriber: { kind: "watcher", aor: watcher },
      expiresSeconds,
    });
    watched.addWatcher(subscription);
  }

  #addPeer(
    incoming: IncomingRequest,
    request: SubscribeRequest,
    { aor, server, expiresSeconds }: { readonly aor: Aor; readonly server: ServerId; readonly expiresSeconds: number },
  ): void {
    const { locator } = this.#context;
    // The subscriber may know of an owner after us: then we are none.
    const believed = epochIn(incoming.request.headers);
    if (believed !== undefined) locator.observeEpoch(aor, believed);
    const presentity = this.#registry.presentity(aor);
    const epoch = presentity.check();
    if (epoch === undefined) {
      presentity.settle();
      return this.#refuse(incoming, notOwner(aor, locator));
    }
    const { served } = presentity;
    const subscription = this.#create(incoming, request, {
      subject: served,
      subscriber: { kind: "peer", server, epoch },
      expiresSeconds,
    });
    served.addPeer(server, subscription);
    presentity.settle();
  }

  /** The 200 leaves before the first NOTIFY is thought of. */
  #create(
    incoming: IncomingRequest,
    request: SubscribeRequest,
    init: { readonly subject: Subject; readonly subscriber: Subscriber; readonly expiresSeconds: number },
  ): Subscription {
    const subscription = new Subscription(this.#context, {
      ...init,
      request,
      flow: incoming.flow,
      localTag: randomTag(),
    });
    this.#registry.subscriptionStarted(subscription);
    this.#accept(incoming, subscription, init.expiresSeconds);
    return subscription;
  }

  #accept(incoming: IncomingRequest, { subject, subscriber, localTag }: Subscription, expiresSeconds: number): void {
    this.#context.counters.add("presence.subscribe_accepted");
    const headers: [string, string][] = [
      ["Expires", String(expiresSeconds)],
      ["Contact", `<${contactFor(this.#context, incoming.flow, subject.aor)}>`],
    ];
    if (subscriber.kind === "peer") headers.push([AORTA_EPOCH, formatBallot(subscriber.epoch)]);
    respond(incoming, { status: 200, reason: "OK", headers }, localTag);
  }

  #refuse(incoming: IncomingRequest, answer: Answer): void {
    this.#context.counters.add("presence.subscribe_refused");
    respond(incoming, answer);
  }
}

function isFrom(subscriber: Subscriber, identity: RequestIdentity): boolean {
  if (subscriber.kind === "watcher") return identity.from === "client" && identity.asserted === subscriber.aor;
  return identity.from !== "client" && identity.from.server === subscriber.server;
}
