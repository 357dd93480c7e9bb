import type { Aor } from "../../../dht-schema/aor.ts";
import { tryParseAor } from "../../../dht-schema/aor.ts";
import { notOwner } from "../../federation/aorta-headers.ts";
import type { RequestIdentity } from "../../federation/identity.ts";
import type { ClaimOutcome } from "../../federation/locator.ts";
import { randomTag } from "../../sip/message/tags.ts";
import type { IncomingRequest } from "../../sip/stack.ts";
import type { Answer } from "../answer.ts";
import { unavailable } from "../answer.ts";
import { CONDITION_FAILED } from "../publication/publications.ts";
import type { PublishEvent } from "../publication/publications.ts";
import { readPublish } from "../publication/read-publish.ts";
import type { PresenceContext } from "./presence-context.ts";
import { pathOf } from "./presence-context.ts";
import type { Registry } from "./registry.ts";
import { respond } from "./respond.ts";

const NOT_FOUND: Answer = { status: 404, reason: "Not Found" };
const FORBIDDEN: Answer = { status: 403, reason: "Only The User May Publish" };
/** How long a client is told to wait when no majority of the directory could be reached. */
const RETRY_SECONDS = 2;

/**
 * Answers PUBLISH. The exclusive model: a client that publishes makes this server the user's owner. But only by an
 * initial PUBLISH: a refresh that arrives after the user has moved away must not steal the user back, and gets the 412
 * that it would get anyway.
 * @see RFC 3903 §6
 */
export class PublishHandler {
  readonly #context: PresenceContext;
  readonly #registry: Registry;
  readonly #claims = new Map<Aor, Promise<ClaimOutcome>>();
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
    const event: PublishEvent = { ...request, path: pathOf(incoming.flow), freshTag: randomTag() };
    if (this.#publish(incoming, aor, event)) return;
    if (identity.from !== "client") return this.#answer(incoming, notOwner(aor, this.#context.locator));
    if (event.ifMatch !== undefined) return this.#answer(incoming, CONDITION_FAILED);
    if (this.#waiting >= this.#context.bounds.publishesWaiting)
      return this.#answer(incoming, unavailable(RETRY_SECONDS));
    void this.#claimAndPublish(incoming, aor, event);
  }

  async #claimAndPublish(incoming: IncomingRequest, aor: Aor, event: PublishEvent): Promise<void> {
    this.#waiting += 1;
    const outcome = await this.#claim(aor);
    this.#waiting -= 1;
    if (this.#publish(incoming, aor, event)) return;
    // Not claimed, or lost again between the claim and this line.
    this.#context.logger.info({ aor, outcome: outcome.kind }, "a user who publishes could not be claimed");
    this.#answer(incoming, unavailable(RETRY_SECONDS));
  }

  /** One claim for all requests of a user that wait for it. */
  #claim(aor: Aor): Promise<ClaimOutcome> {
    let claim = this.#claims.get(aor);
    if (claim === undefined) {
      this.#context.counters.add("presence.claims");
      claim = this.#context.locator.claim(aor, { mode: "take-over" }).finally(() => this.#claims.delete(aor));
      this.#claims.set(aor, claim);
    }
    return claim;
  }

  /** False when this server does not own the user. */
  #publish(incoming: IncomingRequest, aor: Aor, event: PublishEvent): boolean {
    const outcome = this.#registry.presentity(aor).publish(event);
    if (outcome === undefined) return false;
    if (outcome.kind === "refused") {
      this.#answer(incoming, outcome.answer);
      return true;
    }
    this.#context.counters.add("presence.publish_accepted");
    // RFC 3903 §6 step 6
    respond(incoming, {
      status: 200,
      reason: "OK",
      headers: [
        ["SIP-ETag", outcome.entityTag],
        ["Expires", String(outcome.expiresSeconds)],
      ],
    });
    return true;
  }

  #answer(incoming: IncomingRequest, answer: Answer): void {
    this.#context.counters.add("presence.publish_refused");
    respond(incoming, answer);
  }
}
