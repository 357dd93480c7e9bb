import type { Aor } from "../dht-schema/aor.ts";
import type { Epoch } from "../dht-schema/ballot.ts";
import type { ClaimResult, DirectoryEvent, LossReason } from "../node/directory/core/context.ts";
import type { LookupMode } from "../node/directory/core/lookup.ts";
import type { Checks } from "./checkers/checks.ts";
import { Violation } from "./checkers/violation.ts";
import type { Cluster } from "./cluster.ts";
import type { RunMix } from "./faults.ts";
import type { Life, NodeWorld, SimulatedNode } from "./simulated-node.ts";

/** How long a claim may take beyond the lease of a dead owner, as in production. */
export const CLAIM_SLACK_MS = 2_000;
const LOOKUP_MS = 2_000;

type ClaimMode = "take-over" | "if-free";

interface OpenClaim {
  readonly node: SimulatedNode;
  readonly aor: Aor;
  readonly mode: ClaimMode;
  readonly startMs: number;
  readonly highestAtStart: Epoch | undefined;
  readonly since: Epoch | undefined;
}

interface OpenLookup {
  readonly node: SimulatedNode;
  readonly aor: Aor;
  readonly mode: LookupMode;
  readonly startMs: number;
}

/** What clients make servers do: claims, releases, lookups, watches, and messages in users' names. */
export class Workload {
  readonly claims: Record<ClaimResult["kind"], number> = {
    owned: 0,
    "owned-elsewhere": 0,
    superseded: 0,
    unavailable: 0,
  };
  readonly lost: Record<LossReason, number> = { "handed-over": 0, expired: 0, released: 0 };
  readonly lookups = { owner: 0, nobody: 0, unavailable: 0 };
  readonly effects = { accepted: 0, refused: 0 };
  /** Longest time that a claim which succeeded took, ms. */
  slowestClaimMs = 0;
  readonly #world: NodeWorld;
  readonly #cluster: Cluster;
  readonly #checks: Checks;
  readonly #mix: RunMix;
  readonly #aors: readonly Aor[];
  readonly #openClaims = new Map<number, OpenClaim>();
  readonly #openLookups = new Map<number, OpenLookup>();
  /** By what each server owned each user last, as it keeps it on its disk with what it knows of the user. */
  readonly #kept = new Map<SimulatedNode, Map<Aor, Epoch>>();
  #lastId = 0;

  constructor(
    components: { readonly world: NodeWorld; readonly cluster: Cluster; readonly checks: Checks },
    mix: RunMix,
    aors: readonly Aor[],
  ) {
    this.#world = components.world;
    this.#cluster = components.cluster;
    this.#checks = components.checks;
    this.#mix = mix;
    this.#aors = aors;
  }

  /** @param repeat does something again and again with a mean time between, as long as faults are on */
  start(repeat: (meanMs: number, act: (nowMs: number) => void) => void): void {
    const mix = this.#mix;
    repeat(mix.claimEveryMs, (nowMs) => this.#claimSomething(nowMs));
    repeat(mix.releaseEveryMs, (nowMs) => this.#releaseSomething(nowMs));
    repeat(mix.lookupEveryMs, (nowMs) => this.#lookUpSomething(nowMs));
    repeat(mix.watchEveryMs, (nowMs) => this.#watchSomething(nowMs));
    repeat(mix.effectEveryMs, (nowMs) => this.#speak(nowMs));
  }

  /** A process began: it watches some users from the start. */
  nodeStarted(nowMs: number, node: SimulatedNode): void {
    for (const aor of this.#aors.slice(0, this.#mix.watched)) node.watch(nowMs, aor);
  }

  /** What the process was at is over, with unknown outcome. */
  nodeCrashed(node: SimulatedNode): void {
    for (const [id, claim] of this.#openClaims) if (claim.node === node) this.#openClaims.delete(id);
    for (const [id, lookup] of this.#openLookups) if (lookup.node === node) this.#openLookups.delete(id);
  }

  /** Claims that have not ended. */
  unended(): readonly OpenClaim[] {
    return [...this.#openClaims.values()];
  }

  claim(nowMs: number, node: SimulatedNode, aor: Aor, mode: ClaimMode, since?: Epoch): number {
    const id = ++this.#lastId;
    node.run(nowMs, ({ core }, localMs, startMs) => {
      this.#openClaims.set(id, { node, aor, mode, startMs, highestAtStart: this.#checks.epochs.highest(aor), since });
      this.#checks.claimBegan(aor, node);
      core.claim(localMs, id, aor, mode, localMs + this.#mix.leaseMs + CLAIM_SLACK_MS, since);
    });
    return id;
  }

  lookUp(nowMs: number, node: SimulatedNode, aor: Aor, mode: LookupMode): void {
    const id = ++this.#lastId;
    node.run(nowMs, ({ core }, localMs, startMs) => {
      this.#openLookups.set(id, { node, aor, mode, startMs });
      core.lookup(localMs, id, aor, mode, localMs + LOOKUP_MS);
    });
  }

  event(nowMs: number, node: SimulatedNode, life: Life, event: DirectoryEvent): void {
    const checks = this.#checks;
    switch (event.kind) {
      case "claimed":
        return this.#claimed(nowMs, node, life, event);
      case "found": {
        const lookup = this.#openLookups.get(event.lookup);
        this.#openLookups.delete(event.lookup);
        this.lookups[event.result.kind]++;
        if (lookup !== undefined) checks.found(nowMs, node, event.aor, lookup, event.result);
        if (event.result.kind === "owner" && event.result.epoch.member !== node.number)
          this.#learn(nowMs, node, life, event.aor, event.result.epoch);
        return;
      }
      case "lost":
        this.lost[event.reason]++;
        this.#keep(node, event.aor, event.epoch);
        return checks.lost(nowMs, node, event.aor, event.reason !== "expired");
      case "watched":
        if (!life.watching.has(event.aor)) return;
        checks.watches.told(nowMs, { life, number: node.number }, event.aor, event.state);
        if (event.state.kind === "owner") this.#learn(nowMs, node, life, event.aor, event.state.epoch);
        return;
      default:
    }
  }

  #claimed(nowMs: number, node: SimulatedNode, life: Life, event: DirectoryEvent & { kind: "claimed" }): void {
    const { aor, result } = event;
    const claim = this.#openClaims.get(event.claim);
    this.#openClaims.delete(event.claim);
    this.claims[result.kind]++;
    if (claim === undefined || result.kind === "unavailable") return;
    if (result.kind === "owned") {
      this.slowestClaimMs = Math.max(this.slowestClaimMs, nowMs - claim.startMs);
      if (claim.mode === "if-free" && result.from !== undefined) {
        const message = `a claim of ${aor} if it is free took it from server ${result.from}`;
        throw new Violation("linearizability", nowMs, message, aor);
      }
      const isHandedOver = result.from !== undefined;
      this.#checks.claimed(nowMs, node, aor, {
        ...claim,
        epoch: result.epoch,
        since: isHandedOver ? undefined : claim.since,
      });
      this.#keep(node, aor, result.epoch);
    }
    if (result.kind === "superseded") this.#checks.superseded(nowMs, node, aor, claim.since as Epoch, result.epoch);
    this.#learn(nowMs, node, life, aor, result.epoch);
  }

  #keep(node: SimulatedNode, aor: Aor, epoch: Epoch): void {
    let kept = this.#kept.get(node);
    if (kept === undefined) this.#kept.set(node, (kept = new Map()));
    kept.set(aor, epoch);
  }

  /** As the directory's driver does with every epoch that the core tells it. */
  #learn(nowMs: number, node: SimulatedNode, life: Life, aor: Aor, epoch: Epoch): void {
    this.#checks.fencing.shown(life, aor, epoch);
    life.seen.observe(node.clock.localMs(nowMs), aor, epoch);
  }

  #claimSomething(nowMs: number): void {
    const { random } = this.#world;
    const { storms, takeOver, since } = this.#mix;
    const aor = random.pick(this.#aors);
    const claimants = random.chance(storms) ? this.#cluster.nodes : [this.#cluster.pick()];
    for (const node of claimants) {
      const mode = random.chance(takeOver) ? "take-over" : "if-free";
      // A server that has owned the user before wants them back with what it kept of them.
      const kept = this.#kept.get(node)?.get(aor);
      const id = this.claim(nowMs, node, aor, mode, kept !== undefined && random.chance(since) ? kept : undefined);
      if (random.chance(0.02)) this.#cancelSoon(nowMs, node, aor, id);
    }
  }

  /** Whoever asked no longer waits. */
  #cancelSoon(nowMs: number, node: SimulatedNode, aor: Aor, id: number): void {
    const { agenda, random } = this.#world;
    agenda.add(nowMs + random.exponential(50), (atMs) =>
      node.run(atMs, ({ core }, localMs) => core.cancelClaim(localMs, id, aor)),
    );
  }

  #releaseSomething(nowMs: number): void {
    const aor = this.#world.random.pick(this.#aors);
    for (const node of this.#cluster.nodes) {
      if (node.believes(nowMs, aor) !== undefined) node.run(nowMs, ({ core }, localMs) => core.release(localMs, aor));
    }
  }

  #lookUpSomething(nowMs: number): void {
    const { random } = this.#world;
    const node = this.#cluster.pick();
    const aor = random.pick(this.#aors);
    if (random.chance(0.05)) node.run(nowMs, ({ core }, localMs) => core.inspect(localMs, ++this.#lastId, aor));
    else this.lookUp(nowMs, node, aor, random.chance(0.8) ? "majority" : "first");
  }

  #watchSomething(nowMs: number): void {
    const node = this.#cluster.pick();
    const aor = this.#world.random.pick(this.#aors);
    const { life } = node;
    if (life?.watching.has(aor) !== true) return node.watch(nowMs, aor);
    node.unwatch(nowMs, aor);
    this.#checks.watches.unwatched(life, aor);
  }

  /** An owner sends another server something in a user's name, which takes it unless it knows better. */
  #speak(nowMs: number): void {
    const { random, network } = this.#world;
    const aor = random.pick(this.#aors);
    for (const node of this.#cluster.nodes) {
      if (node.believes(nowMs, aor) === undefined) continue;
      const to = this.#cluster.pick();
      if (to === node) continue;
      node.run(nowMs, (life, localMs, atMs) => {
        const epoch = node.servingEpoch(life, localMs, aor);
        if (epoch === undefined) return;
        this.#checks.fencing.acted(atMs, life, aor, epoch, `server ${node.number} spoke in the name`);
        network.send(atMs, node.number, to.number, (arrivedMs) => this.#hear(arrivedMs, to, aor, epoch));
      });
    }
  }

  #hear(nowMs: number, node: SimulatedNode, aor: Aor, epoch: Epoch): void {
    node.run(nowMs, (life, localMs, atMs) => {
      if (life.seen.observe(localMs, aor, epoch)) {
        this.effects.accepted++;
        this.#checks.fencing.acted(atMs, life, aor, epoch, `server ${node.number} took a message in the name`);
      } else this.effects.refused++;
    });
  }
}
