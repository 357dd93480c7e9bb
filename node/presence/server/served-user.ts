import type { Aor } from "../../../dht-schema/aor.ts";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import { formatBallot, sameBallot } from "../../../dht-schema/ballot.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { AORTA_STATE_EPOCH } from "../../federation/aorta-headers.ts";
import { servingEpoch } from "../../federation/serving-epoch.ts";
import { newestOf } from "../../registrar/resting-state.ts";
import { PRESENCE_EVENT } from "../answer.ts";
import type { PresentContact } from "../publication/publishing-devices.ts";
import { OwnPresence } from "../publication/own-presence.ts";
import type { Publication, PublishEvent, PublishOutcome } from "../publication/publications.ts";
import type { PresenceContext } from "./presence-context.ts";
import { pathOf } from "./presence-context.ts";
import type { ShownDocument } from "./shown-document.ts";
import { documentContent, entityTagOf } from "./shown-document.ts";
import type { Content, Subject, Subscriber } from "./subject.ts";
import type { Subscription } from "./subscription.ts";

/** Told what happens to a user's ownership and composition here. */
export interface ServedUserListener {
  owned(epoch: Epoch): void;
  lost(): void;
  /** Another server watches the user here than before. */
  peersChanged(): void;
  /** There is another document than before. */
  composed(document: ComposedDocument): void;
  subscriptionEnded(subscription: Subscription): void;
}

/** The user's state, and the epoch under which their clients last said what it is made of. */
export interface ComposedDocument {
  readonly body: Uint8Array;
  readonly said: Epoch;
}

/** The state of the user for as long as one ownership lasts. */
interface Ownership {
  readonly since: Epoch;
  /** Grows where the owner goes on under a higher one. */
  epoch: Epoch;
  /** When {@link epoch} began here. */
  epochAtMs: number;
  readonly presence: OwnPresence;
  /** Under which a client of the user last said something; `undefined` while that is not known. */
  said: Epoch | undefined;
  /** Publications from before this ownership that no PUBLISH has spoken of since, by key. */
  readonly rested: ReadonlySet<string>;
}

/**
 * The owner's part: composes a user's state while this server owns the user, and shows it to the other servers that
 * subscribe. Every entry looks at the ownership first and treats a change of it before anything else.
 */
export class ServedUser implements Subject {
  readonly event = PRESENCE_EVENT;
  readonly aor: Aor;
  readonly #context: PresenceContext;
  readonly #listener: ServedUserListener;
  readonly #peers = new Map<ServerId, Subscription>();
  #ownership: Ownership | undefined;
  #shown: (ShownDocument & ComposedDocument) | undefined;
  #versions = 0;
  /** When to let go of a user of whom nothing is left here. */
  #releaseAtMs: number | undefined;

  constructor(context: PresenceContext, aor: Aor, listener: ServedUserListener) {
    this.#context = context;
    this.aor = aor;
    this.#listener = listener;
  }

  get peerCount(): number {
    return this.#peers.size;
  }

  get publicationCount(): number {
    return this.#ownership?.presence.publicationCount ?? 0;
  }

  get isOwned(): boolean {
    return this.#ownership !== undefined;
  }

  /** Nothing here has to be kept: without publications the state can be made anew from the contacts. */
  get isIdle(): boolean {
    return this.#peers.size + this.publicationCount === 0 && this.#releaseAtMs === undefined;
  }

  /** The present composition, if this server owns the user and has something to say. */
  get document(): ComposedDocument | undefined {
    return this.#shown;
  }

  /** The epoch under which this server owns the user at this instant. */
  check(): Epoch | undefined {
    return this.#check()?.epoch;
  }

  /** Since when other servers can subscribe under the epoch that they are told, ms; `undefined` when this server does not own the user. */
  get servedSinceMs(): number | undefined {
    return this.#ownership?.epochAtMs;
  }

  /** Takes a PUBLISH; `undefined` when this server does not own the user. */
  publish(event: PublishEvent): PublishOutcome | undefined {
    const ownership = this.#check();
    if (ownership === undefined) return undefined;
    const before = ownership.presence.publications;
    const outcome = ownership.presence.publish(event, this.#nowMs());
    if (outcome.kind === "accepted") ownership.said = ownership.epoch;
    this.#keep(ownership, before);
    this.#changed(ownership);
    // Whoever was claimed for a publication is let go of when none is left; the registrar does so for its contacts.
    if (ownership.presence.isEmpty) this.#releaseLater();
    return outcome;
  }

  /** The user has been on another server since what rested here was published: it is out of date. */
  dropRested(): void {
    const ownership = this.#ownership;
    if (ownership === undefined || ownership.rested.size === 0) return;
    const before = ownership.presence.publications;
    ownership.presence.discard(ownership.rested, this.#nowMs());
    this.#keep(ownership, before);
    this.#changed(ownership);
    if (ownership.presence.isEmpty) this.#releaseLater();
  }

  /** The registrar's contacts of the user have changed. */
  contactsChanged(): void {
    const before = this.#ownership;
    const ownership = this.#check();
    // A new ownership has read the contacts already.
    if (ownership === undefined || ownership !== before) return;
    const { publications } = ownership.presence;
    ownership.presence.contactsChanged(this.#contacts(), this.#nowMs());
    this.#keep(ownership, publications);
    this.#changed(ownership);
  }

  /** Another server watches the user here. One subscription a server is all it needs: a new one takes the place of the old. */
  addPeer(server: ServerId, subscription: Subscription): void {
    const old = this.#peers.get(server);
    this.#peers.set(server, subscription);
    old?.abandon();
    subscription.tell();
    if (old === undefined) this.#listener.peersChanged();
  }

  get peers(): Iterable<ServerId> {
    return this.#peers.keys();
  }

  shownTo(): ShownDocument | undefined {
    return this.#shown;
  }

  entityTag(): string | undefined {
    return this.#shown && entityTagOf(this.#shown);
  }

  content(): Content | undefined {
    if (this.#shown === undefined) return undefined;
    const headers = [[AORTA_STATE_EPOCH, formatBallot(this.#shown.said)]] as const;
    return { ...documentContent(this.#shown), headers };
  }

  mayShow(subscriber: Subscriber): boolean {
    const epoch = this.check();
    return epoch !== undefined && subscriber.kind === "peer" && sameBallot(epoch, subscriber.epoch);
  }

  ended(subscription: Subscription): void {
    const { subscriber } = subscription;
    if (subscriber.kind === "peer" && this.#peers.get(subscriber.server) === subscription)
      this.#peers.delete(subscriber.server);
    this.#listener.peersChanged();
    this.#listener.subscriptionEnded(subscription);
  }

  /** Publications are dropped, but not from the disk, and other servers sent away: both belong to the ownership that is over. Idempotent. */
  lose(): void {
    if (this.#ownership === undefined) return;
    this.#ownership = undefined;
    this.#shown = undefined;
    this.#releaseAtMs = undefined;
    this.endPeers();
    this.#listener.lost();
  }

  /** Sends the other servers away: they find the user's next owner, or this server again. */
  endPeers(): void {
    for (const peer of this.#peers.values()) peer.terminate("deactivated");
  }

  nextWakeMs(): number | undefined {
    const next = Math.min(this.#ownership?.presence.nextWakeMs() ?? Infinity, this.#releaseAtMs ?? Infinity);
    return next === Infinity ? undefined : next;
  }

  tick(nowMs: number): void {
    const ownership = this.#check();
    if (ownership === undefined) return;
    const before = ownership.presence.publications;
    ownership.presence.tick(nowMs);
    this.#keep(ownership, before);
    this.#changed(ownership);
    if (before.length > 0 && ownership.presence.isEmpty) this.#releaseLater();
    if (this.#releaseAtMs !== undefined && nowMs >= this.#releaseAtMs) this.#release();
  }

  #check(): Ownership | undefined {
    const epoch = servingEpoch(this.#context.locator, this.aor);
    const known = this.#ownership;
    const since = epoch && this.#context.locator.ownedSince(this.aor);
    if (known !== undefined && (since === undefined || !sameBallot(since, known.since))) this.lose();
    if (epoch === undefined || since === undefined) return undefined;
    if (this.#ownership === undefined) this.#own(epoch, since);
    else if (!sameBallot(epoch, this.#ownership.epoch)) this.#goOn(this.#ownership, epoch);
    return this.#ownership;
  }

  /** Under a higher epoch: the user's state stays, the dialogs of the lower one are over. */
  #goOn(ownership: Ownership, epoch: Epoch): void {
    ownership.epoch = epoch;
    ownership.epochAtMs = this.#nowMs();
    this.endPeers();
    this.#listener.owned(epoch);
  }

  #own(epoch: Epoch, since: Epoch): void {
    const { times, publications: journal } = this.#context;
    const publications = journal.read(this.aor);
    const { publication: expiry, openingMs } = times;
    const presence = new OwnPresence(
      { presentity: this.aor, expiry, openingMs, contacts: this.#contacts(), publications },
      this.#nowMs(),
    );
    const said = publications.length === 0 ? undefined : journal.epochOf(this.aor);
    const rested = new Set(publications.map(({ key }) => key));
    const ownership = { since, epoch, epochAtMs: this.#nowMs(), presence, said, rested };
    this.#ownership = ownership;
    this.#keep(ownership, publications);
    this.#listener.owned(epoch);
    this.#changed(ownership);
  }

  #changed(ownership: Ownership): void {
    const { presence } = ownership;
    if (!presence.isEmpty) this.#releaseAtMs = undefined;
    const body = presence.document();
    if (body === undefined || (this.#shown !== undefined && Buffer.compare(this.#shown.body, body) === 0)) return;
    this.#versions += 1;
    const contacts = this.#context.contacts.contactsOf(this.aor);
    const said = newestOf([ownership.said, ...contacts.map(({ epoch }) => epoch)]) ?? ownership.epoch;
    ownership.said = said;
    this.#shown = { standing: "active", version: this.#versions, body, said };
    this.#context.fanOut.tell(this.#peers.values());
    this.#listener.composed(this.#shown);
  }

  /** Under the epoch at which the client said it: to learn whose it is makes a publication no newer. */
  #keep({ presence, said, epoch }: Ownership, before: readonly Publication[]): void {
    this.#context.publications.replace(this.aor, before, presence.publications, said ?? epoch);
  }

  /** Not at once: a REGISTER that renews the ownership may be under way. */
  #releaseLater(): void {
    this.#releaseAtMs ??= this.#nowMs() + this.#context.times.releaseAfterMs;
  }

  #release(): void {
    this.#releaseAtMs = undefined;
    // A contact that SIP does not reach shows nothing, and has the user all the same.
    const { contacts } = this.#context;
    if (contacts.registrationsOf(this.aor).length + contacts.reconnecting(this.aor).length > 0) return;
    this.#context.counters.add("presence.users_released");
    this.#context.locator.release(this.aor).catch((error: unknown) => {
      this.#context.logger.warn({ aor: this.aor, err: error }, "a user of whom nothing is left could not be released");
    });
  }

  #contacts(): PresentContact[] {
    const { contacts } = this.#context;
    const present = [...contacts.contactsOf(this.aor), ...contacts.reconnecting(this.aor)];
    return present.map(({ uri, instance, twin, flow, path, origin }) => ({
      uri,
      device: instance || (twin ?? uri),
      [(origin?.isRelayed ?? path !== undefined) ? "relayedBy" : "path"]: pathOf(flow),
      origin: origin?.name,
    }));
  }

  #nowMs(): number {
    return this.#context.clock.monotonicMs();
  }
}
