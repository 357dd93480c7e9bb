import { publicKeyFromRaw } from "@libp2p/crypto/keys";
import { peerIdFromPublicKey } from "@libp2p/peer-id";
import type { Aor } from "../dht-schema/aor.ts";
import { parseAor } from "../dht-schema/aor.ts";
import { formatBallot, sameBallot } from "../dht-schema/ballot.ts";
import type { Roster, RosterServer } from "../dht-schema/roster.ts";
import { Agenda } from "../node/directory/core/agenda.ts";
import type { DirectoryEvent } from "../node/directory/core/context.ts";
import { defaultTuning } from "../node/directory/directory.ts";
import { checkExclusive, EpochChecker, Violation } from "./checkers.ts";
import type { FaultMix } from "./faults.ts";
import { drawFaults } from "./faults.ts";
import { Network } from "./network.ts";
import { Random } from "./random.ts";
import type { NodeWorld } from "./simulated-node.ts";
import { SimulatedNode } from "./simulated-node.ts";

/** A run, fully determined. */
export interface SimulationOptions {
  readonly seed: number;
  /** Servers in the end: the first founds the domain, the others join while it runs. */
  readonly nodes: number;
  /** Virtual time with faults, before everything heals. */
  readonly minutes: number;
}

/** What a run saw. */
export interface SimulationReport {
  readonly virtualMs: number;
  readonly claims: Record<"owned" | "owned-elsewhere" | "unavailable", number>;
  readonly lost: Record<"handed-over" | "expired" | "released", number>;
  readonly messages: number;
  readonly steps: number;
  readonly faults: Record<string, number>;
  readonly rosterVersion: number;
}

const LEASE_MS = 3_000;
/** ρ of the domain, in parts per million; the clocks of a run differ by as much as that allows. */
const DRIFT_PPM = 10_000;
const AORS = ["alice", "joe", "zeke"].map((user) => parseAor(`sip:${user}@example.com`));

/**
 * Runs the production cores of a domain on virtual time: claims, moves and watches under faults, while servers join.
 * The invariants are checked on true time at each step; then everything heals, and progress is checked.
 * @throws {Violation}
 */
export function simulate(options: SimulationOptions): SimulationReport {
  return new Simulation(options).run();
}

class Simulation {
  readonly #random: Random;
  readonly #agenda = new Agenda();
  readonly #network: Network;
  readonly #world: NodeWorld;
  readonly #mix: FaultMix;
  /** Servers that there are when none has left. */
  readonly #size: number;
  readonly #nodes: SimulatedNode[] = [];
  readonly #epochs = new EpochChecker();
  readonly #faultsUntilMs: number;
  readonly #openClaims = new Map<number, { readonly node: SimulatedNode; readonly aor: Aor }>();
  readonly #claims = { owned: 0, "owned-elsewhere": 0, unavailable: 0 };
  readonly #lost = { "handed-over": 0, expired: 0, released: 0 };
  readonly #faults: Record<string, number> = {};
  #steps = 0;
  #lastClaim = 0;

  constructor(options: SimulationOptions) {
    this.#random = new Random(options.seed);
    this.#network = new Network(this.#agenda, this.#random);
    this.#mix = drawFaults(this.#random, LEASE_MS);
    this.#size = options.nodes;
    this.#faultsUntilMs = options.minutes * 60_000;
    this.#world = {
      agenda: this.#agenda,
      network: this.#network,
      random: this.#random,
      deliver: (nowMs, from, to, bytes) => this.#deliver(nowMs, from, to, bytes),
      event: (nowMs, node, event) => this.#event(nowMs, node, event),
    };
  }

  run(): SimulationReport {
    this.#found();
    this.#network.faults = this.#mix.network;
    this.#repeat(this.#mix.claimMs, (nowMs) => this.#claimSomething(nowMs));
    this.#repeat(this.#mix.claimMs * 7, (nowMs) => this.#releaseSomething(nowMs));
    this.#repeat(this.#mix.crashMs, (nowMs) => this.#crash(nowMs));
    this.#repeat(this.#mix.pauseMs, (nowMs) => this.#pause(nowMs));
    this.#repeat(this.#mix.partitionMs, (nowMs) => this.#partition(nowMs));
    this.#repeat(this.#mix.rosterMs, (nowMs) => this.#changeMembers(nowMs));
    this.#gossip(0);
    this.#runUntil(this.#faultsUntilMs);
    this.#heal(this.#faultsUntilMs);
    const calmMs = this.#faultsUntilMs + 5 * LEASE_MS + 3_000;
    this.#runUntil(calmMs);
    this.#checkProgress(calmMs);
    return {
      virtualMs: calmMs,
      claims: this.#claims,
      lost: this.#lost,
      messages: this.#network.messages,
      steps: this.#steps,
      faults: this.#faults,
      rosterVersion: (this.#node(1) as SimulatedNode).roster.version,
    };
  }

  /** The first server is there from the start; the others join one by one or in bursts, early or in the midst of faults. */
  #found(): void {
    const founder = serverOf(1);
    this.#addNode(0, founder.number, {
      domain: "example.com",
      version: 1,
      revision: 1,
      leaseMs: LEASE_MS,
      driftPpm: DRIFT_PPM,
      steward: founder.number,
      lastNumber: founder.number,
      leaving: [],
      servers: [founder],
      voters: [founder.number],
      oldVoters: [],
    });
    let atMs = 0;
    for (let joining = 1; joining < this.#size; joining++) {
      atMs += this.#random.chance(0.6) ? this.#random.between(0, 300) : this.#random.between(0, 5 * LEASE_MS);
      this.#agenda.add(atMs, (nowMs) => this.#join(nowMs));
    }
  }

  #addNode(nowMs: number, number: number, roster: Roster): void {
    const drift = DRIFT_PPM / 1e6;
    const clockRate = 1 + this.#random.pick([-drift, drift, this.#random.between(-drift, drift)]);
    const clockStartMs = this.#random.between(0, 1e6);
    // A small step, so that the ceiling matters in every run.
    const tuning = { ...defaultTuning, ceilingStep: 64 };
    const node = new SimulatedNode(
      { number, roster, tuning, steward: number === 1, clockRate, clockStartMs },
      this.#world,
    );
    this.#nodes.push(node);
    node.start(nowMs, AORS);
  }

  /** Admission: the founder adds the server to the roster, as the mesh does. */
  #join(nowMs: number): void {
    const founder = this.#node(1) as SimulatedNode;
    if (!founder.isUp || founder.isPaused) {
      this.#agenda.add(nowMs + 500, (atMs) => this.#join(atMs));
      return;
    }
    const before = founder.roster;
    const lastNumber = before.lastNumber + 1;
    const server = serverOf(lastNumber);
    const servers = [...before.servers, server];
    const roster = { ...before, revision: before.revision + 1, lastNumber, servers };
    founder.learnRoster(nowMs, roster);
    this.#addNode(nowMs, server.number, roster);
  }

  /** An operator takes a server out, or another one joins. */
  #changeMembers(nowMs: number): void {
    const founder = this.#node(1) as SimulatedNode;
    if (!founder.isUp || founder.isPaused) return;
    const { roster } = founder;
    const staying = roster.servers.map(({ number }) => number).filter((number) => !roster.leaving.includes(number));
    if (staying.length < this.#size && this.#random.chance(0.7)) {
      this.#count("join");
      this.#join(nowMs);
    } else if (staying.length > 2) {
      this.#count("leave");
      const goes = this.#random.pick(staying.filter((number) => number !== roster.steward));
      const leaving = [...roster.leaving, goes].sort((a, b) => a - b);
      founder.learnRoster(nowMs, { ...roster, revision: roster.revision + 1, leaving });
    }
  }

  /** A server listens only to servers of its roster. */
  #deliver(nowMs: number, from: number, to: number, bytes: Uint8Array): void {
    const receiver = this.#node(to);
    if (receiver?.roster.servers.some(({ number }) => number === from) === true) receiver.receive(nowMs, from, bytes);
  }

  #node(number: number): SimulatedNode | undefined {
    return this.#nodes.find((node) => node.number === number);
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

  #runUntil(untilMs: number): void {
    while (this.#agenda.nextMs <= untilMs) {
      const nowMs = this.#agenda.nextMs;
      this.#agenda.runDue(nowMs);
      this.#steps++;
      for (const aor of AORS) checkExclusive(nowMs, aor, this.#nodes);
    }
  }

  #count(fault: string): void {
    this.#faults[fault] = (this.#faults[fault] ?? 0) + 1;
  }

  #claimSomething(nowMs: number): void {
    const aor = this.#random.pick(AORS);
    // Now and then all servers want the same user at the same instant.
    const claimants = this.#random.chance(0.1) ? this.#nodes : [this.#random.pick(this.#nodes)];
    for (const node of claimants) this.#claim(nowMs, node, aor, this.#random.chance(this.#mix.takeOver));
  }

  #claim(nowMs: number, node: SimulatedNode, aor: Aor, takeOver: boolean): void {
    const id = ++this.#lastClaim;
    node.run(nowMs, (core, localMs) => {
      this.#openClaims.set(id, { node, aor });
      core.claim(localMs, id, aor, takeOver ? "take-over" : "if-free", localMs + LEASE_MS + 2_000);
    });
  }

  #releaseSomething(nowMs: number): void {
    const aor = this.#random.pick(AORS);
    for (const node of this.#nodes) {
      if (node.believes(nowMs, aor) !== undefined) node.run(nowMs, (core, localMs) => core.release(localMs, aor));
    }
  }

  #crash(nowMs: number): void {
    const node = this.#random.pick(this.#nodes);
    if (!node.isUp) return;
    this.#count("crash");
    node.crash();
    for (const [id, claim] of this.#openClaims) if (claim.node === node) this.#openClaims.delete(id);
    this.#agenda.add(nowMs + this.#random.between(1, 2 * LEASE_MS), (atMs) => {
      if (!node.isUp) node.start(atMs, AORS);
    });
  }

  #pause(nowMs: number): void {
    const node = this.#random.pick(this.#nodes);
    if (!node.isUp || node.isPaused) return;
    this.#count("pause");
    node.pause();
    this.#agenda.add(nowMs + this.#random.between(1, 3 * LEASE_MS), (atMs) => node.resume(atMs));
  }

  #partition(nowMs: number): void {
    const kind = this.#random.pick(["split", "isolate", "one-way"] as const);
    this.#count(kind);
    const numbers = this.#nodes.map(({ number }) => number);
    const isolated = this.#random.pick(numbers);
    const side = new Set(
      numbers.filter((number) => (kind === "isolate" ? number === isolated : this.#random.chance(0.5))),
    );
    for (const from of numbers) {
      for (const to of numbers) {
        if (side.has(from) === side.has(to) || (kind === "one-way" && side.has(from))) continue;
        this.#network.cut(from, to);
      }
    }
    this.#agenda.add(nowMs + this.#random.between(10, 3 * LEASE_MS), () => this.#network.heal());
  }

  /** What the mesh does with rosters: whoever has a newer one pushes it where there is a link. */
  #gossip(nowMs: number): void {
    const from = this.#random.pick(this.#nodes);
    const to = this.#random.pick(this.#nodes);
    if (from !== to) this.#pushRoster(nowMs, from, to);
    this.#agenda.add(nowMs + 300 / this.#nodes.length, (atMs) => this.#gossip(atMs));
  }

  #pushRoster(nowMs: number, from: SimulatedNode, to: SimulatedNode): void {
    if (!from.isUp || from.isPaused) return;
    const { roster } = from;
    this.#network.send(nowMs, from.number, to.number, (atMs) => to.learnRoster(atMs, roster));
  }

  #heal(nowMs: number): void {
    this.#network.heal();
    this.#network.faults = { loss: 0, duplication: 0, delayMs: 1 };
    for (const node of this.#nodes) {
      node.resume(nowMs);
      if (!node.isUp) node.start(nowMs, AORS);
    }
    for (const aor of AORS) {
      this.#agenda.add(nowMs + 3 * LEASE_MS, (atMs) =>
        this.#claim(atMs, this.#random.pick(this.#members()), aor, true),
      );
    }
  }

  /** I4 and I5: everything has healed, and each AoR was claimed since. */
  #checkProgress(nowMs: number): void {
    for (const [id, { aor, node }] of this.#openClaims) {
      throw new Violation("I5", nowMs, `claim ${id} of ${aor} by server ${node.number} never ended`);
    }
    for (const aor of AORS) {
      const epoch = this.#nodes.map((node) => node.believes(nowMs, aor)).find((owned) => owned !== undefined);
      if (epoch === undefined)
        throw new Violation("I5", nowMs, `nobody owns ${aor} though it was claimed after the healing`);
      for (const node of this.#members()) {
        const told = node.told.get(aor);
        if (told?.kind === "owner" && sameBallot(told.epoch, epoch)) continue;
        const what = told?.kind === "owner" ? formatBallot(told.epoch) : (told?.kind ?? "nothing");
        throw new Violation(
          "I4",
          nowMs,
          `server ${node.number} was told ${what} of ${aor}, which is owned by ${formatBallot(epoch)}`,
        );
      }
    }
    const { servers, voters, oldVoters, leaving } = (this.#node(1) as SimulatedNode).roster;
    if (voters.length < servers.length || oldVoters.length + leaving.length > 0) {
      const rest = `${oldVoters.length} voted before, ${leaving.length} are leaving`;
      throw new Violation(
        "I5",
        nowMs,
        `the roster stands still: ${servers.length} servers, ${voters.length} vote, ${rest}`,
      );
    }
  }

  /** The nodes of servers that belong to the domain and stay. */
  #members(): SimulatedNode[] {
    const { servers, leaving } = (this.#node(1) as SimulatedNode).roster;
    return this.#nodes.filter(
      ({ number }) => servers.some((server) => server.number === number) && !leaving.includes(number),
    );
  }

  #event(nowMs: number, node: SimulatedNode, event: DirectoryEvent): void {
    if (event.kind === "claimed") {
      this.#openClaims.delete(event.claim);
      this.#claims[event.result.kind]++;
      if (event.result.kind === "owned") this.#epochs.claimed(nowMs, event.aor, event.result.epoch);
    } else if (event.kind === "lost") this.#lost[event.reason]++;
    else if (event.kind === "publish-roster") {
      node.learnRoster(nowMs, event.roster);
      for (const other of this.#nodes) if (other !== node) this.#pushRoster(nowMs, node, other);
    }
  }
}

/** Servers made of fixed keys, so that places in the Kademlia space do not change between runs. */
function serverOf(number: number): RosterServer {
  const known = knownServers[number];
  if (known !== undefined) return known;
  const id = peerIdFromPublicKey(publicKeyFromRaw(new Uint8Array(32).fill(number))).toString();
  return (knownServers[number] = { number, id, name: `s${number}`, addresses: [] });
}

const knownServers: RosterServer[] = [];
