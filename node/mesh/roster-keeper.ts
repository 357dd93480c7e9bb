import { generateKeyPair, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";
import type { Roster } from "../../dht-schema/roster.ts";
import { isNewerRoster, openRoster, rosterDigest, signRoster } from "../../dht-schema/roster.ts";
import { DAMAGE_ADVICE } from "../runtime/damage-advice.ts";
import { OperationalError, assert } from "../runtime/errors.ts";
import type { Clock } from "../runtime/clock.ts";
import { systemClock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import type { Settings } from "../storage/ports.ts";
import type { FormerServer } from "./former-servers.ts";
import { FormerServers } from "./former-servers.ts";
import { loadDomainKey, readCounter, writeCounter } from "./identity.ts";
import { setting } from "./settings-names.ts";
import { VoterContact } from "./voter-contact.ts";

/** What belonging to a domain means: its public key, and a roster that key has signed. */
interface Membership {
  readonly domainPublicKey: Uint8Array;
  readonly domainKey: PrivateKey | undefined;
  readonly roster: Roster;
  readonly signed: Uint8Array;
}

/**
 * What became of a roster that a peer pushed. `promised`: it is newer, but another server, which is taking the steward's role
 * over, was promised that nothing below its own first roster would be taken.
 */
export type RosterVerdict = "accepted" | "known" | "older" | "conflict" | "promised";

/** What became of the request to promise a version. */
export type PromiseVerdict = "promised" | "too-low";

/** By whom a roster came into force: by this server, or by a peer that pushed it. */
export type RosterOrigin = "here" | "peer";

/** Holds the roster in force: verified, and stored before it takes effect. One change at a time. */
export class RosterKeeper {
  readonly #settings: Settings;
  readonly #self: string;
  readonly #contact: VoterContact;
  readonly #listeners = new Set<(roster: Roster, origin: RosterOrigin) => void>();
  readonly #former: FormerServers;
  #membership: Membership | undefined;
  #servers: ReadonlySet<string> = new Set();
  #digest = 0;
  /** No roster of a lower version is taken or made any more. */
  #floor = 0;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param self peer id of this server; without it, rosters can only be read */
  constructor(settings: Settings, self = "", contact = new VoterContact(self), clock: Clock = systemClock) {
    this.#former = new FormerServers(settings, clock);
    this.#settings = settings;
    this.#self = self;
    this.#contact = contact;
  }

  /** Restores what is stored; false when this node is not yet a member. @throws {OperationalError} `DAMAGED_ROSTER`, `DAMAGED_KEY` */
  async load(): Promise<boolean> {
    const signed = this.#settings.get(setting.roster);
    if (signed === undefined) return false;
    const domainPublicKey = this.#settings.get(setting.domainPublicKey);
    try {
      if (domainPublicKey?.length !== 32) throw new Error("the domain's public key is missing");
      const roster = await openRoster(signed, domainPublicKey);
      this.#former.load();
      this.#floor = readCounter(this.#settings, setting.rosterFloor);
      this.#hold({ domainPublicKey, domainKey: loadDomainKey(this.#settings), roster, signed });
    } catch (cause) {
      if (cause instanceof OperationalError) throw cause;
      throw new OperationalError("DAMAGED_ROSTER", `the stored roster is damaged. ${DAMAGE_ADVICE}`, { cause });
    }
    return true;
  }

  /** Makes a domain: its key and its first roster. */
  async found(roster: Roster): Promise<void> {
    assert(this.#membership === undefined, "founding a domain while belonging to one");
    const domainKey = await generateKeyPair("Ed25519");
    const signed = await signRoster(roster, domainKey);
    this.#store({ domainPublicKey: domainKey.publicKey.raw, domainKey, roster, signed }, "here");
  }

  /**
   * Takes part in the domain that a join opened: one that this server never belonged to, or was taken out of.
   * @throws {SchemaError} when the domain's key has not signed the roster
   */
  async adopt(domainPublicKey: Uint8Array, signed: Uint8Array, domainKey: PrivateKey | undefined): Promise<void> {
    assert(!this.isServer(this.#self), "joining a domain while belonging to one");
    const roster = await openRoster(signed, domainPublicKey);
    const before = this.#membership;
    const isSameKey = before !== undefined && Buffer.compare(before.domainPublicKey, domainPublicKey) === 0;
    this.#membership = undefined;
    const key = domainKey ?? (isSameKey ? before.domainKey : undefined);
    this.#store({ domainPublicKey, domainKey: key, roster, signed }, "peer");
  }

  /** Whether this server belongs to a domain, or did. */
  get hasRoster(): boolean {
    return this.#membership !== undefined;
  }

  /** Whether this server belongs to a domain. */
  get isMember(): boolean {
    return this.isServer(this.#self);
  }

  /** Whether the server was taken out of the roster while this one was in it. */
  isFormer(id: string): boolean {
    return this.#former.has(id);
  }

  /** Servers that were taken out while this one was in the roster, and are not back. */
  former(): readonly FormerServer[] {
    return this.#former.all().filter(({ id }) => !this.isServer(id));
  }

  /** The lowest version of a roster that is taken or made here. */
  get floor(): number {
    return this.#floor;
  }

  /** Whether the roster in force has the server. */
  isServer(id: string): boolean {
    return this.#servers.has(id);
  }

  /** The roster in force; only a member has one. */
  get roster(): Roster {
    return this.#member().roster;
  }

  /** The roster in force as it was signed. */
  get signed(): Uint8Array {
    return this.#member().signed;
  }

  /** Tells the roster in force from any other. */
  get digest(): number {
    return this.#digest;
  }

  get domainPublicKey(): Uint8Array {
    return this.#member().domainPublicKey;
  }

  /** The domain's key, where this server has a copy. */
  get domainKey(): PrivateKey | undefined {
    return this.#member().domainKey;
  }

  /** Whether this server is the one that makes rosters, and can. */
  get isSteward(): boolean {
    const { domainKey, roster } = this.#member();
    const steward = roster.servers.find(({ number }) => number === roster.steward);
    return domainKey !== undefined && steward?.id === this.#self;
  }

  /** Calls `listener` with each new roster in force. */
  onChange(listener: (roster: Roster, origin: RosterOrigin) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Takes a roster that a peer pushed, if it is newer.
   * @param options.belowFloor whether to take it although nothing so low was to be taken any more
   * @throws {SchemaError} when it is malformed or not signed by the domain's key
   * @throws {OperationalError} `OTHER_TERMS`
   */
  accept(signed: Uint8Array, { belowFloor = false } = {}): Promise<RosterVerdict> {
    return this.#inTurn(async () => {
      const held = this.#member();
      const roster = await openRoster(signed, held.domainPublicKey);
      if (isNewerRoster(roster, held.roster)) {
        checkSameTerms(roster, held.roster);
        if (roster.version < this.#floor && !belowFloor) return "promised";
        this.#store({ ...held, roster, signed: signed.slice() }, "peer");
        return "accepted";
      }
      if (isNewerRoster(held.roster, roster)) return "older";
      return Buffer.compare(signed, held.signed) === 0 ? "known" : "conflict";
    });
  }

  /**
   * Changes the roster in force, as its steward: `change` sees it and returns the next one, or `undefined` to leave it. Changes
   * queue up, so none is lost.
   * @throws {OperationalError} `NOT_A_STEWARD`; `STEWARD_ALONE` while too few voters are in touch; `STEWARD_CONTESTED` when
   *   another server is taking the role over; `STALE_ROSTER` when what `change` returned is not newer; `ROSTER_TOO_LARGE`
   */
  update(change: (roster: Roster) => Roster | undefined): Promise<Roster> {
    return this.#inTurn(async () => {
      const { domainKey, roster } = this.#member();
      if (domainKey === undefined || !this.isSteward) throw notSteward(roster);
      const next = change(roster);
      if (next === undefined) return roster;
      if (!this.#contact.isConfirmed(next)) {
        throw new OperationalError(
          "STEWARD_ALONE",
          "the steward has no link to a majority of the voters, or they have a newer roster: nothing is changed until it has",
        );
      }
      if (next.version < this.#floor) {
        throw new OperationalError(
          "STEWARD_CONTESTED",
          "another server has begun to take the steward's role over; should it have given up: aorta roster steward <this server> --seize",
        );
      }
      return this.#publish(next);
    });
  }

  /**
   * Makes a roster as the new steward, with the promise of the voters and not as the successor that the roster in force names.
   * @throws {OperationalError} `NO_DOMAIN_KEY`, `STALE_ROSTER`
   */
  seize(version: number, change: (roster: Roster) => Roster): Promise<Roster> {
    return this.#inTurn(async () => {
      const next = change(this.#member().roster);
      if (next.version !== version || version < this.#floor) throw stale();
      return this.#publish(next);
    });
  }

  /** Promises, for good, to take and make no roster of a lower version. */
  promise(version: number): Promise<PromiseVerdict> {
    return this.#inTurn(async () => {
      if (version <= this.#floor || version <= this.#member().roster.version) return "too-low";
      writeCounter(this.#settings, setting.rosterFloor, version);
      this.#floor = version;
      return "promised";
    });
  }

  async #publish(next: Roster): Promise<Roster> {
    const held = this.#member();
    const { roster, domainKey } = held;
    if (domainKey === undefined) {
      throw new OperationalError(
        "NO_DOMAIN_KEY",
        "this server holds no copy of the domain's key: only servers that joined by `aorta invite --steward` do",
      );
    }
    if (!isNewerRoster(next, roster) || next.domain !== roster.domain) throw stale();
    checkSameTerms(next, roster);
    const signed = await signRoster(next, domainKey);
    if (signed.length >= limits.mesh.frameBytes) {
      throw new OperationalError("ROSTER_TOO_LARGE", `a roster of ${signed.length} octets does not fit in a frame`);
    }
    this.#store({ ...held, roster: next, signed }, "here");
    return next;
  }

  #member(): Membership {
    assert(this.#membership !== undefined, "asked for the roster before belonging to a domain");
    return this.#membership;
  }

  #store(membership: Membership, origin: RosterOrigin): void {
    const { domainKey } = membership;
    if (this.#membership === undefined) {
      this.#settings.set(setting.domainPublicKey, membership.domainPublicKey);
      if (domainKey !== undefined) this.#settings.set(setting.domainKey, privateKeyToProtobuf(domainKey));
    } else this.#former.note(this.#membership.roster, membership.roster);
    this.#settings.set(setting.roster, membership.signed);
    this.#hold(membership);
    for (const listener of this.#listeners) listener(membership.roster, origin);
  }

  #hold(membership: Membership): void {
    this.#membership = membership;
    this.#digest = rosterDigest(membership.signed);
    this.#servers = new Set(membership.roster.servers.map((server) => server.id));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

/** The error of whoever asks a server that does not make the domain's rosters to admit or change. */
export function notSteward(roster: Roster): OperationalError {
  const steward = roster.servers.find(({ number }) => number === roster.steward);
  return new OperationalError("NOT_A_STEWARD", `only ${steward?.name} makes the rosters of ${roster.domain}: ask it`);
}

function stale(): OperationalError {
  return new OperationalError("STALE_ROSTER", "the roster has changed meanwhile: read it again and repeat the change");
}

/**
 * The lease term and the drift are the domain's for good: leases that were granted under one term and counted under
 * another would overlap.
 * @throws {OperationalError} `OTHER_TERMS`
 */
function checkSameTerms(next: Roster, before: Roster): void {
  if (next.leaseMs === before.leaseMs && next.driftPpm === before.driftPpm) return;
  throw new OperationalError(
    "OTHER_TERMS",
    `a roster with a lease of ${next.leaseMs} ms and a drift of ${next.driftPpm} ppm, not ${before.leaseMs} and ${before.driftPpm}: a domain keeps those that it was founded with`,
  );
}
