import type { Aor } from "../dht-schema/aor.ts";
import { parseAor } from "../dht-schema/aor.ts";
import { formatBallot, sameBallot } from "../dht-schema/ballot.ts";
import type { Roster } from "../dht-schema/roster.ts";
import { Agenda } from "../node/directory/core/agenda.ts";
import { Checks } from "./checkers/checks.ts";
import { Violation } from "./checkers/violation.ts";
import { Cluster } from "./cluster.ts";
import { FaultInjector } from "./fault-injector.ts";
import type { RunMix } from "./faults.ts";
import { drawMix } from "./faults.ts";
import { Network } from "./network.ts";
import { Random } from "./random.ts";
import type { Life, NodeWorld, SimulatedNode } from "./simulated-node.ts";
import type { Trace } from "./trace.ts";
import { CLAIM_SLACK_MS, Workload } from "./workload.ts";

/** How ownerships are moved to a new roster: all at once, soon, or so slowly that leases end meanwhile. */
const MOVES: readonly (readonly [atOnce: number, pauseMs: number])[] = [
  [Infinity, 1],
  [Infinity, 1],
  [1, 1],
  [1, 400],
];

/** A run, fully determined. */
export interface SimulationOptions {
  readonly seed: number;
  /** Servers in the end: the first founds the domain, the others join while it runs. */
  readonly nodes: number;
  /** Virtual time with faults, before everything heals. */
  readonly minutes: number;
  /** `wrong`: far outside the bound, where only I1 and I3 are promised. @default "bounded" */
  readonly clocks?: "bounded" | "wrong";
  /** T of the domain, ms. @default 10,000, as in production */
  readonly leaseMs?: number;
  /** What the seed draws otherwise. */
  readonly mix?: Partial<RunMix>;
}

/** What a run saw. */
export interface SimulationReport {
  readonly virtualMs: number;
  readonly claims: Workload["claims"];
  readonly slowestClaimMs: number;
  readonly lost: Workload["lost"];
  readonly lookups: Workload["lookups"];
  readonly effects: Workload["effects"];
  /** With wrong clocks: how often a server began to own what another one owned. */
  readonly overlaps: number;
  /** Users whose history had too many ways to happen to be judged to its end for linearizability. */
  readonly undecided: number;
  readonly messages: number;
  readonly steps: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly rosterVersion: number;
}

/** How often what grows stale with time is looked at, ms. */
const LOOK_AROUND_MS = 1_000;
/** After everything has healed and leases have had their time, a claim takes no longer than that. */
const CALM_CLAIM_MS = 1_000;

/**
 * Runs the production cores of a domain on virtual time: claims, moves, lookups and watches under faults, while servers
 * join and leave. Safety is checked at each step on true time; then everything heals, and progress is checked.
 * @throws {Violation}
 */
export function simulate(options: SimulationOptions, trace?: Trace): SimulationReport {
  return new Simulation(options, trace).run();
}

class Simulation {
  readonly #random: Random;
  readonly #agenda = new Agenda();
  readonly #network: Network;
  readonly #mix: RunMix;
  readonly #aors: readonly Aor[];
  readonly #cluster: Cluster;
  readonly #faults: FaultInjector;
  readonly #workload: Workload;
  readonly #checks: Checks;
  readonly #trace: Trace | undefined;
  readonly #faultsUntilMs: number;
  #steps = 0;

  constructor(options: SimulationOptions, trace: Trace | undefined) {
    this.#trace = trace;
    this.#random = new Random(options.seed);
    this.#network = new Network(this.#agenda, this.#random);
    // From generators of their own, so that the rest of a seed's run is what it was without.
    const selfMessages = new Random(~options.seed).pick([1, 3, Infinity, Infinity]);
    const [movedAtOnce, movePauseMs] = new Random(options.seed + 2 ** 31).pick(MOVES);
    const drawn = drawMix(this.#random, options.clocks ?? "bounded", options.leaseMs);
    this.#mix = { ...drawn, selfMessages, movedAtOnce, movePauseMs, ...options.mix };
    this.#faultsUntilMs = options.minutes * 60_000;
    this.#aors = Array.from({ length: this.#mix.aors }, (_, at) => parseAor(`sip:user${at + 1}@example.com`));
    this.#checks = new Checks(this.#mix, this.#aors);
    const world: NodeWorld = {
      agenda: this.#agenda,
      network: this.#network,
      random: this.#random,
      sent: (nowMs, from, to, batch) => trace?.sent(nowMs, from.number, to, batch),
      deliver: (nowMs, from, to, wire) => {
        const receiver = this.#cluster.node(to);
        // A server listens only to servers of its roster.
        if (receiver?.knows(from) !== true) return;
        trace?.arrived(nowMs, from, to, wire);
        receiver.receive(nowMs, from, wire);
      },
      event: (nowMs, node, event) => {
        trace?.event(nowMs, node.number, event);
        if (event.kind === "publish-roster") this.#publish(nowMs, node, event.roster);
        else this.#workload.event(nowMs, node, node.life as Life, event);
      },
      stepped: (nowMs, node) => this.#checks.stepped(nowMs, node),
    };
    this.#cluster = new Cluster(world, {
      size: options.nodes,
      mix: this.#mix,
      onStart: (nowMs, node) => this.#workload.nodeStarted(nowMs, node),
      onCrash: (nowMs, node) => {
        this.#checks.crashed(nowMs, node);
        this.#workload.nodeCrashed(node);
      },
    });
    const onFault = (nowMs: number, what: string) => trace?.note(nowMs, what);
    this.#faults = new FaultInjector(world, this.#cluster, { size: options.nodes, mix: this.#mix, onFault });
    this.#workload = new Workload({ world, cluster: this.#cluster, checks: this.#checks }, this.#mix, this.#aors);
  }

  run(): SimulationReport {
    const repeat = (meanMs: number, act: (nowMs: number) => void) => this.#repeat(meanMs, act);
    this.#cluster.found();
    this.#workload.start(repeat);
    this.#faults.start(repeat);
    this.#lookAround(LOOK_AROUND_MS);
    this.#runUntil(this.#faultsUntilMs);
    this.#trace?.note(this.#faultsUntilMs, "everything heals");
    this.#faults.heal(this.#faultsUntilMs);
    const endMs = this.#mix.clocks !== "wrong" ? this.#calmDown(this.#faultsUntilMs) : this.#faultsUntilMs;
    this.#checks.checkHistories(endMs);
    const { claims, slowestClaimMs, lost, lookups, effects } = this.#workload;
    return {
      virtualMs: endMs,
      claims,
      slowestClaimMs,
      lost,
      lookups,
      effects,
      overlaps: this.#checks.overlaps,
      undecided: this.#checks.undecided,
      messages: this.#network.messages,
      steps: this.#steps,
      faults: this.#faults.counts,
      rosterVersion: this.#cluster.founder.roster.version,
    };
  }

  #publish(nowMs: number, node: SimulatedNode, roster: Roster): void {
    if (roster.version !== node.roster.version) this.#checks.since.forgot(nowMs);
    this.#cluster.publish(nowMs, node, roster);
  }

  #repeat(meanMs: number, act: (nowMs: number) => void): void {
    if (!Number.isFinite(meanMs)) return;
    const again = (nowMs: number) => {
      const atMs = nowMs + this.#random.exponential(meanMs);
      if (atMs >= this.#faultsUntilMs) return;
      this.#agenda.add(atMs, (dueMs) => {
        act(dueMs);
        again(dueMs);
      });
    };
    again(0);
  }

  #lookAround(atMs: number): void {
    this.#agenda.add(atMs, (nowMs) => {
      this.#checks.lookAround(nowMs, this.#cluster.nodes);
      this.#lookAround(nowMs + LOOK_AROUND_MS);
    });
  }

  #runUntil(untilMs: number): void {
    const agenda = this.#agenda;
    for (let nowMs = agenda.nextMs; nowMs <= untilMs; nowMs = agenda.nextMs) {
      agenda.runDue(nowMs);
      this.#steps++;
    }
  }

  /** Lets leases, claims and late messages run out and rosters settle, then claims every AoR and watches that go well. */
  #calmDown(healedMs: number): number {
    const { leaseMs, network } = this.#mix;
    const restMs = Math.max(4 * leaseMs, 2 * leaseMs + CLAIM_SLACK_MS);
    const calmMs = healedMs + restMs + (network.late?.maxMs ?? 0);
    this.#runUntil(calmMs);
    for (const { node, aor } of this.#workload.unended()) {
      throw new Violation("I5", calmMs, `a claim of ${aor} by server ${node.number} never ended`, aor);
    }
    for (const aor of this.#aors)
      this.#workload.claim(calmMs, this.#random.pick(this.#cluster.members()), aor, "take-over");
    const claimedMs = calmMs + CALM_CLAIM_MS;
    this.#runUntil(claimedMs);
    for (const aor of this.#aors) this.#checkOwned(claimedMs, aor);
    this.#checkRoster(claimedMs);
    return claimedMs;
  }

  /** I5 and I4: the AoR was claimed, so somebody owns it, and whoever watches it knows. */
  #checkOwned(nowMs: number, aor: Aor): void {
    const owner = this.#cluster.nodes.find((node) => node.believes(nowMs, aor) !== undefined);
    const epoch = owner?.believes(nowMs, aor);
    if (epoch === undefined) throw new Violation("I5", nowMs, `nobody owns ${aor} though it was claimed in calm`, aor);
    for (const node of this.#cluster.members()) {
      if (node.life?.watching.has(aor) !== true) continue;
      const told = node.life.told.get(aor)?.state;
      if (told?.kind === "owner" && sameBallot(told.epoch, epoch)) continue;
      const what = told?.kind === "owner" ? formatBallot(told.epoch) : (told?.kind ?? "nothing");
      const message = `server ${node.number} was told ${what} of ${aor}, which is owned by ${formatBallot(epoch)}`;
      throw new Violation("I4", nowMs, message, aor);
    }
  }

  #checkRoster(nowMs: number): void {
    const { servers, voters, oldVoters, leaving } = this.#cluster.founder.roster;
    const wanted = Math.min(servers.length, this.#mix.votersTarget);
    if (voters.length >= wanted && oldVoters.length + leaving.length === 0) return;
    const rest = `${oldVoters.length} voted before, ${leaving.length} are leaving`;
    const message = `the roster stands still: ${servers.length} servers, ${voters.length} vote, ${rest}`;
    throw new Violation("I5", nowMs, message);
  }
}
