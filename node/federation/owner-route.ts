import { AortaError } from "../runtime/errors.ts";
import { AORTA_LOCAL } from "../sip/stack.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { compareBallots, sameBallot } from "../../dht-schema/ballot.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import { AORTA_NOBODY } from "./aorta-headers.ts";
import type { Location } from "./locator.ts";
import type { Refusal } from "./refusal.ts";

/** A server that is believed to own the user, and the epoch of that. */
export interface OwnerHop {
  readonly server: ServerId;
  readonly epoch: Epoch;
}

/** What to do next with a request on its way to its user. */
export type RouteStep =
  | { readonly kind: "locate"; readonly certain: boolean }
  /** This server owns the user: to the devices. */
  | { readonly kind: "deliver" }
  | { readonly kind: "send"; readonly hop: OwnerHop }
  /** Answer this instead. */
  | { readonly kind: "refuse"; readonly refusal: Refusal }
  /** Wait for a moment until there is a link to the server, and say whether there is. */
  | { readonly kind: "await-link"; readonly hop: OwnerHop }
  /** The last response received is the answer. */
  | { readonly kind: "relay" };

/** What came back from a hop. */
export interface HopAnswer {
  /** Set when the other server said that it does not own the user. */
  readonly notOwner?: { readonly epoch: Epoch; readonly owner?: ServerId; readonly isCutOff?: boolean };
  /** Set when no answer came: the request could not be sent, the link broke when it was on its way, or nobody answered in time. */
  readonly failed?: "not-sent" | "cut-off" | "timed-out";
}

type State =
  | { readonly kind: "locating"; readonly certain: boolean }
  | { readonly kind: "delivering" }
  | { readonly kind: "sending"; readonly hop: OwnerHop }
  | { readonly kind: "awaiting-link"; readonly hop: OwnerHop }
  | { readonly kind: "done" };

const NOBODY: Refusal = {
  status: 480,
  reason: "Temporarily Unavailable",
  headers: [
    ["Retry-After", "30"],
    [AORTA_NOBODY, "1"],
  ],
};
const UNREACHABLE: Refusal = { status: 480, reason: "Server Of User Unreachable", headers: [["Retry-After", "10"]] };
const MOVING: Refusal = { status: 480, reason: "User Is Moving", headers: [["Retry-After", "5"]] };
const UNAVAILABLE: Refusal = { status: 503, reason: "Directory Unavailable", headers: [["Retry-After", "10"]] };
/** The owner was asked and did not answer in time. */
export const TIMED_OUT: Refusal = { status: 504, reason: "Server Time-out" };

/** The owner may have been given the request, and the link to it broke: nobody knows, for now. */
export const CUT_OFF: Refusal = { status: 504, reason: "Server Of User Cut Off", headers: [[AORTA_LOCAL, "1"]] };

/**
 * The way of one request from the server of its sender to the owner of its user. Pure: the caller looks up, sends and
 * delivers, and says what came of it; each method returns the next step.
 */
export class OwnerRoute {
  #state: State = { kind: "locating", certain: false };
  #hops = 0;
  readonly #maxHops: number;
  /** The hop that did not work: going there again would be in vain. */
  #vain: OwnerHop | undefined;
  readonly #isNamed: boolean;
  /** The last hop did not work for want of a link. */
  #isLinkDown = false;
  #hasWaited = false;
  /** Some link broke that the request had taken. */
  #isCutOff = false;

  /**
   * @param maxHops servers tried before giving up
   * @param options.isNamed its receiver knows the request again: where the link to it fails, it is sent once more over the next one
   */
  constructor(maxHops: number, { isNamed = false }: { readonly isNamed?: boolean } = {}) {
    this.#maxHops = maxHops;
    this.#isNamed = isNamed;
  }

  /**
   * Whether some server may have delivered the request, which has a name, and could not say so. A 2xx answers that; a refusal does not, for who
   * refuses it may have been started anew, or be another.
   */
  get isOutcomeUnknown(): boolean {
    return this.#isNamed && this.#isCutOff;
  }

  /** The first answer will do at first: who is found there confirms it by serving the request. */
  start(): RouteStep {
    return this.#locate(false);
  }

  /** locating → delivering, sending, locating (with certainty) or done */
  located(location: Location): RouteStep {
    if (this.#state.kind !== "locating") return this.#illegal("located");
    switch (location.kind) {
      case "here":
        return this.#deliver();
      case "server":
        if (!this.#isVain(location)) return this.#send(location);
        return this.#isLinkDown && this.#isNamed && !this.#hasWaited
          ? this.#awaitLink(location)
          : this.#refuse(UNREACHABLE);
      case "nobody":
        return this.#state.certain ? this.#refuse(NOBODY) : this.#locate(true);
      case "unavailable":
        return this.#refuse(UNAVAILABLE);
    }
  }

  /** delivering → done, or locating when the user was lost before the request could be delivered */
  delivered(outcome: "answered" | "lost"): RouteStep {
    if (this.#state.kind !== "delivering") return this.#illegal("delivered");
    if (outcome === "lost") return this.#tryElsewhere();
    this.#state = { kind: "done" };
    return { kind: "relay" };
  }

  /** sending → done, sending (elsewhere) or locating */
  answered(answer: HopAnswer): RouteStep {
    if (this.#state.kind !== "sending") return this.#illegal("answered");
    const { hop } = this.#state;
    if (answer.failed === "cut-off" || answer.notOwner?.isCutOff === true) this.#isCutOff = true;
    if (answer.notOwner !== undefined) {
      this.#vain = hop;
      this.#isLinkDown = false;
      const { epoch, owner } = answer.notOwner;
      const isLater = compareBallots(epoch, hop.epoch) > 0;
      if (owner !== undefined && isLater && this.#hops < this.#maxHops) return this.#send({ server: owner, epoch });
      return this.#tryElsewhere();
    }
    if (answer.failed === "not-sent" || answer.failed === "cut-off") {
      this.#vain = hop;
      this.#isLinkDown = true;
      return this.#tryElsewhere();
    }
    // It may have been delivered: sending it to another server could deliver it twice.
    if (answer.failed === "timed-out") return this.#refuse(TIMED_OUT);
    this.#state = { kind: "done" };
    return { kind: "relay" };
  }

  /** awaiting-link → sending, or done when there is none */
  linked(isUp: boolean): RouteStep {
    if (this.#state.kind !== "awaiting-link") return this.#illegal("linked");
    return isUp ? this.#send(this.#state.hop) : this.#refuse(UNREACHABLE);
  }

  #tryElsewhere(): RouteStep {
    return this.#hops < this.#maxHops ? this.#locate(true) : this.#refuse(MOVING);
  }

  #isVain(hop: OwnerHop): boolean {
    return this.#vain !== undefined && this.#vain.server === hop.server && sameBallot(this.#vain.epoch, hop.epoch);
  }

  #locate(certain: boolean): RouteStep {
    this.#state = { kind: "locating", certain };
    return { kind: "locate", certain };
  }

  #deliver(): RouteStep {
    this.#hops += 1;
    this.#state = { kind: "delivering" };
    return { kind: "deliver" };
  }

  #send({ server, epoch }: OwnerHop): RouteStep {
    this.#hops += 1;
    const hop = { server, epoch };
    this.#state = { kind: "sending", hop };
    return { kind: "send", hop };
  }

  /** Once: what is held meanwhile is tried again later. */
  #awaitLink({ server, epoch }: OwnerHop): RouteStep {
    this.#hasWaited = true;
    const hop = { server, epoch };
    this.#state = { kind: "awaiting-link", hop };
    return { kind: "await-link", hop };
  }

  #refuse(refusal: Refusal): RouteStep {
    this.#state = { kind: "done" };
    return { kind: "refuse", refusal };
  }

  #illegal(event: string): never {
    throw new AortaError("programmer", "ASSERTION", `${event} while ${this.#state.kind}`);
  }
}

/** What a server does with a request that another server sent it. */
export type ArrivalStep =
  | { readonly kind: "deliver" }
  | { readonly kind: "send"; readonly hop: OwnerHop }
  /** Answer that we do not own the user. */
  | { readonly kind: "not-owner" };

/**
 * Decides about a request for a user that came over the mesh.
 * @param sentUnder the epoch in the request, if any
 * @param known.fresh false when a higher epoch is known than the one in the request (invariant I3)
 */
export function arrive(
  sentUnder: Epoch | undefined,
  known: { readonly fresh: boolean; readonly owned: boolean; readonly note: OwnerHop | undefined },
): ArrivalStep {
  if (known.owned && known.fresh) return { kind: "deliver" };
  if (known.owned || known.note === undefined) return { kind: "not-owner" };
  // Epochs rise from hop to hop, so a request never comes back to where it was.
  const isOnward = sentUnder === undefined || compareBallots(known.note.epoch, sentUnder) > 0;
  return isOnward ? { kind: "send", hop: known.note } : { kind: "not-owner" };
}
