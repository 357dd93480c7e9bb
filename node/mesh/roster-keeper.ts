import { generateKeyPair, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";
import type { Roster } from "../../dht-schema/roster.ts";
import { isNewerRoster, openRoster, signRoster } from "../../dht-schema/roster.ts";
import { OperationalError, assert } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";
import type { Settings } from "../storage/ports.ts";
import { loadDomainKey } from "./identity.ts";
import { setting } from "./settings-names.ts";

/** What belonging to a domain means: its public key, and a roster that key has signed. */
interface Membership {
  readonly domainPublicKey: Uint8Array;
  readonly domainKey: PrivateKey | undefined;
  readonly roster: Roster;
  readonly signed: Uint8Array;
}

/** What became of a roster that a peer pushed. */
export type RosterVerdict = "accepted" | "known" | "older" | "conflict";

/** By whom a roster came into force: by this server, or by a peer that pushed it. */
export type RosterOrigin = "here" | "peer";

/** Holds the roster in force: verified, and stored before it takes effect. One change at a time. */
export class RosterKeeper {
  readonly #settings: Settings;
  readonly #self: string | undefined;
  readonly #listeners = new Set<(roster: Roster, origin: RosterOrigin) => void>();
  #membership: Membership | undefined;
  #servers: ReadonlySet<string> = new Set();
  #turn: Promise<unknown> = Promise.resolve();

  /** @param self peer id of this server; without it nothing can be signed */
  constructor(settings: Settings, self?: string) {
    this.#settings = settings;
    this.#self = self;
  }

  /** Restores what is stored; false when this node is not yet a member. @throws {OperationalError} `DAMAGED_ROSTER`, `DAMAGED_KEY` */
  async load(): Promise<boolean> {
    const signed = this.#settings.get(setting.roster);
    if (signed === undefined) return false;
    const domainPublicKey = this.#settings.get(setting.domainPublicKey);
    try {
      if (domainPublicKey?.length !== 32) throw new Error("the domain's public key is missing");
      const roster = await openRoster(signed, domainPublicKey);
      this.#hold({ domainPublicKey, domainKey: loadDomainKey(this.#settings), roster, signed });
    } catch (cause) {
      if (cause instanceof OperationalError) throw cause;
      throw new OperationalError(
        "DAMAGED_ROSTER",
        "the stored roster is damaged: restore the data folder from a backup, or join anew with an empty one",
        {
          cause,
        },
      );
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

  /** Takes part in the domain that a join opened. @throws {SchemaError} when its key has not signed the roster */
  async adopt(domainPublicKey: Uint8Array, signed: Uint8Array, domainKey: PrivateKey | undefined): Promise<void> {
    assert(this.#membership === undefined, "joining a domain while belonging to one");
    this.#store({ domainPublicKey, domainKey, roster: await openRoster(signed, domainPublicKey), signed }, "peer");
  }

  get isMember(): boolean {
    return this.#membership !== undefined;
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
   * @throws {SchemaError} when it is malformed or not signed by the domain's key
   */
  accept(signed: Uint8Array): Promise<RosterVerdict> {
    return this.#inTurn(async () => {
      const held = this.#member();
      const roster = await openRoster(signed, held.domainPublicKey);
      if (isNewerRoster(roster, held.roster)) {
        this.#store({ ...held, roster, signed: signed.slice() }, "peer");
        return "accepted";
      }
      if (isNewerRoster(held.roster, roster)) return "older";
      return Buffer.compare(signed, held.signed) === 0 ? "known" : "conflict";
    });
  }

  /**
   * Changes the roster in force: `change` sees it and returns the next one, or `undefined` to leave it. Changes queue up, so
   * none is lost.
   * @throws {OperationalError} `NOT_A_STEWARD`; `STALE_ROSTER` when what `change` returned is not newer; `ROSTER_TOO_LARGE`
   */
  update(change: (roster: Roster) => Roster | undefined): Promise<Roster> {
    return this.#inTurn(async () => {
      const held = this.#member();
      const key = held.domainKey;
      if (key === undefined || !this.isSteward) throw notSteward(held.roster);
      const next = change(held.roster);
      if (next === undefined) return held.roster;
      if (!isNewerRoster(next, held.roster) || next.domain !== held.roster.domain) {
        throw new OperationalError(
          "STALE_ROSTER",
          "the roster has changed meanwhile: read it again and repeat the change",
        );
      }
      const signed = await signRoster(next, key);
      if (signed.length >= limits.mesh.frameBytes) {
        throw new OperationalError("ROSTER_TOO_LARGE", `a roster of ${signed.length} octets does not fit in a frame`);
      }
      this.#store({ ...held, roster: next, signed }, "here");
      return next;
    });
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
    }
    this.#settings.set(setting.roster, membership.signed);
    this.#hold(membership);
    for (const listener of this.#listeners) listener(membership.roster, origin);
  }

  #hold(membership: Membership): void {
    this.#membership = membership;
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
