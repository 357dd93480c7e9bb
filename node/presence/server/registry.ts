import type { Aor } from "../../../dht-schema/aor.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { isSameBinding } from "../../registrar/binding.ts";
import type { Registration, RegistrationChange } from "../../registrar/registered-contacts.ts";
import { Tally } from "../../runtime/tally.ts";
import { sameUriAs } from "../../sip/message/uri.ts";
import { PRESENCE_EVENT } from "../answer.ts";
import type { BackendCall } from "./backend-call.ts";
import type { PresenceContext } from "./presence-context.ts";
import type { ListHost } from "./list-subject.ts";
import type { PresentityHost } from "./presentity.ts";
import { RegistrationInfo } from "./registration-info.ts";
import { Presentity } from "./presentity.ts";
import type { Subscription } from "./subscription.ts";

/** Let go of in one turn of the event loop: so many, or as many as there is time for. Other servers give up a link on which they hear nothing for 1.5 s, and with it what is still to be said on it; and what they answer makes room. */
const A_TURN = { atMost: 2000, ms: 25 };

/** What one NOTIFY with `probation` says to a server holds for all users there; that one may be lost, or come after the dialog it is in. */
const WORDS_TO_A_SERVER = 32;

/** Finds presentities by user, and dialogs by our tag, which no two dialogs share. */
export class Registry implements PresentityHost, ListHost {
  readonly presentities = new Map<Aor, Presentity>();
  readonly #context: PresenceContext;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #calls = new Map<string, BackendCall>();
  /** Clients' subscriptions, by the user who subscribed. */
  readonly #byUser = new Map<Aor, Set<Subscription>>();
  readonly #listMembers = new Tally<Aor>();
  readonly #registrations = new Map<Aor, RegistrationInfo>();
  #onDrained: (() => void) | undefined;

  constructor(context: PresenceContext) {
    this.#context = context;
  }

  /** Dialogs of subscribers. */
  get subscriptionCount(): number {
    return this.#subscriptions.size;
  }

  /** Of these, those that are a user's. */
  subscriptionsOf(user: Aor): number {
    return this.#byUser.get(user)?.size ?? 0;
  }

  /** Users that clients watch by their lists, counted list by list. */
  get listMemberCount(): number {
    return this.#listMembers.total;
  }

  /** Of these, those on lists that a user watches. */
  listMembersOf(user: Aor): number {
    return this.#listMembers.of(user);
  }

  listMembersChanged(user: Aor, by: number): void {
    this.#listMembers.add(user, by);
  }

  /** The presentity of a user; a new one keeps itself only if something is added to it. */
  presentity(aor: Aor): Presentity {
    let presentity = this.presentities.get(aor);
    if (presentity === undefined) {
      presentity = new Presentity(this.#context, this, aor);
      this.presentities.set(aor, presentity);
    }
    return presentity;
  }

  /** The subject of subscriptions to a user's registrations. */
  registrations(aor: Aor): RegistrationInfo {
    let info = this.#registrations.get(aor);
    if (info === undefined) {
      info = new RegistrationInfo(this.#context, aor, (subscription) => {
        if (this.#registrations.get(aor)?.isIdle === true) this.#registrations.delete(aor);
        this.subscriptionEnded(subscription);
      });
      this.#registrations.set(aor, info);
    }
    return info;
  }

  registrationChanged(aor: Aor, registration: Registration, change: RegistrationChange): void {
    this.#registrations.get(aor)?.changed(registration, change);
    const ofUser = this.#byUser.get(aor);
    if (ofUser === undefined) return;
    const contacts = this.#context.contacts.contactsOf(aor);
    const contact = contacts.find((each) => isSameBinding(each, registration));
    if (contact === undefined) return;
    const isSame = sameUriAs(contact.uri);
    const hasTwin = contacts.some((each) => each !== contact && isSame(each.uri));
    for (const subscription of ofUser) subscription.registered(contact, { isSame, hasTwin });
  }

  /** What a user published here before they were on another server is over. */
  shedRested(aor: Aor): void {
    const presentity = this.presentities.get(aor);
    if (presentity?.check() !== undefined) presentity.dropRested();
    else this.#context.publications.shed(aor);
  }

  subscription(localTag: string): Subscription | undefined {
    return this.#subscriptions.get(localTag);
  }

  call(localTag: string): BackendCall | undefined {
    return this.#calls.get(localTag);
  }

  subscriptionStarted(subscription: Subscription): void {
    this.#subscriptions.set(subscription.localTag, subscription);
    const { subscriber } = subscription;
    if (subscriber.kind !== "watcher") return;
    const ofUser = this.#byUser.get(subscriber.aor);
    if (ofUser === undefined) this.#byUser.set(subscriber.aor, new Set([subscription]));
    else ofUser.add(subscription);
  }

  subscriptionEnded(subscription: Subscription): void {
    const { localTag, subscriber } = subscription;
    this.#subscriptions.delete(localTag);
    if (subscriber.kind === "watcher") {
      const ofUser = this.#byUser.get(subscriber.aor);
      ofUser?.delete(subscription);
      if (ofUser?.size === 0) this.#byUser.delete(subscriber.aor);
    }
    if (this.#subscriptions.size === 0) this.#onDrained?.();
  }

  callStarted(call: BackendCall): void {
    this.#calls.set(call.localTag, call);
  }

  callEnded(call: BackendCall): void {
    this.#calls.delete(call.localTag);
  }

  /** The link to a server is there again. */
  linkUp(server: ServerId): void {
    const { restarts, clock, times } = this.#context;
    // Of tens of thousands of users the last is told seconds later: until then the grace of some would be over.
    restarts.set(server, clock.monotonicMs() + times.backend.restoreGraceMs);
    const known = [...this.presentities.values()];
    void this.#inTurns(known, (presentity) => {
      if (this.presentities.get(presentity.aor) === presentity) presentity.linkUp(server);
    });
  }

  emptied(presentity: Presentity): void {
    if (this.presentities.get(presentity.aor) === presentity) this.presentities.delete(presentity.aor);
  }

  /**
   * Leaves clients' subscriptions on disk for the next run: the server may be back in a moment, and then nobody's clients have noticed anything. A
   * server that leaves for good ends them.
   * @param untilMs they are written as they are until then; the rest is on disk as it was set aside
   */
  letGo(forGood: boolean, untilMs: number): Promise<void> {
    return this.#inTurns(this.#subscriptions.values(), (subscription) => {
      if (subscription.subscriber.kind === "peer") return;
      if (forGood) return subscription.terminate("deactivated");
      subscription.suspend({ exactly: this.#context.clock.monotonicMs() < untilMs });
      this.#subscriptions.delete(subscription.localTag);
    });
  }

  /**
   * Tells the servers that watch users here that this one goes, and ends its own subscriptions at theirs, as many as there is time for; resolves when they have heard of it. One that leaves for good ends
   * all of theirs, too. Another says of a few that it will be back, and forgets the rest without a word.
   */
  async leave(forGood: boolean, untilMs: number): Promise<void> {
    const told = new Tally<ServerId>();
    await this.#inTurns(
      this.#subscriptions.values(),
      (subscription) => {
        const { subscriber, subject } = subscription;
        if (subscriber.kind !== "peer") return;
        if (forGood) return subscription.terminate("deactivated");
        if (subject.event === PRESENCE_EVENT && told.of(subscriber.server) >= WORDS_TO_A_SERVER)
          return subscription.abandon();
        told.add(subscriber.server, 1);
        subscription.terminate("probation");
      },
      untilMs,
    );
    await this.#inTurns(this.presentities.values(), (presentity) => presentity.drain(), untilMs);
    if (this.#subscriptions.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onDrained = resolve;
    });
  }

  async #inTurns<Item>(items: Iterable<Item>, act: (item: Item) => void, untilMs = Infinity): Promise<void> {
    const { clock, timers } = this.#context;
    let left = A_TURN.atMost;
    let turnUntilMs = clock.monotonicMs() + A_TURN.ms;
    for (const item of items) {
      if (left === 0 || clock.monotonicMs() >= turnUntilMs) {
        await new Promise<void>((resolve) => timers.after(0, resolve));
        const nowMs = clock.monotonicMs();
        if (nowMs >= untilMs) return;
        left = A_TURN.atMost;
        turnUntilMs = nowMs + A_TURN.ms;
      }
      left -= 1;
      act(item);
    }
  }
}
