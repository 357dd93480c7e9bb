import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { formatBallot } from "../../dht-schema/ballot.ts";
import type { DirectoryMessage } from "../../dht-schema/directory-messages.ts";
import { decodeBatch, encodeBatch } from "../../dht-schema/directory-messages.ts";
import type { Roster } from "../../dht-schema/roster.ts";
import { isNewerRoster } from "../../dht-schema/roster.ts";
import type { ClaimPurpose } from "../../node/directory/core/claim.ts";
import type {
  ClaimResult,
  DirectoryEvent,
  DirectoryTuning,
  LookupResult,
  OwnerState,
} from "../../node/directory/core/context.ts";
import { DirectoryCore } from "../../node/directory/core/directory-core.ts";
import type { LookupMode } from "../../node/directory/core/lookup.ts";
import { testTuning } from "./core-context.ts";
import { testRoster } from "./rosters.ts";

interface Server {
  readonly number: number;
  readonly disk: { roster: Roster; boot: number; ceiling: number };
  core: DirectoryCore | undefined;
  isPaused: boolean;
  /** What came while the process was stopped. */
  readonly backlog: (() => void)[];
  events: DirectoryEvent[];
}

/** Octets on their way. As every link has the same delay, what was sent first arrives first. */
interface Flight {
  readonly atMs: number;
  readonly from: number;
  readonly to: number;
  readonly deliver: () => void;
}

/** How the network is made. */
export interface CoreNetworkInit {
  readonly roster?: Roster;
  readonly servers?: number;
  readonly tuning?: Partial<DirectoryTuning>;
  /** Number of the server that drives the roster; none by default. */
  readonly steward?: number;
  /** From one server to another, ms. */
  readonly delayMs?: number;
  /** Told of everything that a core tells its driver, in the order in which it happens. */
  readonly onEvent?: (server: number, event: DirectoryEvent) => void;
}

/**
 * Directory cores joined by ordered, lossless links on virtual time, like those of the mesh: what is under way when a link
 * breaks is lost, and both ends are told when it is up again. Each server's clock starts elsewhere. After every step no AoR
 * may have two owners.
 */
export class CoreNetwork {
  nowMs = 0;
  readonly #servers = new Map<number, Server>();
  readonly #tuning: DirectoryTuning;
  readonly #steward: number | undefined;
  readonly #delayMs: number;
  readonly #onEvent: (server: number, event: DirectoryEvent) => void;
  readonly #cut = new Set<string>();
  readonly #stalled = new Map<string, Flight[]>();
  readonly #aors = new Set<Aor>();
  #flights: Flight[] = [];
  #isLost: (message: DirectoryMessage, from: number, to: number) => boolean = () => false;
  #trace: { readonly from: number; readonly to: number; readonly message: DirectoryMessage }[] = [];
  #lastId = 0;

  constructor(init: CoreNetworkInit = {}) {
    this.#tuning = { ...testTuning, ...init.tuning };
    this.#steward = init.steward;
    this.#delayMs = init.delayMs ?? 1;
    this.#onEvent = init.onEvent ?? (() => undefined);
    const roster = init.roster ?? testRoster(init.servers ?? 3);
    for (const { number } of roster.servers) this.add(number, roster);
  }

  /** A server starts for the first time, with the roster it was admitted by. */
  add(number: number, roster: Roster): void {
    const disk = { roster, boot: 0, ceiling: 0 };
    this.#servers.set(number, { number, disk, core: undefined, isPaused: false, backlog: [], events: [] });
    this.start(number);
  }

  /** Starts a server with what its disk holds. */
  start(number: number): void {
    const server = this.#server(number);
    server.disk.boot++;
    server.isPaused = false;
    const init = { self: number, ...server.disk, tuning: this.#tuning, random: () => 0.5 };
    server.core = new DirectoryCore(this.#localMs(server), { ...init, steward: this.#steward === number });
    this.#flush(server);
    for (const other of this.#servers.values()) if (other !== server) this.#linkUp(server, other);
  }

  /** Ends a server; its disk stays. What others have sent it is lost. */
  crash(number: number): void {
    const server = this.#server(number);
    server.core = undefined;
    server.backlog.length = 0;
    this.#flights = this.#flights.filter(({ from, to }) => from !== number && to !== number);
  }

  /** Stops a server's process: what arrives waits, and so do its timers. */
  pause(number: number): void {
    this.#server(number).isPaused = true;
  }

  resume(number: number): void {
    const server = this.#server(number);
    server.isPaused = false;
    for (const act of server.backlog.splice(0)) act();
    this.#tick(server);
    this.#check();
  }

  /** Breaks the link between two servers: what is under way on it is lost. */
  cut(a: number, b: number): void {
    this.#cut.add(linkName(a, b));
    this.#flights = this.#flights.filter(({ from, to }) => linkName(from, to) !== linkName(a, b));
  }

  heal(a: number, b: number): void {
    if (this.#cut.delete(linkName(a, b))) this.#linkUp(this.#server(a), this.#server(b));
  }

  /** Breaks every link of a server. */
  isolate(number: number): void {
    for (const other of this.#servers.keys()) if (other !== number) this.cut(number, other);
  }

  /** Mends every link of a server. */
  rejoin(number: number): void {
    for (const other of this.#servers.keys()) if (other !== number) this.heal(number, other);
  }

  /** Holds back what one server sends another, in order, until {@link flow}. */
  stall(from: number, to: number): void {
    this.#stalled.set(`${from}>${to}`, []);
  }

  flow(from: number, to: number): void {
    const held = this.#stalled.get(`${from}>${to}`) ?? [];
    this.#stalled.delete(`${from}>${to}`);
    for (const flight of held) this.#flights.push({ ...flight, atMs: this.nowMs + this.#delayMs });
  }

  /** Loses single messages from now on, as one whose answer comes after its time-out is; none by default. */
  lose(isLost: (message: DirectoryMessage, from: number, to: number) => boolean = () => false): void {
    this.#isLost = isLost;
  }

  /** A server learns a roster at this instant. */
  install(number: number, roster: Roster): void {
    const server = this.#server(number);
    this.#act(server, (core, localMs) => {
      if (!isNewerRoster(roster, server.disk.roster)) return;
      server.disk.roster = roster;
      core.installRoster(localMs, roster);
    });
  }

  roster(number: number): Roster {
    return this.#server(number).disk.roster;
  }

  /** Does something with a server's core at this instant. */
  act<T>(number: number, act: (core: DirectoryCore, localMs: number) => T): T {
    const server = this.#server(number);
    if (server.core === undefined) throw new Error(`server ${number} is down`);
    const result = act(server.core, this.#localMs(server));
    this.#flush(server);
    this.#check();
    return result;
  }

  /** Lets everything happen that is due within `ms`. */
  run(ms: number): void {
    const endMs = this.nowMs + ms;
    for (let nextMs = this.#nextMs(); nextMs <= endMs; nextMs = this.#nextMs()) this.#step(nextMs);
    this.nowMs = endMs;
  }

  /** Lets time pass until something holds. @throws when it does not within `limitMs` */
  until(what: string, holds: () => boolean, limitMs = 60_000): void {
    const endMs = this.nowMs + limitMs;
    while (!holds()) {
      const nextMs = this.#nextMs();
      if (nextMs > endMs) throw new Error(`after ${limitMs} ms still not: ${what}`);
      this.#step(nextMs);
    }
  }

  /** Starts a claim and returns its number. */
  startClaim(number: number, aor: Aor, purpose: ClaimPurpose = "take-over", withinMs = 12_000, since?: Epoch): number {
    const id = ++this.#lastId;
    this.#aors.add(aor);
    this.act(number, (core, localMs) => core.claim(localMs, id, aor, purpose, localMs + withinMs, since));
    return id;
  }

  /** How a claim ended, if it has. */
  claimResult(number: number, id: number): ClaimResult | undefined {
    for (const event of this.#server(number).events) {
      if (event.kind === "claimed" && event.claim === id) return event.result;
    }
    return undefined;
  }

  /** Claims, and lets time pass until the claim has ended. */
  claim(number: number, aor: Aor, purpose: ClaimPurpose = "take-over", withinMs = 12_000, since?: Epoch): ClaimResult {
    const id = this.startClaim(number, aor, purpose, withinMs, since);
    this.until(`claim of ${aor} by ${number} has ended`, () => this.claimResult(number, id) !== undefined);
    return this.claimResult(number, id) as ClaimResult;
  }

  /** Claims, and expects to own. */
  own(number: number, aor: Aor): Epoch {
    const result = this.claim(number, aor);
    if (result.kind !== "owned") throw new Error(`server ${number} does not own ${aor}: ${JSON.stringify(result)}`);
    return result.epoch;
  }

  /** Looks up, and lets time pass until there is an answer. */
  lookup(number: number, aor: Aor, mode: LookupMode = "majority", withinMs = 2_000): LookupResult {
    const id = ++this.#lastId;
    const found = () =>
      this.#server(number).events.find((event) => event.kind === "found" && event.lookup === id) as
        | (DirectoryEvent & { kind: "found" })
        | undefined;
    this.act(number, (core, localMs) => core.lookup(localMs, id, aor, mode, localMs + withinMs));
    this.until(`lookup of ${aor} by ${number} has ended`, () => found() !== undefined);
    return (found() as DirectoryEvent & { kind: "found" }).result;
  }

  release(number: number, aor: Aor): void {
    this.act(number, (core, localMs) => core.release(localMs, aor));
  }

  watch(number: number, aor: Aor): void {
    this.act(number, (core, localMs) => core.watch(localMs, aor));
  }

  /** What a server's watch of an AoR was told, in order. */
  told(number: number, aor: Aor): OwnerState[] {
    return this.#server(number).events.flatMap((event) =>
      event.kind === "watched" && event.aor === aor ? [event.state] : [],
    );
  }

  /** What a server's core told its driver. */
  events(number: number): readonly DirectoryEvent[] {
    return this.#server(number).events;
  }

  /** Epoch under which a server believes at this instant that it owns the AoR. */
  owned(number: number, aor: Aor): Epoch | undefined {
    const server = this.#server(number);
    return server.core?.owned(this.#localMs(server), aor);
  }

  /** What a server holds as a replica. */
  held(number: number, aor: Aor): Epoch | undefined {
    const server = this.#server(number);
    return server.core?.held(this.#localMs(server), aor);
  }

  /** Messages sent from server to server since the last call. */
  takeTrace(): { readonly from: number; readonly to: number; readonly message: DirectoryMessage }[] {
    const trace = this.#trace;
    this.#trace = [];
    return trace;
  }

  #server(number: number): Server {
    const server = this.#servers.get(number);
    if (server === undefined) throw new Error(`no server ${number}`);
    return server;
  }

  /** Clocks have nothing in common but their rate. */
  #localMs({ number }: Server): number {
    return this.nowMs + number * 1_000_000;
  }

  #nextMs(): number {
    let nextMs = this.#flights[0]?.atMs ?? Infinity;
    for (const server of this.#servers.values()) {
      if (server.core === undefined || server.isPaused) continue;
      nextMs = Math.min(nextMs, server.core.nextDeadlineMs() - this.#localMs(server) + this.nowMs);
    }
    return nextMs;
  }

  #step(nextMs: number): void {
    this.nowMs = Math.max(this.nowMs, nextMs);
    const first = this.#flights[0];
    if (first !== undefined && first.atMs <= this.nowMs) {
      this.#flights.shift();
      first.deliver();
    } else {
      for (const server of this.#servers.values()) {
        if (server.core !== undefined && !server.isPaused) this.#tick(server);
      }
    }
    this.#check();
  }

  #tick(server: Server): void {
    this.#act(server, (core, localMs) => {
      const dueMs = core.nextDeadlineMs();
      // Rounding between the two clocks must not keep it from ever being due.
      if (dueMs <= localMs + 1e-6) core.tick(Math.max(localMs, dueMs));
    });
  }

  #act(server: Server, act: (core: DirectoryCore, localMs: number) => void): void {
    const { core } = server;
    if (core === undefined) return;
    if (server.isPaused) {
      server.backlog.push(() => this.#act(server, act));
      return;
    }
    act(core, this.#localMs(server));
    this.#flush(server);
  }

  #flush(server: Server): void {
    const core = server.core as DirectoryCore;
    const { batches, events } = core.takeOutput();
    for (const { to, batch } of batches) {
      for (const message of batch.messages) this.#trace.push({ from: server.number, to, message });
      const messages = batch.messages.filter((message) => !this.#isLost(message, server.number, to));
      const bytes = encodeBatch({ ...batch, messages });
      this.#send(server.number, to, () =>
        this.#act(this.#server(to), (receiver, localMs) =>
          receiver.receive(localMs, server.number, decodeBatch(bytes)),
        ),
      );
    }
    for (const event of events) {
      server.events.push(event);
      this.#onEvent(server.number, event);
      if (event.kind === "raise-ceiling") {
        server.disk.ceiling = event.counter;
        core.ceilingStored(event.counter);
      } else if (event.kind === "publish-roster") {
        this.install(server.number, event.roster);
        for (const other of this.#servers.values()) if (other !== server) this.#pushRoster(server, other);
      }
    }
  }

  #send(from: number, to: number, deliver: () => void): void {
    if (this.#cut.has(linkName(from, to)) || this.#servers.get(to)?.core === undefined) return;
    const flight = { atMs: this.nowMs + this.#delayMs, from, to, deliver };
    const stalled = this.#stalled.get(`${from}>${to}`);
    if (stalled === undefined) this.#flights.push(flight);
    else stalled.push(flight);
  }

  #linkUp(a: Server, b: Server): void {
    if (a.core === undefined || b.core === undefined || this.#cut.has(linkName(a.number, b.number))) return;
    this.#pushRoster(a, b);
    this.#pushRoster(b, a);
    this.#act(a, (core, localMs) => core.linkUp(localMs, b.number));
    this.#act(b, (core, localMs) => core.linkUp(localMs, a.number));
  }

  #pushRoster(from: Server, to: Server): void {
    const { roster } = from.disk;
    if (isNewerRoster(roster, to.disk.roster))
      this.#send(from.number, to.number, () => this.install(to.number, roster));
  }

  #check(): void {
    for (const aor of this.#aors) {
      const owners = [...this.#servers.keys()].flatMap((number) => {
        const epoch = this.owned(number, aor);
        return epoch === undefined ? [] : [`${number} by ${formatBallot(epoch)}`];
      });
      if (owners.length > 1) throw new Error(`${aor} is owned by servers ${owners.join(" and ")} at ${this.nowMs} ms`);
    }
  }
}

function linkName(a: number, b: number): string {
  return a < b ? `${a}-${b}` : `${b}-${a}`;
}
