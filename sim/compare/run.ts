import type { Aor } from "../../dht-schema/aor.ts";
import { parseAor } from "../../dht-schema/aor.ts";
import { Agenda } from "../../node/directory/core/agenda.ts";
import type { NetworkFaults } from "../network.ts";
import { Network } from "../network.ts";
import { Random } from "../random.ts";
import { DATABASE } from "./database.ts";
import type { Figures } from "./measures.ts";
import { noFigures, RaceWatch } from "./measures.ts";
import type { WayEvent, WayServer, Wish } from "./way.ts";
import type { Cast, WayName } from "./ways.ts";
import { castOf } from "./ways.ts";

/** What happens to the network and the machines. Means are between two faults of the kind in the whole domain, ms. */
export interface Weather {
  readonly name: string;
  readonly network: NetworkFaults;
  readonly crashMs: number;
  readonly pauseMs: number;
  readonly partitionMs: number;
}

const DELAY_MS = 5;

/** The weathers of the comparison. */
export const WEATHERS: readonly Weather[] = [
  {
    name: "quiet",
    network: { loss: 0, duplication: 0, delayMs: DELAY_MS },
    crashMs: Infinity,
    pauseMs: Infinity,
    partitionMs: Infinity,
  },
  {
    name: "lossy: 2 % of messages lost, 1 % twice",
    network: { loss: 0.02, duplication: 0.01, delayMs: DELAY_MS },
    crashMs: Infinity,
    pauseMs: Infinity,
    partitionMs: Infinity,
  },
  {
    name: "stormy: crashes, stalled processes, partitions, 0.5 % loss",
    network: { loss: 0.005, duplication: 0.005, delayMs: DELAY_MS },
    crashMs: 20_000,
    pauseMs: 30_000,
    partitionMs: 60_000,
  },
];

/** The workload: the same for every way. */
export interface Workload {
  readonly seed: number;
  readonly servers: number;
  readonly users: number;
  readonly minutes: number;
}

/** Between two moves in the domain, and between two lookups, ms. */
const MOVE_MS = 200;
const LOOKUP_MS = 100;
/** Share of moves in which a second server claims the user within {@link CONTEST_MS}. */
export const CONTESTED = 0.05;
export const CONTEST_MS = 200;
const WATCHERS = 3;
/** A user whose server does not serve her asks again. */
const REFRESH_MS = 5_000;
const SAMPLE_MS = 500;
const LATE_MS = 1_000;
const LOST_MS = 25_000;

/** Runs the workload over one way in one weather. */
export function compareRun(way: WayName, weather: Weather, workload: Workload): Figures {
  return new Run(way, weather, workload).run();
}

class Run {
  readonly #figures = noFigures();
  readonly #races = new RaceWatch(this.#figures);
  readonly #agenda = new Agenda();
  readonly #network: Network;
  readonly #weather: Weather;
  /** Draws what happens: the same for every way. */
  readonly #fate: Random;
  readonly #untilMs: number;
  readonly #cast: Cast;
  readonly #aors: readonly Aor[];
  readonly #watchers = new Map<Aor, readonly number[]>();
  /** Where each user registered last. */
  readonly #home = new Map<Aor, number>();
  readonly #owner = new Map<Aor, { readonly server: number; readonly move: number }>();
  readonly #told = new Map<string, number | undefined>();
  readonly #lives = new Map<number, number>();
  readonly #claims = new Map<number, { readonly aor: Aor; readonly server: number; readonly atMs: number }>();
  readonly #lookups = new Map<number, { readonly server: number; readonly atMs: number }>();
  /** Counts the partitions, and says on which side a server is. */
  #split = { count: 0, side: new Set<number>() };
  #lastId = 0;
  /** When the first claim since the last success was asked for. */
  #waitingSinceMs: number | undefined;

  constructor(way: WayName, weather: Weather, workload: Workload) {
    this.#weather = weather;
    this.#fate = new Random(workload.seed);
    const random = new Random(workload.seed + 0x5eed);
    this.#network = new Network(this.#agenda, random);
    this.#network.faults = weather.network;
    this.#untilMs = workload.minutes * 60_000;
    this.#cast = castOf(way, {
      agenda: this.#agenda,
      network: this.#network,
      random,
      servers: Array.from({ length: workload.servers }, (_, index) => index + 1),
      count: (purpose) => void this.#figures.messages[purpose]++,
      event: (nowMs, server, event) => this.#event(nowMs, server, event),
    });
    this.#aors = Array.from({ length: workload.users }, (_, index) => parseAor(`sip:user${index}@example.com`));
    for (const aor of this.#aors) {
      this.#watchers.set(
        aor,
        Array.from({ length: WATCHERS }, () => this.#fate.pick(this.#cast.servers).number),
      );
    }
  }

  run(): Figures {
    this.#cast.database?.start(0);
    for (const server of this.#cast.servers) this.#start(0, server);
    this.#repeat(MOVE_MS, (nowMs) => this.#move(nowMs));
    this.#repeat(LOOKUP_MS, (nowMs) => this.#lookUp(nowMs));
    this.#repeat(this.#weather.crashMs, (nowMs) => this.#crash(nowMs));
    this.#repeat(this.#weather.pauseMs, (nowMs) => this.#pause(nowMs));
    this.#repeat(this.#weather.partitionMs, (nowMs) => this.#partition(nowMs));
    this.#every(REFRESH_MS, (nowMs) => this.#refresh(nowMs));
    this.#every(SAMPLE_MS, (nowMs) => this.#sample(nowMs));
    while (this.#agenda.nextMs <= this.#untilMs) {
      const nowMs = this.#agenda.nextMs;
      this.#agenda.runDue(nowMs);
      this.#races.look(nowMs);
    }
    this.#races.finish(this.#untilMs);
    if (this.#waitingSinceMs !== undefined) this.#outage(this.#untilMs - this.#waitingSinceMs);
    return this.#figures;
  }

  #server(number: number): WayServer {
    return this.#cast.servers[number - 1] as WayServer;
  }

  #start(nowMs: number, server: WayServer): void {
    this.#lives.set(server.number, (this.#lives.get(server.number) ?? 0) + 1);
    const watched = this.#aors.filter((aor) => this.#watchers.get(aor)?.includes(server.number));
    for (const aor of watched) this.#told.delete(`${server.number} ${aor}`);
    server.start(nowMs, watched);
  }

  /** A user registers somewhere; now and then two of her devices do so almost at once. */
  #move(nowMs: number): void {
    const aor = this.#fate.pick(this.#aors);
    const first = this.#fate.pick(this.#cast.servers).number;
    const second = this.#fate.pick(this.#cast.servers).number;
    const isContested = this.#fate.chance(CONTESTED);
    const afterMs = this.#fate.between(0, CONTEST_MS);
    this.#register(nowMs, aor, first);
    if (isContested) this.#agenda.add(nowMs + afterMs, (atMs) => this.#register(atMs, aor, second));
  }

  /** Devices find only a server that runs. */
  #register(nowMs: number, aor: Aor, number: number): void {
    const server = this.#server(number);
    if (!server.isUp || server.isPaused) return;
    this.#home.set(aor, number);
    // A registrar that is claiming the user already waits for that.
    for (const open of this.#claims.values()) if (open.aor === aor && open.server === number) return;
    this.#claim(nowMs, aor, server, "take-over");
  }

  #claim(nowMs: number, aor: Aor, server: WayServer, wish: Wish): void {
    const id = ++this.#lastId;
    this.#claims.set(id, { aor, server: server.number, atMs: nowMs });
    this.#waitingSinceMs ??= nowMs;
    server.claim(nowMs, id, aor, wish);
  }

  #lookUp(nowMs: number): void {
    const aor = this.#fate.pick(this.#aors);
    const server = this.#server(this.#fate.pick(this.#cast.servers).number);
    if (!server.isUp || server.isPaused) return;
    const id = ++this.#lastId;
    this.#lookups.set(id, { server: server.number, atMs: nowMs });
    server.lookup(nowMs, id, aor);
  }

  /** Clients refresh: who is not served asks again, elsewhere when the server is down. */
  #refresh(nowMs: number): void {
    const open = new Set([...this.#claims.values()].map(({ aor }) => aor));
    for (const [aor, home] of this.#home) {
      if (open.has(aor)) continue;
      const server = this.#server(home);
      if (server.isUp && !server.isPaused) {
        if (!server.serves(nowMs, aor)) this.#claim(nowMs, aor, server, "if-free");
      } else if (!server.isUp) {
        const next = this.#cast.servers[(home + this.#aors.indexOf(aor)) % this.#cast.servers.length] as WayServer;
        this.#register(nowMs, aor, next.number);
      }
    }
  }

  #sample(nowMs: number): void {
    for (const [aor, home] of this.#home) {
      const server = this.#server(home);
      if (!server.isUp || server.isPaused) continue;
      this.#figures.samples++;
      if (!this.#races.isServed(nowMs, aor)) this.#figures.unserved++;
    }
  }

  #crash(nowMs: number): void {
    const number = this.#anyMachine();
    const downMs = this.#fate.between(1_000, 20_000);
    const machine = this.#machine(number);
    if (machine?.isUp !== true) return;
    machine.crash();
    for (const open of [this.#claims, this.#lookups]) {
      for (const [id, { server }] of open) if (server === number) open.delete(id);
    }
    this.#agenda.add(nowMs + downMs, (atMs) => {
      if (number === DATABASE) this.#cast.database?.start(atMs);
      else this.#start(atMs, this.#server(number));
    });
  }

  #pause(nowMs: number): void {
    const number = this.#anyMachine();
    const forMs = this.#fate.between(100, 15_000);
    const machine = this.#machine(number);
    if (machine?.isUp !== true || machine.isPaused) return;
    machine.pause();
    this.#agenda.add(nowMs + forMs, (atMs) => machine.resume(atMs));
  }

  /** Two sides, or one machine alone. */
  #partition(nowMs: number): void {
    const alone = this.#anyMachine();
    const isSplit = this.#fate.chance(0.5);
    const numbers = [DATABASE, ...this.#cast.servers.map(({ number }) => number)];
    const side = new Set(numbers.filter((number) => (isSplit ? this.#fate.chance(0.5) : number === alone)));
    const forMs = this.#fate.between(5_000, 30_000);
    this.#network.heal();
    for (const from of numbers) {
      for (const to of numbers) if (side.has(from) !== side.has(to)) this.#network.cut(from, to);
    }
    const count = this.#split.count + 1;
    this.#split = { count, side };
    this.#agenda.add(nowMs + forMs, () => {
      if (this.#split.count !== count) return;
      this.#network.heal();
      this.#split = { count: count + 1, side: new Set() };
    });
  }

  #anyMachine(): number {
    return Math.floor(this.#fate.next() * (this.#cast.servers.length + 1));
  }

  #machine(number: number) {
    return number === DATABASE ? this.#cast.database : this.#server(number);
  }

  #event(nowMs: number, number: number, event: WayEvent): void {
    if (event.kind === "told") {
      this.#told.set(`${number} ${event.aor}`, event.owner);
    } else if (event.kind === "found") {
      const lookup = this.#lookups.get(event.id);
      if (lookup === undefined) return;
      this.#lookups.delete(event.id);
      this.#figures.lookups++;
      if (event.owner === "unavailable") this.#figures.lookupsFailed++;
      else this.#figures.lookupMs.push(nowMs - lookup.atMs);
    } else {
      const claim = this.#claims.get(event.id);
      if (claim === undefined) return;
      this.#claims.delete(event.id);
      this.#figures.claims[event.end]++;
      if (event.end === "elsewhere") this.#wentElsewhere(nowMs, event.aor, number);
      if (event.end !== "owned") return;
      this.#figures.claimMs.push(nowMs - claim.atMs);
      this.#owned(nowMs, event.aor, number);
    }
  }

  /** The device is sent to the server that has her. */
  #wentElsewhere(nowMs: number, aor: Aor, number: number): void {
    if (this.#home.get(aor) !== number) return;
    const owner = this.#cast.servers.find((server) => server.serves(nowMs, aor));
    if (owner !== undefined) this.#home.set(aor, owner.number);
  }

  #owned(nowMs: number, aor: Aor, number: number): void {
    if (this.#waitingSinceMs !== undefined) this.#outage(nowMs - this.#waitingSinceMs);
    this.#waitingSinceMs = undefined;
    this.#races.claimed(nowMs, aor, this.#server(number));
    const before = this.#owner.get(aor);
    if (before?.server === number) return;
    this.#figures.moves++;
    const move = (before?.move ?? 0) + 1;
    this.#owner.set(aor, { server: number, move });
    for (const watcher of new Set(this.#watchers.get(aor)))
      if (watcher !== number) this.#expectNotice(nowMs, aor, watcher);
  }

  /** Only who could have been told is asked: up and connected to the owner all the time, and the user still served there. */
  #expectNotice(nowMs: number, aor: Aor, watcher: number): void {
    const { server: owner, move } = this.#owner.get(aor) as { server: number; move: number };
    const { count, side } = this.#split;
    if (side.has(owner) !== side.has(watcher)) return;
    const [life, ownerLife] = [this.#lives.get(watcher), this.#lives.get(owner)];
    const isDue = (atMs: number) =>
      this.#server(owner).serves(atMs, aor) &&
      this.#owner.get(aor)?.move === move &&
      this.#split.count === count &&
      this.#lives.get(watcher) === life &&
      this.#lives.get(owner) === ownerLife &&
      [watcher, owner].every((number) => this.#server(number).isUp && !this.#server(number).isPaused);
    if (!isDue(nowMs)) return;
    const isTold = () => this.#told.get(`${watcher} ${aor}`) === owner;
    this.#agenda.add(nowMs + LATE_MS, (atMs) => {
      if (!isDue(atMs)) return;
      this.#figures.noticesDue++;
      if (!isTold()) this.#figures.noticesLate++;
    });
    this.#agenda.add(nowMs + LOST_MS, (atMs) => {
      if (!isDue(atMs)) return;
      this.#figures.noticesDueLong++;
      if (!isTold()) this.#figures.noticesLost++;
    });
  }

  #outage(ms: number): void {
    this.#figures.longestOutageMs = Math.max(this.#figures.longestOutageMs, ms);
  }

  #repeat(meanMs: number, act: (nowMs: number) => void): void {
    if (!Number.isFinite(meanMs)) return;
    const again = (nowMs: number) =>
      this.#agenda.add(nowMs + this.#fate.exponential(meanMs), (atMs) => {
        act(atMs);
        again(atMs);
      });
    again(0);
  }

  #every(everyMs: number, act: (nowMs: number) => void): void {
    this.#agenda.add(everyMs, function again(this: void, nowMs) {
      act(nowMs);
      run.add(nowMs + everyMs, again);
    });
    const run = this.#agenda;
  }
}
