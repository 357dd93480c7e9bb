import type { Aor } from "../../dht-schema/aor.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import type { ClaimMode, Locator, OwnershipLost } from "../federation/locator.ts";
import { notOwner } from "../federation/aorta-headers.ts";
import type { Refusal } from "../federation/refusal.ts";
import { servingEpoch } from "../federation/serving-epoch.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ExpiryRules } from "../runtime/expiry-rules.ts";
import { DEFAULT_EXPIRY } from "../runtime/expiry-rules.ts";
import { limits } from "../runtime/limits.ts";
import { LineLimit } from "../runtime/line-limit.ts";
import type { Counters } from "../runtime/metrics.ts";
import { isSipUri } from "../sip/message/uri.ts";
import type { Flow, IncomingRequest } from "../sip/stack.ts";
import { applyOrder } from "./apply-order.ts";
import type { Binding, Change, RegisterOrder } from "./binding.ts";
import { addsContact, binds, isSameBinding } from "./binding.ts";
import { BindingTable } from "./binding-table.ts";
import { admit, judgeClaim } from "./claim-policy.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { leftBehind } from "./left-behind.ts";
import { withoutConnection } from "./without-connection.ts";
import type { RegisteringClient } from "./read-register.ts";
import { readRegister } from "./read-register.ts";
import {
  acceptance,
  INAPPLICABLE,
  MOVED,
  NOT_STORED,
  notRemoved,
  redirection,
  refusal,
  RETRY_LATER,
} from "./answers.ts";
import { serverAnswer } from "./server-answer.ts";
import type { Registrar, RegistrarComponents, RegistrarOptions, RegistrarStatus } from "./registrar.ts";
import { PatientClaims } from "./patient-claims.ts";
import type { ChangeListener, RegistrationListener } from "./registration-news.ts";
import { RegistrationNews } from "./registration-news.ts";
import { Reconnecting } from "./reconnecting.ts";
import type { RegisteredContact, RegistrationChange, UsersAtContact } from "./registered-contacts.ts";
import { hasComeBack } from "./registered-elsewhere.ts";
import { RestingUsers } from "./resting-users.ts";
import { ShedJournal } from "./shed-journal.ts";
import { usersAt } from "./users-at.ts";
import { replacedIn } from "./shed-registrations.ts";
import { ContactJournal } from "./contact-journal.ts";
import type { Instant } from "./stored-binding.ts";
import { WriteFailures } from "../storage/write-failures.ts";

const SWEEP_MS = 1000;

/** Joins the registrar's cores to SIP, the locator, the store and the clock. */
export function createRegistrar(components: RegistrarComponents, options: RegistrarOptions = {}): Registrar {
  return new RegistrarDriver(components, options);
}

class RegistrarDriver implements Registrar {
  readonly #parts: RegistrarComponents;
  readonly #locator: Locator;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #placeOf: (flow: Flow) => string | undefined;
  readonly #journal: ContactJournal;
  readonly #table = new BindingTable();
  readonly #shed: ShedJournal;
  readonly #options: Required<RegistrarOptions> & { readonly expiry: ExpiryRules };
  readonly #claims: PatientClaims;
  readonly #queue = new KeyedQueue<Aor>();
  readonly #resting: RestingUsers;
  readonly #news = new RegistrationNews();
  readonly #reconnecting: Reconnecting;
  readonly #shedLines = new LineLimit(limits.node.clientLinesPerSecond);
  #state: "new" | "running" | "stopped" = "new";
  #cancelSweep = (): void => {};
  #unsubscribe = (): void => {};

  constructor(components: RegistrarComponents, options: RegistrarOptions) {
    this.#parts = components;
    this.#locator = components.locator;
    this.#claims = new PatientClaims(components);
    this.#resting = new RestingUsers({
      ...components,
      ...{ table: this.#table, queue: this.#queue, claims: this.#claims },
      taken: (aor) => (this.#resting.has(aor) ? this.#news.tell(aor) : this.#releaseSoon(aor)),
      superseded: (aor) => this.#shedResting(aor),
    });
    this.#clock = components.clock;
    this.#counters = components.counters;
    this.#placeOf = components.placeOf ?? (() => undefined);
    const { policy = "takeover", expiry, maxContacts = limits.registrar.contactsPerAor } = options;
    this.#options = { policy, expiry: { ...DEFAULT_EXPIRY, ...expiry }, maxContacts };
    this.#reconnecting = new Reconnecting(maxContacts);
    this.#journal = new ContactJournal(components);
    this.#shed = new ShedJournal(components.shed, new WriteFailures(components), limits.registrar.shedRegistrations);
  }

  start(): void {
    if (this.#state !== "new") return;
    this.#state = "running";
    const stopListening = [
      this.#locator.onLost((lost) => this.#lost(lost)),
      this.#parts.links.onUp(() => this.#resting.hasten()),
    ];
    this.#unsubscribe = () => stopListening.forEach((stop) => stop());
    for (const [aor, bindings] of this.#journal.restore(this.#options.expiry.maxSeconds)) {
      this.#table.set(aor, bindings);
      this.#resting.add(aor);
    }
    for (const aor of this.#parts.resting().aors()) this.#resting.add(aor);
    this.#shed.restore(this.#now(), this.#options.expiry.maxSeconds);
    this.#sweep();
  }

  stop(): void {
    this.#state = "stopped";
    this.#resting.stop();
    this.#cancelSweep();
    this.#unsubscribe();
  }

  contactsOf(aor: Aor): readonly RegisteredContact[] {
    return this.#isServed(aor) ? this.registrationsOf(aor).filter(({ uri }) => isSipUri(uri)) : [];
  }

  usersAt(contactUri: string): UsersAtContact {
    return usersAt(contactUri, this.#table.aorsNear(contactUri), {
      contactsOf: (aor) => this.contactsOf(aor),
      isResting: (aor) => this.isResting(aor),
    });
  }

  onChange(listener: ChangeListener): () => void {
    return this.#news.onChange(listener);
  }

  reconnecting(aor: Aor): readonly RegisteredContact[] {
    return this.#isServed(aor) ? this.#reconnecting.of(aor).filter(({ uri }) => isSipUri(uri)) : [];
  }

  registrationsOf(aor: Aor): readonly Binding[] {
    return this.#table.get(aor, this.#clock.monotonicMs());
  }

  removeContacts(aor: Aor, uri?: string): Promise<readonly string[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
    const isRemoved = (binding: Binding) => uri === undefined || binding.uri === uri;
    const change = (): Change => {
      const before = this.registrationsOf(aor);
      return { before, after: before.filter((binding) => !isRemoved(binding)), isOwned: this.#isServed(aor) };
    };
    const conclude = ({ before, after }: Change, isKept: boolean): void => {
      if (!isKept) return reject(notRemoved(aor));
      const removed = before.filter(isRemoved);
      this.#counters.add("registrar.removed", removed.length);
      this.#table.set(aor, after);
      this.#changed(aor, before, after, "deactivated");
      resolve(removed.map((binding) => binding.uri));
    };
    this.#queue.run(aor, () => this.#journal.keep(aor, change, conclude));
    return promise;
  }

  isResting(aor: Aor): boolean {
    return this.#resting.isResting(aor);
  }

  isSettling(aor: Aor): boolean {
    return this.#queue.isBusy(aor) && this.isResting(aor);
  }

  registering(aor: Aor): Promise<void> | undefined {
    // What waits leaves room for REGISTERs.
    const isUnderWay = this.#queue.isBusy(aor) && this.#queue.waiting(aor) < limits.registrar.pendingPerAor / 2;
    if (!isUnderWay || this.contactsOf(aor).length > 0) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#parts.timers.after(limits.registrar.registeringMs, resolve);
    this.#queue.run(aor, resolve);
    return promise.then(cancel);
  }

  settle(aor: Aor): Promise<boolean> {
    if (!this.isResting(aor)) return Promise.resolve(true);
    if (this.#state !== "running" || this.#queue.waiting(aor) >= limits.registrar.pendingPerAor)
      return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#queue.run(aor, () => this.#resting.settle(aor).then(resolve));
    return promise;
  }

  onRegistration(listener: RegistrationListener): () => void {
    return this.#news.onRegistration(listener);
  }

  status(): RegistrarStatus {
    return { users: this.#table.aors, contacts: this.#table.contacts, reclaiming: this.#resting.size };
  }

  handleRegister(incoming: IncomingRequest, aor: Aor, client?: RegisteringClient): void {
    const order = readRegister(incoming.request, incoming.flow, this.#options.expiry, client);
    if ("status" in order) return this.#refuse(incoming, order);
    if (this.#queue.waiting(aor) >= limits.registrar.pendingPerAor) return this.#refuse(incoming, RETRY_LATER);
    this.#queue.run(aor, () => this.#register(incoming, aor, order));
  }

  handleServerQuery(incoming: IncomingRequest, aor: Aor): void {
    const epoch = this.#isServed(aor) ? (this.#resting.newestEpoch(aor) ?? this.#locator.owned(aor)) : undefined;
    if (epoch === undefined) return this.#refuse(incoming, notOwner(aor, this.#locator));
    incoming.respond(serverAnswer(incoming.request, epoch, this.registrationsOf(aor)));
  }

  handleFlowClosed(flow: Flow): void {
    // Where one server takes no users from another, to keep them would keep them from where they connect anew.
    const waitMs = this.#options.policy === "takeover" ? limits.registrar.reconnectMs : 0;
    this.#flowClosed(flow, this.#clock.monotonicMs() + waitMs);
  }

  /** @param untilMs clients that can only be reached over it may make another connection until then */
  #flowClosed(flow: Flow, untilMs: number): void {
    if (flow.transport === "MESH" || flow.connection === undefined) return;
    for (const aor of this.#table.aorsOn(flow.connection)) {
      const before = this.registrationsOf(aor);
      const after = withoutConnection(before, flow.connection);
      const lost = before.filter((old) => !after.some((binding) => isSameBinding(binding, old)));
      if (untilMs > this.#clock.monotonicMs()) this.#reconnecting.add(aor, lost, untilMs);
      this.#table.set(aor, after);
      this.#journal.replace(aor, before, after);
      this.#changed(aor, before, after, "deactivated");
    }
  }

  /** Runs in the queue of the AoR. Takes one turn of the event loop unless the user must be claimed or looked up. */
  #register(incoming: IncomingRequest, aor: Aor, order: RegisterOrder): void | Promise<void> {
    if (this.#state !== "running") return this.#refuse(incoming, RETRY_LATER);
    // Refused before the user is claimed: a request that cannot succeed must not move anybody.
    const refusal = this.#trial(aor, order);
    if (refusal !== undefined) return this.#refuse(incoming, refusal);
    if (this.#isMoveWithin(aor, order)) return this.#moveWithin(incoming, aor, order);
    // What rests here may be out of date: that comes to light before something new is said.
    if (binds(order) && this.isResting(aor)) return this.#settleAndRegister(incoming, aor, order);
    return this.#admit(incoming, aor, order);
  }

  async #settleAndRegister(incoming: IncomingRequest, aor: Aor, order: RegisterOrder): Promise<void> {
    const isSettled = await this.#resting.settle(aor);
    if (!isSettled || this.#state !== "running") return this.#refuse(incoming, RETRY_LATER);
    return this.#admit(incoming, aor, order);
  }

  #admit(incoming: IncomingRequest, aor: Aor, order: RegisterOrder): void | Promise<void> {
    const admission = admit(order, {
      owned: this.#isServed(aor),
      shed: this.#isRefreshOfLost(aor, order.callId),
      policy: this.#options.policy,
    });
    switch (admission.kind) {
      case "apply":
        return this.#apply(incoming, aor, order);
      case "claim":
        return this.#claimAndApply(incoming, aor, order, admission.mode);
      case "locate":
        return this.#answerFromOwner(incoming, aor, order);
    }
  }

  #trial(aor: Aor, order: RegisterOrder): Refusal | undefined {
    const nowMs = this.#clock.monotonicMs();
    const result = applyOrder(this.#table.get(aor, nowMs), order, nowMs, this.#options.maxContacts);
    if (result.kind !== "applied") return INAPPLICABLE[result.kind];
    if (binds(order) && !this.#isServed(aor) && !this.#parts.group.isWritable()) return NOT_STORED;
    const isOneMore = binds(order) && !this.#table.has(aor);
    return isOneMore && this.#table.aors >= limits.registrar.aors ? RETRY_LATER : undefined;
  }

  /** A registration whose user was lost since: shed, or kept until the user can be claimed again. */
  #isRefreshOfLost(aor: Aor, callId: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    return (
      this.#shed.has(aor, callId, nowMs) || this.#table.get(aor, nowMs).some((binding) => binding.callId === callId)
    );
  }

  /** Whether a user who is owned here comes from a server without a node to a client of this one, or the other way. */
  #isMoveWithin(aor: Aor, order: RegisterOrder): boolean {
    if (order.kind !== "bind" || !binds(order) || !this.#isServed(aor)) return false;
    const [present] = this.#table.get(aor, this.#clock.monotonicMs());
    return present !== undefined && this.#placeOf(present.flow) !== this.#placeOf(order.flow);
  }

  /** As a move between two servers of the mesh: all that belongs to the old place ends with the ownership. */
  async #moveWithin(incoming: IncomingRequest, aor: Aor, order: RegisterOrder): Promise<void> {
    const isRefresh = this.#shed.has(aor, order.callId, this.#clock.monotonicMs());
    if (isRefresh || this.#options.policy !== "takeover") return this.#refuse(incoming, MOVED);
    this.#counters.add("registrar.moved_within");
    await this.#claims.release(aor);
    return this.#claimAndApply(incoming, aor, order, "take-over");
  }

  async #claimAndApply(incoming: IncomingRequest, aor: Aor, order: RegisterOrder, mode: ClaimMode): Promise<void> {
    let outcome = await this.#claims.claim(aor, mode);
    const { askRegistration: ask } = this.#parts;
    const mayTakeOver = this.#options.policy === "takeover";
    if (mayTakeOver && (await hasComeBack(outcome, aor, order, { ask, shed: this.#shed })))
      outcome = await this.#claims.claim(aor, "take-over");
    if (this.#state !== "running") return this.#refuse(incoming, RETRY_LATER);
    const verdict = judgeClaim(outcome.kind, {
      owned: this.#isServed(aor),
      handedOver: this.#locator.forwardingNote(aor) !== undefined,
      policy: this.#options.policy,
    });
    // What rests here is older than what was said there.
    if (outcome.kind === "owned-elsewhere" || (outcome.kind === "owned" && outcome.from !== undefined))
      this.#shedResting(aor);
    switch (verdict.kind) {
      case "apply":
        return this.#apply(incoming, aor, order);
      case "retry-later":
        return this.#refuse(incoming, RETRY_LATER);
      case "forbid":
        this.#noteShed(aor, order);
        return this.#refuse(incoming, MOVED);
      case "redirect": {
        const owner = outcome.kind === "owned-elsewhere" ? outcome.owner : this.#locator.forwardingNote(aor)?.server;
        return this.#refuse(incoming, await this.#redirection(owner));
      }
    }
  }

  /** A query at a server that does not own the user. */
  async #answerFromOwner(incoming: IncomingRequest, aor: Aor, order: RegisterOrder): Promise<void> {
    const location = await this.#claims.locate(aor);
    switch (location.kind) {
      case "here":
      case "nobody":
        return this.#apply(incoming, aor, order);
      case "server":
        return this.#refuse(incoming, await this.#redirection(location.server));
      case "unavailable":
        return this.#refuse(incoming, RETRY_LATER);
    }
  }

  /** Applies an order at the end of this turn of the event loop, and answers it when it is stored or cannot be. */
  #apply(incoming: IncomingRequest, aor: Aor, order: RegisterOrder): Promise<void> {
    return this.#journal.keep<Refusal>(
      aor,
      () => this.#changeBy(aor, order),
      (change, isKept) => {
        if ("status" in change) return this.#refuse(incoming, change);
        if (isKept || !addsContact(change)) return this.#conclude(incoming, aor, order, change);
        this.#refuse(incoming, NOT_STORED);
        // The user may have been claimed for it.
        if (!this.#table.has(aor)) this.#releaseSoon(aor);
      },
    );
  }

  #changeBy(aor: Aor, order: RegisterOrder): Change | Refusal {
    const nowMs = this.#clock.monotonicMs();
    const isOwned = this.#isServed(aor);
    // Never a 200 that binds without owning the user at this instant.
    if (binds(order) && !isOwned) return RETRY_LATER;
    const before = this.#table.get(aor, nowMs);
    const result = applyOrder(before, order, nowMs, this.#options.maxContacts, this.#locator.owned(aor));
    return result.kind === "applied" ? { isOwned, before, after: result.bindings } : INAPPLICABLE[result.kind];
  }

  #conclude(incoming: IncomingRequest, aor: Aor, order: RegisterOrder, { isOwned, before, after }: Change): void {
    // The disk may have taken its time.
    if (isOwned && !this.#isServed(aor)) {
      this.#journal.replace(aor, after, before);
      return this.#refuse(incoming, RETRY_LATER);
    }
    this.#shed.forget(aor, order.callId);
    const isServer = order.kind === "bind" && this.#placeOf(order.flow) !== undefined;
    if (isServer) this.#shed.add(aor, replacedIn(before, after), this.#now());
    this.#table.set(aor, after);
    this.#reconnecting.back(aor, after);
    if (isOwned) this.#resting.done(aor);
    this.#counters.add("registrar.accepted");
    incoming.respond(acceptance(incoming.request, order, isOwned ? after : [], this.#now()));
    this.#changed(aor, before, after, "unregistered");
    // It may have closed while the user was claimed: a client that was never there is not waited for.
    if (order.kind === "bind" && this.#parts.stack.hasClosed(order.flow)) this.#flowClosed(order.flow, 0);
    if (!isServer) for (const flow of leftBehind(before, order, this.#table)) this.#parts.stack.close(flow);
  }

  #refuse(incoming: IncomingRequest, why: Refusal): void {
    this.#counters.add(`registrar.refused.${why.status}`);
    incoming.respond(refusal(incoming.request, why));
  }

  async #redirection(owner: ServerId | undefined): Promise<Refusal> {
    return redirection(owner === undefined ? [] : await this.#parts.addressesOf(owner));
  }

  #noteShed(aor: Aor, order: RegisterOrder): void {
    if (order.kind !== "bind") return;
    const expiresSeconds = Math.max(...order.contacts.map((contact) => contact.expiresSeconds));
    const expiresAtMs = this.#clock.monotonicMs() + expiresSeconds * 1000;
    this.#shed.add(aor, [{ callId: order.callId, cseq: order.cseq, expiresAtMs }], this.#now());
  }

  /** This server has stopped owning a user; runs in the same turn of the event loop. */
  #lost(lost: OwnershipLost): void {
    const { aor, reason } = lost;
    this.#reconnecting.forget(aor);
    if (reason !== "expired") return this.#shedAll(aor);
    if (!this.#resting.has(aor)) return;
    // Nobody asked for the user, the directory could not be reached: the contacts rest until the user is claimed again.
    this.#counters.add("registrar.suspended");
    this.#resting.add(aor);
    this.#news.tell(aor);
  }

  #shedResting(aor: Aor): void {
    this.#shedAll(aor);
    this.#parts.resting().shed(aor);
  }

  /** The user is on another server: what registered here is registered no more. */
  #shedAll(aor: Aor): void {
    this.#resting.done(aor);
    if (!this.#table.has(aor)) return;
    const bindings = this.#table.get(aor, this.#clock.monotonicMs());
    this.#shed.add(aor, bindings, this.#now());
    this.#table.set(aor, []);
    this.#journal.removeAll(aor);
    this.#counters.add("registrar.shed", bindings.length);
    const leftOut = this.#shedLines.take(this.#clock.monotonicMs());
    if (leftOut !== undefined)
      this.#parts.logger.info(
        { aor, contacts: bindings.length, ...leftOut },
        "user went to another server, contacts shed",
      );
    for (const binding of bindings) this.#news.tellOf(aor, binding, "deactivated");
    this.#news.tell(aor);
  }

  /** @param ending how the bindings have ended that are there no more */
  #changed(aor: Aor, before: readonly Binding[], after: readonly Binding[], ending: RegistrationChange): void {
    this.#news.tellChange(aor, before, after, ending);
    if (after.length === 0) this.#releaseSoon(aor);
  }

  /** Lets go of a user without contacts and publications, after what is being done for them. */
  #releaseSoon(aor: Aor): void {
    // A publication may rest without contacts.
    if (!this.#resting.has(aor)) this.#resting.done(aor);
    if (this.#locator.owned(aor) === undefined) return;
    this.#queue.run(aor, async () => {
      const isNeeded = this.#table.has(aor) || this.#reconnecting.has(aor) || this.#parts.hasPublications(aor);
      if (this.#state !== "running" || isNeeded) return;
      this.#counters.add("registrar.released");
      await this.#claims.release(aor);
    });
  }

  /** Once a second, or sooner where more has expired than one turn of the event loop looks at: forget it, and claim users again whose contacts rest. */
  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    const { expiredAtOnce } = limits.registrar;
    const ended = this.#table.expire(nowMs, expiredAtOnce);
    for (const [aor, expired] of ended) {
      this.#counters.add("registrar.expired", expired.length);
      this.#journal.remove(aor, expired);
      for (const binding of expired) this.#news.tellOf(aor, binding, "expired");
      this.#news.tell(aor);
      if (!this.#table.has(aor)) this.#releaseSoon(aor);
    }
    for (const aor of this.#reconnecting.expire(nowMs)) {
      this.#news.tell(aor);
      if (!this.#table.has(aor) && !this.#reconnecting.has(aor)) this.#releaseSoon(aor);
    }
    this.#shed.expire(this.#now());
    this.#resting.reclaimDue();
    this.#cancelSweep = this.#parts.timers.after(ended.size < expiredAtOnce ? SWEEP_MS : 0, () => this.#sweep());
  }

  #isServed(aor: Aor): boolean {
    return servingEpoch(this.#locator, aor) !== undefined;
  }

  #now(): Instant {
    return { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() };
  }
}
