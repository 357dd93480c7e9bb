import type { MessageOf } from "../../../dht-schema/directory-messages.ts";
import type { Context } from "./context.ts";

/** What this server holds at one replica. */
interface Lease {
  /** Session id given by the replica; 0 before the first answer. */
  session: number;
  incarnation: number;
  /** Own clock. Measured from before the renewal was sent, shortened by the drift. */
  expiresMs: number;
  /** Names one unbroken life of the lease: it changes when the session does and when the lease ran out in between. */
  generation: number;
  /** Latest renewal under way: only one answer counts for each. */
  renewals: Map<number, number>;
  nextRenewMs: number;
  /** How many registers and watches need it. */
  uses: number;
  /** Without uses it is renewed until then, so that the next claim finds it live. */
  idleUntilMs: number;
  /** The generation whose end {@link Leases.newlyLapsed} has told. */
  lapsed: number;
}

/** For how many terms a lease that nothing uses is kept. */
const IDLE_TERMS = 6;

/** A lease at one instant, kept by an owner that froze it. */
export interface LeaseSnapshot {
  readonly generation: number;
  readonly expiresMs: number;
}

/** What others do about a lease. */
export interface LeaseHooks {
  /** It started a new generation: what was accepted under an earlier one no longer counts. */
  began(nowMs: number, member: number): void;
  /** It goes on; the replica has sent that many notices under the session. */
  renewed(nowMs: number, member: number, session: number, notices: number): void;
}

/**
 * This server's sessions at the replicas: O(servers) to renew, whatever the number of users.
 * A lease that ran out never revives: a later renewal starts a new generation, under which nothing is accepted yet.
 */
export class Leases {
  readonly #context: Context;
  readonly #leases = new Map<number, Lease>();
  readonly #hooks: LeaseHooks;
  #generations = 0;

  constructor(context: Context, hooks: LeaseHooks) {
    this.#context = context;
    this.#hooks = hooks;
  }

  /** T·(1 − 2ρ): what a server may count on of a term T granted by a replica. */
  #termMs(): number {
    const { leaseMs, driftPpm } = this.#context.roster();
    return leaseMs * (1 - (2 * driftPpm) / 1e6);
  }

  /** Generation of the lease at a replica that is live now, else 0. */
  generation(nowMs: number, member: number): number {
    const lease = this.#leases.get(member);
    return lease !== undefined && lease.expiresMs > nowMs ? lease.generation : 0;
  }

  /** Generation of the lease, when `session` is the one it stands for and it is live now; else 0. */
  generationOf(nowMs: number, member: number, session: number): number {
    const lease = this.#leases.get(member);
    return lease !== undefined && lease.session === session && lease.expiresMs > nowMs ? lease.generation : 0;
  }

  /** When the lease runs out, if it is still of that generation; else 0. */
  expiryMs(member: number, generation: number): number {
    const lease = this.#leases.get(member);
    return lease !== undefined && lease.generation === generation ? lease.expiresMs : 0;
  }

  /** Incarnation of the replica as its last renewal told it. */
  incarnation(member: number): number {
    return this.#leases.get(member)?.incarnation ?? 0;
  }

  /** Session at the replica, 0 when there is none. */
  session(member: number): number {
    return this.#leases.get(member)?.session ?? 0;
  }

  snapshot(): ReadonlyMap<number, LeaseSnapshot> {
    return new Map([...this.#leases].map(([member, { generation, expiresMs }]) => [member, { generation, expiresMs }]));
  }

  /** Asks for a lease at a replica unless one is live or being asked for. */
  ensure(nowMs: number, member: number): void {
    let lease = this.#leases.get(member);
    if (lease === undefined) {
      lease = {
        session: 0,
        incarnation: 0,
        expiresMs: 0,
        generation: 0,
        renewals: new Map(),
        nextRenewMs: 0,
        uses: 0,
        idleUntilMs: 0,
        lapsed: 0,
      };
      this.#leases.set(member, lease);
    }
    lease.idleUntilMs = nowMs + IDLE_TERMS * this.#context.roster().leaseMs;
    // While a renewal is under way nothing more is sent: claims in a burst share it.
    if (lease.expiresMs <= nowMs && nowMs >= lease.nextRenewMs) this.#renew(nowMs, member, lease);
  }

  /** Keeps the lease renewed until {@link drop} is called as often. */
  use(nowMs: number, member: number): void {
    this.ensure(nowMs, member);
    (this.#leases.get(member) as Lease).uses++;
  }

  drop(member: number): void {
    const lease = this.#leases.get(member);
    if (lease !== undefined && lease.uses > 0) lease.uses--;
  }

  /** The link to a replica came up, or the roster changed: renew at once. */
  refresh(nowMs: number, member: number): void {
    const lease = this.#leases.get(member);
    if (lease !== undefined) this.#renew(nowMs, member, lease);
  }

  /** Whether any lease ran out since the last call. */
  newlyLapsed(nowMs: number): boolean {
    let found = false;
    for (const lease of this.#leases.values()) {
      if (lease.expiresMs > nowMs || lease.lapsed === lease.generation) continue;
      lease.lapsed = lease.generation;
      found = true;
    }
    return found;
  }

  members(): Iterable<number> {
    return this.#leases.keys();
  }

  #renew(nowMs: number, member: number, held: Lease): void {
    const context = this.#context;
    const { leaseMs } = context.roster();
    // Time counts from before sending: the replica's term can only start later (rule ● of the lease).
    const sentMs = nowMs;
    const op = context.openOp((atMs, _from, message) => {
      const sent = held.renewals.get(op);
      context.closeOp(op);
      held.renewals.delete(op);
      if (sent === undefined || message.type !== "renewed") return;
      this.#renewed(atMs, member, held, sent, message);
    });
    held.renewals.set(op, sentMs);
    while (held.renewals.size > 4) {
      const [oldest] = held.renewals.keys();
      context.closeOp(oldest as number);
      held.renewals.delete(oldest as number);
    }
    held.nextRenewMs = nowMs + leaseMs / 4;
    context.send(member, { type: "renew", op, boot: context.boot });
    context.agenda.add(held.nextRenewMs, (atMs) => {
      if (atMs < held.nextRenewMs || this.#leases.get(member) !== held) return;
      // An unused lease is let go after a while: at a replica that is no longer ours it would be renewed for ever.
      if (held.uses > 0 || atMs < held.idleUntilMs) this.#renew(atMs, member, held);
      else this.#leases.delete(member);
    });
  }

  #renewed(nowMs: number, member: number, lease: Lease, sentMs: number, answer: MessageOf<"renewed">): void {
    const { session, incarnation, notices } = answer;
    const expiresMs = sentMs + this.#termMs();
    // Sessions of a replica only grow, over its restarts too: a lower one is an answer from before.
    const broken = lease.session !== session || lease.expiresMs <= nowMs;
    // An answer that comes after its own term has nothing left to give; an older one must not shorten a newer.
    if (session < lease.session || expiresMs <= nowMs || (!broken && expiresMs <= lease.expiresMs)) return;
    lease.expiresMs = expiresMs;
    lease.session = session;
    lease.incarnation = incarnation;
    if (broken) {
      lease.generation = ++this.#generations;
      this.#hooks.began(nowMs, member);
    } else this.#hooks.renewed(nowMs, member, session, notices);
  }
}
