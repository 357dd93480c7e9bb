import { limits } from "../../runtime/limits.ts";
import type { Answer } from "../answer.ts";
import { badRequest, tooBrief } from "../answer.ts";
import type { ExpiryRules } from "../../runtime/expiry-rules.ts";
import { grantedSeconds } from "../expiry.ts";
import type { PidfDocument } from "../pidf/pidf-document.ts";

/** A PUBLISH that is well-formed. Without a document it refreshes or removes; without `ifMatch` it is initial. */
export interface PublishEvent {
  /** SIP-If-Match. */
  readonly ifMatch?: string;
  /** Expires; `undefined` leaves it to the compositor. */
  readonly expiresSeconds?: number;
  readonly document?: PidfDocument;
  /** Names the socket the request came by, so that a device's publication can be told to be the one of its registered contact. */
  readonly path: string;
  /** Names where its device is, by the device's own word: the same over another socket. */
  readonly origin?: string | undefined;
  /** Unguessable and never used before: becomes the new entity-tag. */
  readonly freshTag: string;
}

export type PublishOutcome = (
  | {
      readonly kind: "accepted";
      readonly entityTag: string;
      /** Granted; 0: nothing is stored under the tag. */
      readonly expiresSeconds: number;
    }
  | { readonly kind: "refused"; readonly answer: Answer }
) & {
  /** Whether the user's state may be another now: a refused request can find that something has expired, too. */
  readonly changed: boolean;
};

/** One device's published state. */
export interface Publication {
  /** A number that grows from publication to publication of a user, and the first entity-tag: stays while the tag changes with every PUBLISH, and sorts by age. */
  readonly key: string;
  readonly entityTag: string;
  readonly document: PidfDocument;
  readonly path: string;
  readonly origin?: string | undefined;
  /** Whose it is: the devices that were registered where it came from, also when their contacts are elsewhere since. */
  readonly devices: readonly string[];
  readonly expiresAtMs: number;
}

export interface PublicationsInit {
  readonly expiry: ExpiryRules;
  /** Whether the user's documents together are within bounds. Those make room that have not been spoken of for longest; a document that is too large alone gets 413. */
  readonly fits: (publications: readonly Publication[]) => boolean;
}

const ORDINAL_DIGITS = 8;

const CONDITION_FAILED: Answer = { status: 412, reason: "Conditional Request Failed" };
const TOO_LARGE: Answer = { status: 413, reason: "Request Entity Too Large" };

/**
 * The publications of one user: soft state, each named by an entity-tag that changes with every PUBLISH.
 * Sans-I/O: call {@link Publications.expire} when {@link Publications.nextExpiryMs} has come.
 * @see RFC 3903 §4, §6
 */
export class Publications {
  readonly #init: PublicationsInit;
  /** By current entity-tag; in the order in which clients last spoke of them. */
  readonly #byTag = new Map<string, Publication>();

  constructor(init: PublicationsInit) {
    this.#init = init;
  }

  get size(): number {
    return this.#byTag.size;
  }

  /** Those alive at the last event. */
  all(): readonly Publication[] {
    return [...this.#byTag.values()];
  }

  /** Takes up publications of an earlier ownership. */
  restore(publications: readonly Publication[]): void {
    for (const publication of publications) this.#byTag.set(publication.entityTag, publication);
  }

  /** Drops some by key; true when there was any. */
  discard(keys: ReadonlySet<string>): boolean {
    const before = this.#byTag.size;
    for (const [tag, { key }] of this.#byTag) if (keys.has(key)) this.#byTag.delete(tag);
    return this.#byTag.size < before;
  }

  /** Notes whose publication each is. */
  assign(devicesOf: (publication: Publication) => readonly string[]): void {
    for (const [tag, publication] of this.#byTag) {
      const devices = devicesOf(publication);
      if (devices !== publication.devices) this.#byTag.set(tag, { ...publication, devices });
    }
  }

  /** When the next one expires, `undefined` when there is none. */
  nextExpiryMs(): number | undefined {
    let next: number | undefined;
    for (const { expiresAtMs } of this.#byTag.values()) next = Math.min(next ?? expiresAtMs, expiresAtMs);
    return next;
  }

  /** Drops what has expired; true when anything has. */
  expire(nowMs: number): boolean {
    const before = this.#byTag.size;
    for (const [tag, { expiresAtMs }] of this.#byTag) {
      if (expiresAtMs <= nowMs) this.#byTag.delete(tag);
    }
    return this.#byTag.size < before;
  }

  /**
   * @see RFC 3903 §6; its table of operations: initial (body, no tag), refresh (tag), modify (tag, body), remove (tag, Expires 0)
   */
  publish(event: PublishEvent, nowMs: number): PublishOutcome {
    const expired = this.expire(nowMs);
    const outcome = this.#apply(event, nowMs);
    return expired ? { ...outcome, changed: true } : outcome;
  }

  #apply(event: PublishEvent, nowMs: number): PublishOutcome {
    // RFC 3903 §6 step 3: the tag is looked at before Expires and body.
    const old = event.ifMatch === undefined ? undefined : this.#byTag.get(event.ifMatch);
    if (event.ifMatch !== undefined && old === undefined) return refused(CONDITION_FAILED);
    const expiresSeconds = grantedSeconds(event.expiresSeconds, this.#init.expiry);
    if (expiresSeconds === "too-brief") return refused(tooBrief(this.#init.expiry.minSeconds));
    if (expiresSeconds === 0) return this.#remove(old, event.freshTag);
    const document = event.document ?? old?.document;
    // Step 5: a request without both tag and body says nothing.
    if (document === undefined) return refused(badRequest("an initial PUBLISH needs a body"));

    // RFC 3903 §6 step 6 leaves it to local policy: the oldest in this order has not been spoken of for longest.
    const others = this.all()
      .filter((publication) => publication !== old)
      .slice(1 - limits.presence.publicationsPerUser);
    const publication: Publication = {
      key: old?.key ?? this.#nextKey(event.freshTag),
      entityTag: event.freshTag,
      document,
      path: event.path,
      origin: event.origin,
      devices: old?.devices ?? [],
      expiresAtMs: nowMs + expiresSeconds * 1000,
    };
    while (event.document !== undefined && !this.#init.fits([...others, publication]))
      if (others.shift() === undefined) return refused(TOO_LARGE);
    this.#byTag.clear();
    for (const each of [...others, publication]) this.#byTag.set(each.entityTag, each);
    return {
      kind: "accepted",
      entityTag: event.freshTag,
      expiresSeconds,
      changed: event.document !== undefined || old?.path !== event.path || old.origin !== event.origin,
    };
  }

  #nextKey(freshTag: string): string {
    const newest = Math.max(0, ...this.all().map(({ key }) => ordinalOf(key)));
    return `${String(newest + 1).padStart(ORDINAL_DIGITS, "0")}.${freshTag}`;
  }

  /** Without a publication to remove, an Expires of 0 has nothing to end and nothing to store. */
  #remove(old: Publication | undefined, entityTag: string): PublishOutcome {
    if (old !== undefined) this.#byTag.delete(old.entityTag);
    return { kind: "accepted", entityTag, expiresSeconds: 0, changed: old !== undefined };
  }
}

/** An earlier release gave a publication none. */
function ordinalOf(key: string): number {
  const [ordinal = ""] = key.split(".", 1);
  return ordinal.length === ORDINAL_DIGITS && /^\d+$/.test(ordinal) ? Number(ordinal) : 0;
}

function refused(answer: Answer): PublishOutcome {
  return { kind: "refused", answer, changed: false };
}
