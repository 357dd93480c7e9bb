import type { Aor } from "../../dht-schema/aor.ts";
import { Calls } from "./calls.ts";
import type { ClaimEnd, Machine, Peer, Purpose, Surroundings, Wish } from "./way.ts";

/** The row of a user. */
interface Row {
  /** 0 before the first claim. */
  readonly version: number;
  readonly owner: number;
  /** Under which the owner holds it. */
  readonly session: number;
}

/** A row as it is read: whether the owner's session lives is the database's to say. */
interface ReadRow extends Row {
  readonly isHeld: boolean;
}

type Body =
  | { readonly type: "renew"; readonly session: number }
  /** `notices`: how many were sent under the session; `start`: which of its starts the database is in, as it forgets who listens. */
  | { readonly type: "renewed"; readonly session: number; readonly notices: number; readonly start: number }
  | { readonly type: "read"; readonly aor: Aor }
  | { readonly type: "row"; readonly row: ReadRow }
  /** UPDATE … WHERE version = `version`; a held row only with its owner's leave. */
  | {
      readonly type: "swap";
      readonly aor: Aor;
      readonly version: number;
      readonly session: number;
      readonly leave: boolean;
    }
  | { readonly type: "swapped"; readonly won: boolean; readonly row: ReadRow }
  | { readonly type: "listen"; readonly aors: readonly Aor[]; readonly session: number }
  | { readonly type: "listening" }
  | {
      readonly type: "changed";
      readonly aor: Aor;
      readonly row: ReadRow;
      readonly session: number;
      readonly sequence: number;
    }
  /** From server to server: stop serving the user that you hold by `version`. */
  | { readonly type: "stop"; readonly aor: Aor; readonly version: number }
  | { readonly type: "stopped" };
export type DatabaseMessage = Body & { readonly op: number; readonly purpose: Purpose };

/** Number of the machine that the database runs on. */
export const DATABASE = 0;

/** Times of the database way: those of the production protocol, so that only the ways differ. */
export interface DatabaseSettings {
  readonly leaseMs: number;
  readonly driftPpm: number;
  readonly retryMs: number;
  readonly claimMs: number;
  readonly lookupMs: number;
}

interface Session {
  expiresMs: number;
  readonly server: number;
  readonly listens: Set<Aor>;
  notices: number;
}

/** What the database has on its disk. */
export interface DatabaseDisk {
  readonly rows: Map<Aor, Row>;
  readonly sessions: Map<number, Session>;
  lastSession: number;
  starts: number;
}

/** One central database: rows with a version, compare-and-set on it, sessions that expire, and LISTEN/NOTIFY. It is durable; it is down while its machine is. */
export class Database implements Peer<DatabaseMessage> {
  readonly #surroundings: Surroundings<DatabaseMessage>;
  readonly #settings: DatabaseSettings;
  readonly #disk: DatabaseDisk;

  constructor(
    nowMs: number,
    surroundings: Surroundings<DatabaseMessage>,
    settings: DatabaseSettings,
    disk: DatabaseDisk,
  ) {
    this.#surroundings = surroundings;
    this.#settings = settings;
    this.#disk = disk;
    disk.starts++;
    // What was renewed just before the crash was not on the disk: every session gets a whole term.
    const graceMs = settings.leaseMs * (1 + (4 * settings.driftPpm) / 1e6);
    for (const [id, session] of disk.sessions) {
      session.expiresMs = nowMs + graceMs;
      session.listens.clear();
      this.#expireLater(id, session);
    }
  }

  receive(nowMs: number, from: number, message: DatabaseMessage): void {
    const { op, purpose } = message;
    const answer = (body: Body) => this.#surroundings.send(from, { ...body, op, purpose });
    switch (message.type) {
      case "renew":
        return answer(this.#renew(nowMs, from, message.session));
      case "read":
        return answer({ type: "row", row: this.#read(nowMs, message.aor) });
      case "swap": {
        const won = this.#swap(nowMs, from, message);
        return answer({ type: "swapped", won, row: this.#read(nowMs, message.aor) });
      }
      case "listen": {
        const session = this.#disk.sessions.get(message.session);
        if (session === undefined) return;
        answer({ type: "listening" });
        for (const aor of message.aors) {
          session.listens.add(aor);
          this.#notify(nowMs, aor, message.session, session);
        }
        return;
      }
      default:
    }
  }

  #renew(nowMs: number, server: number, id: number): Body {
    const expiresMs = nowMs + this.#settings.leaseMs;
    const session = this.#disk.sessions.get(id);
    const start = this.#disk.starts;
    if (session !== undefined) {
      session.expiresMs = expiresMs;
      return { type: "renewed", session: id, notices: session.notices, start };
    }
    const fresh: Session = { expiresMs, server, listens: new Set(), notices: 0 };
    this.#disk.sessions.set(++this.#disk.lastSession, fresh);
    this.#expireLater(this.#disk.lastSession, fresh);
    return { type: "renewed", session: this.#disk.lastSession, notices: 0, start };
  }

  #read(nowMs: number, aor: Aor): ReadRow {
    const row = this.#disk.rows.get(aor) ?? { version: 0, owner: 0, session: 0 };
    return { ...row, isHeld: (this.#disk.sessions.get(row.session)?.expiresMs ?? 0) > nowMs };
  }

  #swap(nowMs: number, from: number, wanted: DatabaseMessage & { type: "swap" }): boolean {
    const { aor, version, session, leave } = wanted;
    const row = this.#read(nowMs, aor);
    // The answer to an earlier copy of this very request was lost.
    if (row.version === version + 1 && row.session === session) return true;
    if (row.version !== version || (row.isHeld && row.owner !== from && !leave)) return false;
    if (!this.#disk.sessions.has(session)) return false;
    this.#disk.rows.set(aor, { version: version + 1, owner: from, session });
    this.#notifyAll(nowMs, aor);
    return true;
  }

  #notifyAll(nowMs: number, aor: Aor): void {
    for (const [id, session] of this.#disk.sessions)
      if (session.listens.has(aor)) this.#notify(nowMs, aor, id, session);
  }

  #notify(nowMs: number, aor: Aor, id: number, session: Session): void {
    const changed: Body = {
      type: "changed",
      aor,
      row: this.#read(nowMs, aor),
      session: id,
      sequence: ++session.notices,
    };
    this.#surroundings.send(session.server, { ...changed, op: 0, purpose: "notice" });
  }

  #expireLater(id: number, session: Session): void {
    this.#surroundings.agenda.add(session.expiresMs, (nowMs) => {
      if (this.#disk.sessions.get(id) !== session) return;
      if (session.expiresMs > nowMs) return this.#expireLater(id, session);
      this.#disk.sessions.delete(id);
      for (const [aor, row] of this.#disk.rows) if (row.session === id) this.#notifyAll(nowMs, aor);
    });
  }
}

interface Claim {
  readonly id: number;
  readonly aor: Aor;
  readonly wish: Wish;
  readonly deadlineMs: number;
}

/** A server that keeps its users in the database: one lease for all of them, renewed every quarter of its term. */
export class DatabaseClient implements Machine<DatabaseMessage> {
  readonly #surroundings: Surroundings<DatabaseMessage>;
  readonly #settings: DatabaseSettings;
  readonly #calls: Calls<DatabaseMessage>;
  readonly #owned = new Map<Aor, { readonly version: number; readonly session: number }>();
  /** Version up to which this server has promised never to serve a user. */
  readonly #stoppedUpTo = new Map<Aor, number>();
  readonly #watched = new Map<Aor, number>();
  #session = 0;
  #start = 0;
  #leaseUntilMs = -Infinity;
  /** Notices of the session that have come: all up to `#heard`, and some beyond. */
  #heard = 0;
  readonly #beyond = new Set<number>();

  constructor(nowMs: number, surroundings: Surroundings<DatabaseMessage>, settings: DatabaseSettings) {
    this.#surroundings = surroundings;
    this.#settings = settings;
    this.#calls = new Calls(surroundings);
    this.#renew(nowMs);
  }

  serves(nowMs: number, aor: Aor): boolean {
    const owned = this.#owned.get(aor);
    return owned !== undefined && owned.session === this.#session && this.#leaseUntilMs > nowMs;
  }

  watch(nowMs: number, aor: Aor): void {
    this.#watched.set(aor, 0);
    if (this.#session !== 0) this.#listen(nowMs);
  }

  lookup(nowMs: number, id: number, aor: Aor): void {
    const { emit, self } = this.#surroundings;
    if (this.serves(nowMs, aor)) return emit({ kind: "found", id, aor, owner: self });
    const times = { retryMs: this.#settings.retryMs, deadlineMs: nowMs + this.#settings.lookupMs };
    const read = (op: number): DatabaseMessage => ({ type: "read", aor, op, purpose: "lookup" });
    this.#calls.insist(nowMs, DATABASE, read, times, (_atMs, answer) => {
      if (answer?.type !== "row") return emit({ kind: "found", id, aor, owner: "unavailable" });
      emit({ kind: "found", id, aor, owner: answer.row.isHeld ? answer.row.owner : "nobody" });
    });
  }

  claim(nowMs: number, id: number, aor: Aor, wish: Wish): void {
    if (this.serves(nowMs, aor)) return this.#end({ id, aor }, "owned");
    const claim: Claim = { id, aor, wish, deadlineMs: nowMs + this.#settings.claimMs };
    // Mostly the row is as it was last seen; if not, the answer says how it is.
    this.#swap(nowMs, claim, { version: 0, leave: false });
  }

  receive(nowMs: number, from: number, message: DatabaseMessage): void {
    const { op, purpose } = message;
    if (message.type === "changed") return this.#changed(message);
    if (message.type !== "stop") return this.#calls.answered(nowMs, from, message);
    const owned = this.#owned.get(message.aor);
    if (owned !== undefined && owned.version <= message.version) this.#owned.delete(message.aor);
    // The answer to a claim of ours may be under way: it comes too late.
    this.#stoppedUpTo.set(message.aor, Math.max(message.version, this.#stoppedUpTo.get(message.aor) ?? 0));
    this.#surroundings.send(from, { type: "stopped", op, purpose });
  }

  #swap(nowMs: number, claim: Claim, how: { readonly version: number; readonly leave: boolean }): void {
    if (nowMs >= claim.deadlineMs) return this.#end(claim, "unavailable");
    const session = this.#session;
    if (session === 0 || this.#leaseUntilMs <= nowMs) {
      this.#surroundings.agenda.add(nowMs + this.#settings.retryMs, (atMs) => this.#swap(atMs, claim, how));
      return;
    }
    const times = { retryMs: this.#settings.retryMs, deadlineMs: claim.deadlineMs };
    const swap = (op: number): DatabaseMessage => ({
      type: "swap",
      aor: claim.aor,
      ...how,
      session,
      op,
      purpose: "claim",
    });
    this.#calls.insist(nowMs, DATABASE, swap, times, (atMs, answer) => {
      if (answer?.type !== "swapped") return this.#end(claim, "unavailable");
      if (answer.won) return this.#won(atMs, claim, { version: how.version + 1, session });
      this.#refused(atMs, claim, answer.row);
    });
  }

  #won(nowMs: number, claim: Claim, owned: { readonly version: number; readonly session: number }): void {
    if ((this.#stoppedUpTo.get(claim.aor) ?? 0) >= owned.version) return this.#end(claim, "elsewhere");
    if (owned.session !== this.#session) return this.#end(claim, "unavailable");
    this.#owned.set(claim.aor, owned);
    this.#end(claim, this.serves(nowMs, claim.aor) ? "owned" : "unavailable");
  }

  #refused(nowMs: number, claim: Claim, row: ReadRow): void {
    const { version } = row;
    if (!row.isHeld || row.owner === this.#surroundings.self)
      return this.#swap(nowMs, claim, { version, leave: false });
    if (claim.wish === "if-free") return this.#end(claim, "elsewhere");
    const stop = (op: number): DatabaseMessage => ({ type: "stop", aor: claim.aor, version, op, purpose: "claim" });
    this.#calls.ask(nowMs, row.owner, stop, this.#settings.retryMs, (atMs, answer) =>
      // Without an answer the owner's session must run out first: asked again, the row says how it stands.
      this.#swap(atMs, claim, { version, leave: answer !== undefined }),
    );
  }

  #end(claim: { readonly id: number; readonly aor: Aor }, end: ClaimEnd): void {
    this.#surroundings.emit({ kind: "claimed", id: claim.id, aor: claim.aor, end });
  }

  #renew(nowMs: number): void {
    const { leaseMs, driftPpm, retryMs } = this.#settings;
    const renew = (op: number): DatabaseMessage => ({ type: "renew", session: this.#session, op, purpose: "upkeep" });
    this.#calls.ask(nowMs, DATABASE, renew, retryMs, (atMs, answer) => {
      if (answer?.type !== "renewed") return this.#renew(atMs);
      const lapsed = this.#leaseUntilMs <= atMs;
      // The term counts from before sending; what lapsed or was replaced never comes back.
      this.#leaseUntilMs = Math.max(this.#leaseUntilMs, nowMs + leaseMs * (1 - (2 * driftPpm) / 1e6));
      if (lapsed || answer.session !== this.#session) this.#owned.clear();
      const isNew = answer.session !== this.#session || answer.start !== this.#start;
      this.#session = answer.session;
      this.#start = answer.start;
      if (isNew || answer.notices > this.#heard) {
        this.#heard = answer.notices;
        this.#beyond.clear();
        this.#listen(atMs);
      }
      this.#surroundings.agenda.add(nowMs + leaseMs / 4, (laterMs) => this.#renew(laterMs));
    });
  }

  #listen(nowMs: number): void {
    const session = this.#session;
    const listen = (op: number): DatabaseMessage => ({
      type: "listen",
      aors: [...this.#watched.keys()],
      session,
      op,
      purpose: "notice",
    });
    this.#calls.ask(nowMs, DATABASE, listen, this.#settings.retryMs, (atMs, answer) => {
      if (answer === undefined && session === this.#session) this.#listen(atMs);
    });
  }

  #changed({ aor, row, session, sequence }: DatabaseMessage & { type: "changed" }): void {
    if (session !== this.#session) return;
    this.#beyond.add(sequence);
    while (this.#beyond.delete(this.#heard + 1)) this.#heard++;
    const before = this.#watched.get(aor);
    if (before === undefined || row.version < before) return;
    this.#watched.set(aor, row.version);
    this.#surroundings.emit({ kind: "told", aor, owner: row.isHeld ? row.owner : undefined });
  }
}
