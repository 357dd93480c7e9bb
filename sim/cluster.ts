import { publicKeyFromRaw } from "@libp2p/crypto/keys";
import { peerIdFromPublicKey } from "@libp2p/peer-id";
import type { Roster, RosterServer } from "../dht-schema/roster.ts";
import { isNewerRoster } from "../dht-schema/roster.ts";
import type { DirectoryTuning } from "../node/directory/core/context.ts";
import { defaultTuning } from "../node/directory/directory.ts";
import { SimulatedClock } from "./clock.ts";
import type { RunMix } from "./faults.ts";
import type { NodeWorld } from "./simulated-node.ts";
import { SimulatedNode } from "./simulated-node.ts";

/** ρ of a simulated domain, in parts per million. */
export const DRIFT_PPM = 10_000;

/** After what time, as a mean, a server's links have noticed that an end has a newer roster, ms. */
const GOSSIP_MS = 300;

/** How a cluster is made. */
export interface ClusterInit {
  /** Servers that there are when none has left. */
  readonly size: number;
  readonly mix: RunMix;
  /** A node is there, and runs. */
  readonly onStart: (nowMs: number, node: SimulatedNode) => void;
  /** A process is gone for good or until it is started again; `node.life` is still the one that ends. */
  readonly onCrash: (nowMs: number, node: SimulatedNode) => void;
}

/**
 * The servers of a domain and what the mesh does for them: admission, links, and rosters on their way. The first server
 * founds the domain and is its steward.
 */
export class Cluster {
  readonly #world: NodeWorld;
  readonly #init: ClusterInit;
  readonly #nodes = new Map<number, SimulatedNode>();
  #list: readonly SimulatedNode[] = [];
  readonly #tuning: DirectoryTuning;
  #gossipEveryMs: number;

  constructor(world: NodeWorld, init: ClusterInit) {
    this.#world = world;
    this.#init = init;
    const { votersTarget, forgetAfterBallots, selfMessages, movedAtOnce, movePauseMs } = init.mix;
    this.#gossipEveryMs = init.mix.gossipEveryMs;
    // A small step, so that the ceiling matters in every run.
    const drawn = { votersTarget, forgetAfterBallots, selfMessages, movedAtOnce, movePauseMs };
    this.#tuning = { ...defaultTuning, ceilingStep: 64, ...drawn };
  }

  get nodes(): readonly SimulatedNode[] {
    return this.#list;
  }

  get founder(): SimulatedNode {
    return this.#nodes.get(1) as SimulatedNode;
  }

  node(number: number): SimulatedNode | undefined {
    return this.#nodes.get(number);
  }

  pick(): SimulatedNode {
    return this.#world.random.pick(this.nodes);
  }

  /** The nodes of servers that belong to the domain and stay. */
  members(): SimulatedNode[] {
    const { servers, leaving } = this.founder.roster;
    const staying = new Set(servers.map(({ number }) => number).filter((number) => !leaving.includes(number)));
    return this.nodes.filter(({ number }) => staying.has(number));
  }

  /** The first server is there from the start; the others join one by one or in bursts, early or in the midst of faults. */
  found(): void {
    const { random, agenda } = this.#world;
    const founder = serverOf(1);
    this.#add(0, founder.number, {
      domain: "example.com",
      version: 1,
      revision: 1,
      leaseMs: this.#init.mix.leaseMs,
      driftPpm: DRIFT_PPM,
      steward: founder.number,
      lastNumber: founder.number,
      leaving: [],
      gone: [],
      servers: [founder],
      voters: [founder.number],
      oldVoters: [],
    });
    let atMs = 0;
    for (let joining = 1; joining < this.#init.size; joining++) {
      atMs += random.chance(0.6) ? random.between(0, 300) : random.between(0, 5 * this.#init.mix.leaseMs);
      agenda.add(atMs, (nowMs) => this.join(nowMs));
    }
    this.#gossip(0);
  }

  /** Admission: the founder adds the server to the roster, as the mesh does. */
  join(nowMs: number): void {
    const { founder } = this;
    if (!founder.isRunning) {
      this.#world.agenda.add(nowMs + 500, (atMs) => this.join(atMs));
      return;
    }
    const before = founder.roster;
    const lastNumber = before.lastNumber + 1;
    const servers = [...before.servers, serverOf(lastNumber)];
    const roster = { ...before, revision: before.revision + 1, lastNumber, servers };
    founder.learnRoster(nowMs, roster);
    this.#add(nowMs, lastNumber, roster);
  }

  /** An operator takes a server out. */
  leave(nowMs: number, number: number): void {
    const { roster } = this.founder;
    const leaving = [...roster.leaving, number].sort((a, b) => a - b);
    this.founder.learnRoster(nowMs, { ...roster, revision: roster.revision + 1, leaving });
  }

  /** Everybody is up, and links are as watchful as they should be. */
  heal(nowMs: number): void {
    this.#gossipEveryMs = GOSSIP_MS;
    this.#gossip(nowMs);
    for (const node of this.nodes) {
      node.healDisk(nowMs);
      node.resume(nowMs);
      this.start(nowMs, node);
    }
  }

  crash(nowMs: number, node: SimulatedNode): void {
    if (!node.isUp) return;
    this.#init.onCrash(nowMs, node);
    node.crash();
  }

  /** The machine is gone, with its disk. */
  remove(nowMs: number, node: SimulatedNode): void {
    this.crash(nowMs, node);
    this.#nodes.delete(node.number);
    this.#list = [...this.#nodes.values()];
  }

  start(nowMs: number, node: SimulatedNode): void {
    if (node.isUp || this.#nodes.get(node.number) !== node) return;
    node.start(nowMs);
    this.#init.onStart(nowMs, node);
    for (const other of this.nodes) if (other !== node) this.link(nowMs, node, other);
  }

  /** The link of two servers came up: each has the other's roster if it is newer, and sends again what was lost. */
  link(nowMs: number, a: SimulatedNode, b: SimulatedNode): void {
    const { agenda, random } = this.#world;
    agenda.add(nowMs + random.exponential(20), (atMs) => {
      if (!a.isRunning || !b.isRunning || !a.knows(b.number) || !b.knows(a.number)) return;
      this.#pushRoster(atMs, a, b);
      this.#pushRoster(atMs, b, a);
      a.run(atMs, ({ core }, localMs) => core.linkUp(localMs, b.number));
      b.run(atMs, ({ core }, localMs) => core.linkUp(localMs, a.number));
    });
  }

  /** What the mesh does with a roster that its steward made. */
  publish(nowMs: number, from: SimulatedNode, roster: Roster): void {
    from.learnRoster(nowMs, roster);
    for (const other of this.nodes) if (other !== from) this.#pushRoster(nowMs, from, other);
    this.#retireWhoLeft(nowMs);
  }

  #add(nowMs: number, number: number, roster: Roster): void {
    const clock = this.#drawClock();
    const { diskMs } = this.#init.mix;
    const init = { number, roster, tuning: this.#tuning, steward: number === 1, clock, diskMs };
    const node = new SimulatedNode(init, this.#world);
    this.#nodes.set(number, node);
    this.#list = [...this.#nodes.values()];
    this.start(nowMs, node);
  }

  #drawClock(): SimulatedClock {
    const { random } = this.#world;
    const startMs = random.between(0, 1e6);
    if (this.#init.mix.clocks === "wrong") return new SimulatedClock(startMs, random.between(0.2, 5));
    const drift = DRIFT_PPM / 1e6;
    const atEdge = random.pick([-drift, drift]);
    if (this.#init.mix.clocks === "edges") return new SimulatedClock(startMs, 1 + atEdge);
    return new SimulatedClock(startMs, 1 + random.pick([atEdge, random.between(-drift, drift)]));
  }

  /** Links compare rosters now and then, and whoever has the newer one sends it. */
  #gossip(nowMs: number): void {
    const from = this.pick();
    const to = this.pick();
    if (from !== to && from.isRunning) this.#pushRoster(nowMs, from, to);
    this.#world.agenda.add(nowMs + this.#gossipEveryMs / this.#nodes.size, (atMs) => this.#gossip(atMs));
  }

  #pushRoster(nowMs: number, from: SimulatedNode, to: SimulatedNode): void {
    const { roster } = from;
    if (!isNewerRoster(roster, to.roster)) return;
    this.#world.network.send(nowMs, from.number, to.number, (atMs) => to.learnRoster(atMs, roster));
  }

  /** A server that is no longer in the roster is switched off, but not at once. */
  #retireWhoLeft(nowMs: number): void {
    const { founder } = this;
    for (const node of this.nodes) {
      if (founder.knows(node.number)) continue;
      this.#world.agenda.add(nowMs + 4 * this.#init.mix.leaseMs, (atMs) => this.remove(atMs, node));
    }
  }
}

/** Servers made of fixed keys, so that places in the Kademlia space do not change between runs. */
function serverOf(number: number): RosterServer {
  const known = knownServers[number];
  if (known !== undefined) return known;
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, number);
  const id = peerIdFromPublicKey(publicKeyFromRaw(key)).toString();
  return (knownServers[number] = { number, id, name: `s${number}`, addresses: [] });
}

const knownServers: RosterServer[] = [];
