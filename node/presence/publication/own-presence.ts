import type { Aor } from "../../../dht-schema/aor.ts";
import { ProtocolError } from "../../runtime/errors.ts";
import { limits } from "../../runtime/limits.ts";
import type { ExpiryRules } from "../../runtime/expiry-rules.ts";
import { compose } from "../pidf/compose.ts";
import { serializePidf } from "../pidf/pidf-document.ts";
import type { PresentContact } from "./publishing-devices.ts";
import { publishingDevices } from "./publishing-devices.ts";
import type { Publication, PublishEvent, PublishOutcome } from "./publications.ts";
import { Publications } from "./publications.ts";

export interface OwnPresenceInit {
  readonly presentity: Aor;
  readonly expiry: ExpiryRules;
  /** For how long a user with neither contact nor publication shows nothing at all instead of `closed`, ms. */
  readonly openingMs: number;
  readonly contacts: readonly PresentContact[];
  /** Of an ownership before this one. They show in the next turn of the event loop: whoever claimed the user may say in this one that they are out of date. */
  readonly publications?: readonly Publication[];
}

/**
 * The state of a user whom this server owns: publications and contacts, and the document composed of them.
 * A server owns a user because of a REGISTER or PUBLISH that it has not finished with at the instant of the claim, so an
 * empty state means `closed` only after a moment: else a move would show `closed` in between.
 * Sans-I/O: call {@link OwnPresence.tick} when {@link OwnPresence.nextWakeMs} has come.
 */
export class OwnPresence {
  readonly #presentity: Aor;
  readonly #publications: Publications;
  #contacts: readonly PresentContact[];
  readonly #openingMs: number;
  #openingUntilMs: number | undefined;
  #composed: Uint8Array | undefined;
  /** With the publication that was asked for last, if that had a document. */
  #trial: Uint8Array | undefined;

  constructor(init: OwnPresenceInit, nowMs: number) {
    this.#presentity = init.presentity;
    this.#publications = new Publications({
      expiry: init.expiry,
      fits: (publications) => {
        this.#trial = this.#compose(publications, limits.presence.composedBytes);
        return this.#trial !== undefined;
      },
    });
    this.#publications.restore(init.publications ?? []);
    this.#contacts = init.contacts;
    this.#assign();
    this.#openingMs = init.openingMs;
    const hasRested = this.#publications.size > 0;
    this.#openingUntilMs = hasRested ? nowMs : nowMs + init.openingMs;
    if (!hasRested) this.#endOpening(nowMs);
  }

  get publications(): readonly Publication[] {
    return this.#publications.all();
  }

  get publicationCount(): number {
    return this.#publications.size;
  }

  get isEmpty(): boolean {
    return this.#publications.size + this.#contacts.length === 0;
  }

  nextWakeMs(): number | undefined {
    const next = Math.min(this.#openingUntilMs ?? Infinity, this.#publications.nextExpiryMs() ?? Infinity);
    return next === Infinity ? undefined : next;
  }

  publish(event: PublishEvent, nowMs: number): PublishOutcome {
    this.#trial = undefined;
    const outcome = this.#publications.publish(event, nowMs);
    if (outcome.changed) this.#composed = outcome.kind === "accepted" ? this.#trial : undefined;
    this.#trial = undefined;
    this.#assign();
    this.#endOpening(nowMs);
    return outcome;
  }

  /** Drops publications by key, for something newer is on its way: a state that is empty by this means `closed` only after a moment. */
  discard(keys: ReadonlySet<string>, nowMs: number): void {
    if (!this.#publications.discard(keys)) return;
    this.#composed = undefined;
    this.#openingUntilMs = nowMs + this.#openingMs;
    this.#endOpening(nowMs);
  }

  contactsChanged(contacts: readonly PresentContact[], nowMs: number): void {
    this.#contacts = contacts;
    this.#composed = undefined;
    this.#assign();
    this.#endOpening(nowMs);
  }

  /** Drops what has expired; an empty state is `closed` from now on if its moment is over. */
  tick(nowMs: number): void {
    if (this.#publications.expire(nowMs)) this.#composed = undefined;
    this.#endOpening(nowMs);
  }

  /** What subscribers see; `undefined` while there is nothing to say yet. */
  document(): Uint8Array | undefined {
    if (this.#openingUntilMs !== undefined) return undefined;
    this.#composed ??= this.#composeMost();
    return this.#composed;
  }

  #assign(): void {
    this.#publications.assign((publication) => publishingDevices(publication, this.#contacts));
  }

  #endOpening(nowMs: number): void {
    if (!this.isEmpty || nowMs >= (this.#openingUntilMs ?? Infinity)) this.#openingUntilMs = undefined;
  }

  /**
   * What fitted beside others can be too large without them, because namespaces that these declared for all have to be declared again, and contacts
   * take room too: then the publications that have not been spoken of for longest are left out.
   */
  #composeMost(): Uint8Array {
    let publications = this.#publications.all();
    let composed: Uint8Array | undefined;
    while (composed === undefined) {
      composed = this.#compose(publications, publications.length === 0 ? Infinity : limits.presence.relayed.bytes);
      publications = publications.slice(1);
    }
    return composed;
  }

  /** `undefined` where it would be too large. */
  #compose(publications: readonly Publication[], maxBytes: number): Uint8Array | undefined {
    const published = new Set(publications.flatMap((publication) => publishingDevices(publication, this.#contacts)));
    const contacts = this.#contacts.filter(({ device }) => !published.has(device)).map(({ uri }) => uri);
    try {
      const composed = serializePidf(compose({ presentity: this.#presentity, publications, contacts }));
      return composed.length <= maxBytes ? composed : undefined;
    } catch (error) {
      if (error instanceof ProtocolError && error.code === "TOO_LARGE") return undefined;
      throw error;
    }
  }
}
