import type { Aor } from "../../../dht-schema/aor.ts";
import { tryParseAor } from "../../../dht-schema/aor.ts";
import { notOwner } from "../../federation/aorta-headers.ts";
import type { RequestIdentity } from "../../federation/identity.ts";
import type { ClaimMode, ClaimOutcome, Location } from "../../federation/locator.ts";
import { deviceOriginOf } from "../../registrar/device-origin.ts";
import { randomTag } from "../../sip/message/tags.ts";
import type { IncomingRequest } from "../../sip/stack.ts";
import { limits } from "../../runtime/limits.ts";
import { LineLimit } from "../../runtime/line-limit.ts";
import type { SipRequest } from "../../sip/message/message.ts";
import type { Answer } from "../answer.ts";
import { unavailable } from "../answer.ts";
import { LeftBehind } from "../publication/left-behind.ts";
import type { PublishEvent, PublishOutcome } from "../publication/publications.ts";
import { Publications } from "../publication/publications.ts";
import { readPublish } from "../publication/read-publish.ts";
import type { PresenceContext } from "./presence-context.ts";
import { pathOf } from "./presence-context.ts";
import type { Registry } from "./registry.ts";
import { respond } from "./respond.ts";

const NOT_FOUND: Answer = { status: 404, reason: "Not Found" };
const FORBIDDEN: Answer = { status: 403, reason: "Only The User May Publish" };
/** As the registrar answers what is no choice to come here. */
const ELSEWHERE: Answer = { status: 403, reason: "User Is On Another Server" };
/** How long a client is told to wait when no majority of the directory could be reached. */
const RETRY_SECONDS = 2;

/**
 * Answers PUBLISH. The exclusive model: a client that publishes makes this server the user's owner. But only by an
 * initial PUBLISH: a refresh that arrives after the user has moved away must not steal the user back, nor must the initial PUBLISH that a
 * device makes of it by itself; and only where a registration might do so too.
 * @see RFC 3903 §6
 */
export class PublishHandler {
  readonly #context: PresenceContext;
  readonly #registry: Registry;
  readonly #claims = new Map<string, Promise<ClaimOutcome>>();
  readonly #leftBehind = new LeftBehind(limits.presence.leftBehind);
  readonly #unclaimedLines = new LineLimit(limits.node.clientLinesPerSecond);
  #waiting = 0;

  constructor(context: PresenceContext, registry: Registry) {
    this.#context = context;
    this.#registry = registry;
  }

  handle(incoming: IncomingRequest, identity: RequestIdentity): void {
    const aor = tryParseAor(incoming.request.uri);
    if (aor === undefined) return this.#answer(incoming, NOT_FOUND);
    if (identity.asserted !== aor) return this.#answer(incoming, FORBIDDEN);
    const request = readPublish(incoming.request);
    if ("refuse" in request) return this.#answer(incoming, request.refuse);
    const event: PublishEvent = {
      ...request,
      path: pathOf(incoming.flow),
      origin: deviceOriginOf(incoming.request, incoming.flow)?.name,
      freshTag: randomTag(),
    };
    if (this.#publish(incoming, aor, event)) return;
    if (identity.from !== "client") return this.#answer(incoming, notOwner(aor, this.#context.locator));
    // A user is claimed only for a PUBLISH that will be stored, which needs no state to be seen.
    const isInVain = this.#isInVain(aor, event);
    const onNothing = this.#onNothing(event);
    if (isInVain && !isGone(onNothing, event)) return this.#conclude(incoming, onNothing);
    if (this.#waiting >= this.#context.bounds.publishesWaiting)
      return this.#answer(incoming, unavailable(RETRY_SECONDS));
    this.#waiting += 1;
    const answered = isInVain ? this.#tellGone(incoming, aor, event) : this.#claimAndPublish(incoming, aor, event);
    void answered.finally(() => void (this.#waiting -= 1));
  }

  /** Whether nothing of the PUBLISH would be stored even if the user were owned here. */
  #isInVain(aor: Aor, event: PublishEvent): boolean {
    if (this.#rests(aor, event.ifMatch)) return false;
    const trial = this.#onNothing(event);
    return trial.kind === "refused" || trial.expiresSeconds === 0;
  }

  /** Whether a publication rests here, because the user is being claimed again: a 412 would make the device publish it a second time. */
  #rests(aor: Aor, entityTag: string | undefined): boolean {
    const { locator, publications } = this.#context;
    // A server that has leases, and is silent all the same, has heard of an owner after it.
    if (entityTag === undefined || locator.owned(aor) !== undefined) return false;
    return publications.holds(aor, entityTag);
  }

  async #claimAndPublish(incoming: IncomingRequest, aor: Aor, event: PublishEvent): Promise<void> {
    // What rests here may be out of date: nobody is to see it because of something new.
    if (!(await this.#context.contacts.settle(aor))) return this.#answer(incoming, unavailable(RETRY_SECONDS));
    if (this.#publish(incoming, aor, event)) return;
    if (this.#isInVain(aor, event)) return this.#tellGone(incoming, aor, event);
    const outcome = await this.#claim(aor, this.#isChoice(incoming, aor, event) ? "take-over" : "if-free");
    if (outcome.kind === "owned-elsewhere") return this.#concludeElsewhere(incoming, aor, event);
    // Another server had the user: what rested here is older than what was said there.
    if (outcome.kind === "owned" && outcome.from !== undefined) this.#registry.shedRested(aor);
    if (this.#publish(incoming, aor, event)) return;
    // Not claimed, or lost again between the claim and this line.
    const { logger, clock, counters } = this.#context;
    counters.add("presence.unclaimed");
    const leftOut = this.#unclaimedLines.take(clock.monotonicMs());
    if (leftOut !== undefined)
      logger.info({ aor, outcome: outcome.kind, ...leftOut }, "a user who publishes could not be claimed");
    this.#answer(incoming, unavailable(RETRY_SECONDS));
  }

  /** Whether a PUBLISH may bring a user here whom another server has. */
  #isChoice({ request }: IncomingRequest, aor: Aor, event: PublishEvent): boolean {
    if (this.#context.policy !== "takeover" || this.#rests(aor, event.ifMatch)) return false;
    return !this.#leftBehind.has(aor, namesOf(request, event), this.#context.clock.monotonicMs());
  }

  /** What a device refreshes is not here. Where its user is elsewhere it is remembered; else it may bring them with what it publishes next. */
  async #tellGone(incoming: IncomingRequest, aor: Aor, event: PublishEvent): Promise<void> {
    const location = await this.#locate(aor);
    if (this.#publish(incoming, aor, event)) return;
    if (location === "unavailable") this.#answer(incoming, unavailable(RETRY_SECONDS));
    else if (location === "server") this.#concludeElsewhere(incoming, aor, event);
    else this.#conclude(incoming, this.#onNothing(event));
  }

  /** Another server has the user: a device that would go on publishing here is told, and remembered. */
  #concludeElsewhere(incoming: IncomingRequest, aor: Aor, event: PublishEvent): void {
    const { clock, times } = this.#context;
    const outcome = this.#onNothing(event);
    const isElsewhere = outcome.kind === "accepted" && outcome.expiresSeconds > 0;
    if (isElsewhere || isGone(outcome, event)) {
      const untilMs = clock.monotonicMs() + times.publication.maxSeconds * 1000;
      this.#leftBehind.note(aor, namesOf(incoming.request, event), untilMs);
    }
    if (isElsewhere) this.#answer(incoming, ELSEWHERE);
    else this.#conclude(incoming, outcome);
  }

  async #locate(aor: Aor): Promise<Location["kind"]> {
    const { locator } = this.#context;
    return (await locator.locate(aor).catch((error: unknown) => this.#unavailable(aor, error))).kind;
  }

  #unavailable(aor: Aor, error: unknown): { readonly kind: "unavailable"; readonly reason: string } {
    this.#context.logger.warn({ aor, err: error }, "the directory failed for a user who publishes");
    return { kind: "unavailable", reason: String(error) };
  }

  /** One claim for all requests of a user that wait for it. */
  #claim(aor: Aor, mode: ClaimMode): Promise<ClaimOutcome> {
    const key = `${mode} ${aor}`;
    let claim = this.#claims.get(key);
    if (claim === undefined) {
      this.#context.counters.add("presence.claims");
      claim = this.#context.locator
        .claim(aor, { mode })
        .catch((error: unknown) => this.#unavailable(aor, error))
        .finally(() => this.#claims.delete(key));
      this.#claims.set(key, claim);
    }
    return claim;
  }

  /** What becomes of a PUBLISH where nothing is published: a refresh of what has moved away gets its 412 here. */
  #onNothing(event: PublishEvent): PublishOutcome {
    const expiry = this.#context.times.publication;
    return new Publications({ expiry, fits: () => true }).publish(event, this.#context.clock.monotonicMs());
  }

  /** False when this server does not own the user. The answer leaves when what was published is on disk, or cannot be. */
  #publish(incoming: IncomingRequest, aor: Aor, event: PublishEvent): boolean {
    const isUnknown = !this.#registry.presentities.has(aor) && this.#context.locator.owned(aor) === undefined;
    if (isUnknown) return false;
    const outcome = this.#registry.presentity(aor).publish(event);
    if (outcome === undefined) return false;
    if (outcome.kind === "accepted") this.#leftBehind.forget(aor, namesOf(incoming.request, event));
    this.#context.storage.group.join({
      done: (isKept) => {
        if (!isKept) this.#context.counters.add("presence.disk_failures");
        this.#conclude(incoming, outcome);
      },
    });
    return true;
  }

  #conclude(incoming: IncomingRequest, outcome: PublishOutcome): void {
    if (outcome.kind === "refused") return this.#answer(incoming, outcome.answer);
    this.#context.counters.add("presence.publish_accepted");
    // RFC 3903 §6 step 6
    const headers = [
      ["SIP-ETag", outcome.entityTag],
      ["Expires", String(outcome.expiresSeconds)],
    ] as const;
    respond(incoming, { status: 200, reason: "OK", headers });
  }

  #answer(incoming: IncomingRequest, answer: Answer): void {
    this.#context.counters.add(`presence.publish_refused.${answer.status}`);
    respond(incoming, answer);
  }
}

/** Whether a device hears 412 that would go on publishing. */
function isGone(outcome: PublishOutcome, { expiresSeconds }: PublishEvent): boolean {
  return outcome.kind === "refused" && outcome.answer.status === 412 && expiresSeconds !== 0;
}

/** By what a device is known again that publishes anew: some keep their Call-ID, all are where they were. */
function namesOf({ headers }: SipRequest, { origin, path }: PublishEvent): readonly string[] {
  return [origin ?? path, `Call-ID ${headers.get("Call-ID")?.trim() ?? ""}`];
}
