import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { InviteView, NodeStatus, RosterView } from "../../node/admin/node-view.ts";
import { ownPorts } from "../../node/demo/ports.ts";
import type { ChildInit } from "./child.ts";
import { ChaosFault, ServerChild } from "./child.ts";
import type { Direction } from "./cut-transport.ts";
import { machineMs } from "./journal.ts";
import type { Fault, FaultKind, Place } from "./plan.ts";
import { placesOf } from "./plan.ts";

/** What a run wants of its servers. */
export interface SwarmOptions {
  readonly servers: number;
  readonly leaseMs: number;
  /** Where each server gets a data folder, a journal and a log. */
  readonly folder: string;
  /** AoRs whose owner every server watches. */
  readonly watched: readonly string[];
  /** Rate of the clock of the server at a place. */
  readonly clockRateAt: (place: Place) => number;
}

/** A server that has lived at a place; another one takes the place when its disk is wiped or it leaves. */
export interface Identity {
  readonly place: Place;
  readonly name: string;
  readonly journal: string;
  /** Each run of its process; the last one is open while it runs. */
  readonly lives: Life[];
}

/** One run of a process, of `machineMs`: it lived at least until `toMs`, and not beyond `goneMs`. */
export interface Life {
  readonly fromMs: number;
  toMs: number;
  goneMs: number;
}

/** A time during which something was the matter with a place. */
export interface Trouble {
  readonly kind: FaultKind;
  readonly places: readonly Place[];
  /** Directions that are cut. */
  readonly severed: readonly (readonly [from: Place, to: Place])[];
  readonly fromMs: number;
  toMs: number;
}

/** Where the clients of a place's server connect. */
export interface SipPorts {
  readonly sip: number;
  readonly ws: number;
}

interface Site {
  readonly place: Place;
  readonly ports: ChildInit["ports"];
  identities: number;
  child: ServerChild;
  identity: Identity;
}

export const DOMAIN = "example.com";

/** Faults of a process, not of links. */
const processFaults: Partial<Record<FaultKind, true>> = {
  kill: true,
  freeze: true,
  block: true,
  wipe: true,
  leave: true,
};

const host = "127.0.0.1";
const adminMs = 2000;
const pollMs = 100;
/** How long the swarm may take to be whole when nothing is wrong with it. */
const settleMs = 60_000;

/** Servers of one domain in processes of their own, and what is done to them. */
export class Swarm {
  readonly troubles: Trouble[] = [];
  readonly identities: Identity[] = [];
  readonly #options: SwarmOptions;
  readonly #sites = new Map<Place, Site>();
  readonly #severed = new Map<Trouble, readonly Direction[]>();
  readonly #upListeners = new Set<(place: Place) => void>();
  readonly #troubleListeners = new Set<(trouble: Trouble) => void>();
  #stopping = false;

  constructor(options: SwarmOptions) {
    this.#options = options;
  }

  /** Founds the domain and brings all servers up. @throws {ChaosFault} */
  async start(): Promise<void> {
    const { servers, leaseMs } = this.#options;
    const ports = await ownPorts(servers * 3);
    for (const place of placesOf(servers)) {
      const [sip, ws, mesh] = ports.slice((place - 1) * 3) as [number, number, number];
      const founding = { domain: DOMAIN, lease: `${leaseMs}ms` };
      const origin = place === 1 ? founding : { join: await this.#invite() };
      const site = this.#open(place, { sip, ws, mesh }, origin);
      await site.child.untilUp();
    }
    await this.untilWhole(settleMs);
  }

  get places(): readonly Place[] {
    return [...this.#sites.keys()];
  }

  portsOf(place: Place): SipPorts {
    return this.#site(place).ports;
  }

  nameAt(place: Place): string {
    return this.#site(place).identity.name;
  }

  /** Whether nothing is being done to the process at a place, and it serves. */
  isUp(place: Place): boolean {
    return !this.troubles.some(({ kind, places, toMs }) => kind in processFaults && toMs === Infinity && places.includes(place)); // prettier-ignore
  }

  /** Calls `listener` whenever a server has come up at a place, with nothing of what its process knew before. */
  onUp(listener: (place: Place) => void): void {
    this.#upListeners.add(listener);
  }

  /** Calls `listener` when something begins to be the matter. */
  onTrouble(listener: (trouble: Trouble) => void): void {
    this.#troubleListeners.add(listener);
  }

  /** Does what a fault says; resolves when it is over and the servers that it stopped are up again. @throws {ChaosFault} */
  async suffer(fault: Fault, signal: AbortSignal): Promise<void> {
    const places = "place" in fault ? [fault.place] : [...new Set(fault.severed.flat())].sort((a, b) => a - b);
    const severed = "severed" in fault ? fault.severed : [];
    const trouble: Trouble = { kind: fault.kind, places, severed, fromMs: machineMs(), toMs: Infinity };
    this.troubles.push(trouble);
    for (const listener of this.#troubleListeners) listener(trouble);
    const lasting = delay(fault.forMs, undefined, { signal }).catch(() => {}); // a heal ends it early
    try {
      switch (fault.kind) {
        case "kill":
          await this.#kill(fault.place);
          await lasting;
          return await this.#restart(fault.place);
        case "freeze":
          this.#site(fault.place).child.signal("SIGSTOP");
          await lasting;
          return this.#site(fault.place).child.signal("SIGCONT");
        case "block":
          this.#site(fault.place).child.order({ kind: "block", forMs: fault.forMs });
          return await delay(fault.forMs);
        case "wipe":
        case "leave":
          return await this.#replace(fault.place, fault.kind, lasting);
        default:
          this.#sever(trouble, fault.severed);
          await lasting;
          return this.#sever(trouble, []);
      }
    } finally {
      trouble.toMs = machineMs();
    }
  }

  /** Resolves when all servers are linked, all vote, and none is on its way out. @throws {ChaosFault} with what is missing */
  async untilWhole(withinMs: number): Promise<void> {
    const deadlineMs = machineMs() + withinMs;
    for (;;) {
      const missing = await this.#missing();
      if (missing === undefined) return;
      if (machineMs() > deadlineMs)
        throw new ChaosFault(`not whole within ${Math.round(withinMs / 1000)} s: ${missing}`);
      await delay(pollMs);
    }
  }

  /** Ends all processes in order. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const sites = [...this.#sites.values()];
    await Promise.all(
      sites.map(async ({ child, identity }) => {
        child.signal("SIGCONT");
        await child.drain();
        this.#gone(identity);
      }),
    );
  }

  /** Kills all processes, at once. */
  abandon(): void {
    this.#stopping = true;
    for (const { child } of this.#sites.values()) child.abandon();
  }

  #site(place: Place): Site {
    const site = this.#sites.get(place);
    if (site === undefined) throw new RangeError(`no server at place ${place}`);
    return site;
  }

  /** A new server, with an empty disk. */
  #open(place: Place, ports: ChildInit["ports"], origin: Readonly<Record<string, string>>): Site {
    const identities = (this.#sites.get(place)?.identities ?? 0) + 1;
    const name = identities === 1 ? `s${place}` : `s${place}-${identities}`;
    const child = this.#spawn(name, place, ports, origin);
    const identity = {
      place,
      name,
      journal: child.journal,
      lives: [{ fromMs: child.startedAtMs, toMs: Infinity, goneMs: Infinity }],
    };
    this.identities.push(identity);
    const site = { place, ports, identities, child, identity };
    this.#sites.set(place, site);
    return site;
  }

  #spawn(name: string, place: Place, ports: ChildInit["ports"], origin: Readonly<Record<string, string>>): ServerChild {
    if (this.#stopping) throw new ChaosFault("the run is ending");
    const { folder, watched, clockRateAt } = this.#options;
    return new ServerChild({ name, folder, ports, watched, clockRate: clockRateAt(place) }, origin, this.#cuts());
  }

  async #kill(place: Place): Promise<void> {
    const { child, identity } = this.#site(place);
    this.#dying(identity);
    await child.kill();
    this.#gone(identity);
  }

  #dying({ lives }: Identity): void {
    const life = lives.at(-1);
    if (life !== undefined && life.toMs === Infinity) life.toMs = machineMs();
  }

  #gone(identity: Identity): void {
    this.#dying(identity);
    const life = identity.lives.at(-1);
    if (life !== undefined && life.goneMs === Infinity) life.goneMs = machineMs();
  }

  async #restart(place: Place): Promise<void> {
    await this.#run(place, {});
    this.#tellUp(place);
  }

  /** The server of a place once more. @throws {ChaosFault} when it does not come up */
  #run(place: Place, origin: Readonly<Record<string, string>>): Promise<void> {
    const site = this.#site(place);
    site.child = this.#spawn(site.identity.name, place, site.ports, origin);
    site.identity.lives.push({ fromMs: site.child.startedAtMs, toMs: Infinity, goneMs: Infinity });
    return site.child.untilUp();
  }

  async #replace(place: Place, kind: "wipe" | "leave", lasting: Promise<void>): Promise<void> {
    const { identity, child, ports } = this.#site(place);
    if (kind === "wipe") {
      await this.#kill(place);
      await rm(join(this.#options.folder, identity.name), { recursive: true, force: true });
      await this.#untilRemoved(place, "remove");
    } else {
      await this.#untilRemoved(place, "drain");
      await child.drain();
      this.#gone(identity);
    }
    await lasting;
    const deadlineMs = machineMs() + settleMs;
    const origin = { join: await this.#invite() };
    const { child: joining } = this.#open(place, ports, origin);
    let up = joining.untilUp();
    for (;;) {
      try {
        await up;
        return this.#tellUp(place);
      } catch (error) {
        if (machineMs() > deadlineMs) throw error;
        // Cut off from the server that invites, it gives up. Whoever runs it tries again, with the same token: it may have been let in.
        await this.#kill(place);
        up = this.#run(place, origin);
      }
    }
  }

  #tellUp(place: Place): void {
    for (const listener of this.#upListeners) listener(place);
  }

  /** Resolves when a server is no longer in the roster, as its maker has it. */
  async #untilRemoved(place: Place, how: "remove" | "drain"): Promise<void> {
    const { name } = this.#site(place).identity;
    // What `aorta roster remove --force` and `aorta drain` ask for.
    await this.#persist(() =>
      how === "remove"
        ? this.#ask(1, "POST", "/v1/roster/remove", { servers: [name], force: true })
        : this.#ask(place, "POST", "/v1/drain"),
    );
    await this.#persist(async () => {
      const { servers } = await this.#ask<RosterView>(1, "GET", "/v1/roster");
      if (servers.some((server) => server.name === name)) throw new ChaosFault(`${name} is still in the roster`);
    });
  }

  /** Asks the server that makes the rosters until it answers: it may be down or frozen itself. */
  async #invite(): Promise<string> {
    const { token } = await this.#persist(() => this.#ask<InviteView>(1, "POST", "/v1/invites", { ttl: "10m" }));
    return token;
  }

  async #persist<T>(ask: () => Promise<T>): Promise<T> {
    const deadlineMs = machineMs() + settleMs;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (machineMs() > deadlineMs)
          throw new ChaosFault(`not done in time: ${(error as Error).message}`, { cause: error });
        await delay(pollMs);
      }
    }
  }

  async #ask<T>(place: Place, method: "GET" | "POST", path: string, body?: object): Promise<T> {
    const late = new AbortController();
    const answer = this.#site(place).child.admin.call<T>(method, path, body);
    answer.catch(() => {}); // may fail long after we have lost patience
    try {
      const silence = delay(adminMs, undefined, { signal: late.signal }).then(() => {
        throw new ChaosFault(`place ${place} does not answer`);
      });
      return await Promise.race([answer, silence]);
    } finally {
      late.abort();
    }
  }

  #sever(trouble: Trouble, severed: readonly (readonly [Place, Place])[]): void {
    const ports = (place: Place) => this.#site(place).ports.mesh;
    this.#severed.set(
      trouble,
      severed.map(([from, to]): Direction => [ports(from), ports(to)]),
    );
    const cuts = this.#cuts();
    for (const { child } of this.#sites.values()) child.order({ kind: "cuts", cuts });
  }

  #cuts(): Direction[] {
    return [...this.#severed.values()].flat();
  }

  async #missing(): Promise<string | undefined> {
    for (const [place, { child }] of this.#sites) {
      try {
        const { state, peers } = await this.#ask<NodeStatus>(place, "GET", "/v1/status");
        const { servers, joint } = await this.#ask<RosterView>(place, "GET", "/v1/roster");
        const of = `${child.name} (${host}:${this.#site(place).ports.sip})`;
        if (state !== "running") return `${of} is ${state}`;
        if (peers.up !== this.#options.servers - 1) return `${of} has ${peers.up} links`;
        if (servers.length !== this.#options.servers) return `${of} knows ${servers.length} servers`;
        if (joint || servers.some(({ voter, leaving }) => !voter || leaving)) return `${of} waits for the roster`;
      } catch (error) {
        return `${child.name} does not answer: ${(error as Error).message}`;
      }
    }
    return undefined;
  }
}
