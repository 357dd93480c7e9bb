import type { Aor } from "../../../dht-schema/aor.ts";
import type { Ballot } from "../../../dht-schema/ballot.ts";
import { compareBallots } from "../../../dht-schema/ballot.ts";
import { QueueMap } from "../../runtime/queue-map.ts";
import type { ClaimInit } from "./claim.ts";
import { Claim } from "./claim.ts";
import type { ClaimResult, Context } from "./context.ts";
import type { Leases } from "./leases.ts";
import type { Ownerships } from "./ownerships.ts";

/** Told of the end of a claim, by its number: {@link RECLAIM} for one that nobody asked for. */
export type ClaimsHook = (nowMs: number, aor: Aor, claim: number, result: ClaimResult) => void;

/** Why a server that is leaving claims no longer. */
export const LEAVING = "this server is leaving the domain";

/** The number of every re-claim. */
export const RECLAIM = 0;

/**
 * The claims of this server: those of one AoR go one after the other, and of re-claims, which an owner makes for itself
 * where a replica refuses its ballot, only some at a time.
 */
export class Claims {
  readonly #context: Context;
  readonly #leases: Leases;
  readonly #ownerships: Ownerships;
  readonly #onEnd: ClaimsHook;
  /** Never empty; the first is under way. */
  readonly #queues = new Map<Aor, Claim[]>();
  readonly #reclaims = new QueueMap<Aor, true>();
  #reclaimsUnderWay = 0;

  constructor(
    context: Context,
    components: { readonly leases: Leases; readonly ownerships: Ownerships },
    onEnd: ClaimsHook,
  ) {
    this.#context = context;
    this.#leases = components.leases;
    this.#ownerships = components.ownerships;
    this.#onEnd = onEnd;
  }

  /** AoRs with a claim under way. */
  get size(): number {
    return this.#queues.size;
  }

  has(aor: Aor): boolean {
    return this.#queues.has(aor);
  }

  /** The ballot of the claim under way that replicas may have accepted. */
  ballotInFlight(aor: Aor): Ballot | undefined {
    return this.#queues.get(aor)?.[0]?.ballotInFlight;
  }

  start(nowMs: number, init: ClaimInit): void {
    const { aor } = init;
    const components = { context: this.#context, leases: this.#leases, ownerships: this.#ownerships };
    const claim = new Claim(init, components, (atMs, ended, result) => this.#ended(atMs, ended, result));
    const queue = this.#queues.get(aor);
    if (queue !== undefined) queue.push(claim);
    else {
      this.#queues.set(aor, [claim]);
      this.#begin(nowMs, claim);
    }
  }

  cancel(nowMs: number, id: number, aor: Aor): void {
    const queue = this.#queues.get(aor);
    queue?.find((claim) => claim.id === id)?.cancel(nowMs);
  }

  /** This server may claim no longer. */
  cancelAll(nowMs: number, reason: string): void {
    for (const queue of Array.from(this.#queues.values())) {
      for (const claim of queue.toReversed()) claim.cancel(nowMs, reason);
    }
  }

  /** The voters changed: what is under way begins again among the new ones. */
  restart(nowMs: number): void {
    for (const [claim] of Array.from(this.#queues.values())) claim?.prepare(nowMs);
  }

  /** Another server claims under `theirs`: a claim of ours under a lower ballot is tried again later. */
  giveWay(nowMs: number, aor: Aor, theirs: Ballot): void {
    const claim = this.#queues.get(aor)?.[0];
    if (claim?.ballotInFlight !== undefined && compareBallots(claim.ballotInFlight, theirs) < 0) claim.giveWay(nowMs);
  }

  /** A replica refuses our ballot: only a higher one can be accepted there. */
  reclaim(nowMs: number, aor: Aor): void {
    this.#reclaims.set(aor, true);
    this.#reclaimNext(nowMs);
  }

  /** What is lost must not come back by a higher ballot that was asked for to keep it. */
  abandonReclaim(nowMs: number, aor: Aor): void {
    const claim = this.#queues.get(aor)?.[0];
    if (claim?.purpose === "reclaim") claim.cancel(nowMs);
  }

  #begin(nowMs: number, claim: Claim): void {
    const context = this.#context;
    if (context.roster().leaving.includes(context.self)) {
      return this.#ended(nowMs, claim, { kind: "unavailable", reason: LEAVING });
    }
    if (claim.purpose === "reclaim") return claim.prepare(nowMs);
    const epoch = this.#ownerships.epoch(nowMs, claim.aor);
    if (epoch !== undefined) return this.#ended(nowMs, claim, { kind: "owned", epoch, from: undefined });
    // What has lapsed is told to be lost before it is claimed anew: to release it later would give up the new ballot as well.
    this.#ownerships.end(nowMs, claim.aor, "expired", undefined);
    claim.prepare(nowMs);
  }

  #ended(nowMs: number, claim: Claim, result: ClaimResult): void {
    const { aor } = claim;
    const queue = this.#queues.get(aor) ?? [];
    queue.splice(queue.indexOf(claim), 1);
    if (queue.length === 0) this.#queues.delete(aor);
    if (claim.purpose === "reclaim") this.#reclaimEnded(nowMs, aor, result);
    this.#onEnd(nowMs, aor, claim.id, result);
    const next = queue[0];
    if (next?.isWaiting === true) this.#begin(nowMs, next);
  }

  #reclaimEnded(nowMs: number, aor: Aor, result: ClaimResult): void {
    const { agenda, roster } = this.#context;
    this.#reclaimsUnderWay--;
    // Replicas may have accepted what it proposed: they tell watchers of a ballot by which nobody serves, until a higher one is owned.
    if (result.kind !== "owned") agenda.add(nowMs + roster().leaseMs / 4, (atMs) => this.reclaim(atMs, aor));
    this.#reclaimNext(nowMs);
  }

  #reclaimNext(nowMs: number): void {
    const { roster, tuning } = this.#context;
    while (this.#reclaimsUnderWay < tuning.catchUpWindow) {
      const first = this.#reclaims.shift();
      if (first === undefined) return;
      const [aor] = first;
      if (this.has(aor) || this.#ownerships.epoch(nowMs, aor) === undefined) continue;
      this.#reclaimsUnderWay++;
      this.start(nowMs, { id: RECLAIM, aor, purpose: "reclaim", deadlineMs: nowMs + roster().leaseMs });
    }
  }
}
