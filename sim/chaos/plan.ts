import { Random } from "../random.ts";

/** Places of servers are numbered from 1; the server at place 1 makes the rosters, so it never leaves and keeps its disk. */
export type Place = number;

/** What is done to the swarm for a while. All directions of `severed` are cut from the one place to the other. */
export type Fault =
  /** kill -9, started again on the same disk. */
  | (Span & { readonly kind: "kill"; readonly place: Place })
  /** SIGSTOP for longer than a lease, then SIGCONT. */
  | (Span & { readonly kind: "freeze"; readonly place: Place })
  /** The event loop is kept busy for longer than a lease: sockets are accepted, nothing is done. */
  | (Span & { readonly kind: "block"; readonly place: Place })
  /** Killed, its disk wiped, its identity taken out of the roster; then a new server joins in its place, by an invite. */
  | (Span & { readonly kind: "wipe"; readonly place: Place })
  /** Drained out of the roster and stopped; then a new server joins in its place. */
  | (Span & { readonly kind: "leave"; readonly place: Place })
  | (Span & { readonly kind: CutKind; readonly severed: readonly (readonly [from: Place, to: Place])[] });

/** `cut`: one link. `one-way`: one direction of a link. `deaf`: a server hears nobody. `isolate`: one server. `split`: the swarm in two. */
export type CutKind = "cut" | "one-way" | "deaf" | "isolate" | "split";

export type FaultKind = Fault["kind"];

interface Span {
  /** Since the chaos began. */
  readonly atMs: number;
  readonly forMs: number;
}

/** What a person does. Servers that do not answer are passed over: `places` says in which order they are tried. */
export type Act =
  /** Registers and publishes with another phone at another server; the old phone is switched off. */
  | { readonly kind: "move"; readonly places: readonly Place[] }
  /** Registers two phones at two servers in the same instant. */
  | { readonly kind: "race"; readonly places: readonly Place[] }
  /** Un-registers. */
  | { readonly kind: "sign-off" }
  | { readonly kind: "message"; readonly to: string };

export interface Deed {
  readonly atMs: number;
  readonly user: string;
  readonly act: Act;
}

/** A run, fully determined as far as it can be on a real machine. */
export interface ChaosPlan {
  readonly seed: number;
  readonly servers: number;
  readonly leaseMs: number;
  /** How long there are faults. */
  readonly chaosMs: number;
  readonly users: readonly string[];
  /** In order of `atMs`. */
  readonly faults: readonly Fault[];
  /** In order of `atMs`. */
  readonly deeds: readonly Deed[];
}

export interface PlanOptions {
  readonly seed: number;
  readonly servers: number;
  readonly chaosMs: number;
  readonly leaseMs: number;
  /** The server at this place has a wrong clock: it is frozen again and again while people like to be there. */
  readonly wrongClockAt?: Place;
}

const NAMES = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj"];

/** Faults and deeds of a run: a pure function of its options. */
export function planChaos(options: PlanOptions): ChaosPlan {
  const { seed, servers, chaosMs, leaseMs } = options;
  const random = new Random(seed);
  const users = NAMES.slice(0, Math.max(4, Math.min(NAMES.length, servers * 2)));
  const { wrongClockAt } = options;
  const faults =
    wrongClockAt === undefined ? new FaultPlanner(random, options).plan() : planFreezes(wrongClockAt, options);
  const deeds = users.flatMap((user) => planDeeds(random, user, users, options));
  return { seed, servers, leaseMs, chaosMs, users, faults, deeds: deeds.sort((a, b) => a.atMs - b.atMs) };
}

/** Every kind comes up equally often, in an order that the seed shuffles; how long each lasts is in terms of the lease. */
class FaultPlanner {
  readonly #random: Random;
  readonly #options: PlanOptions;
  readonly #faults: Fault[] = [];
  #bag: FaultKind[] = [];

  constructor(random: Random, options: PlanOptions) {
    this.#random = random;
    this.#options = options;
  }

  plan(): Fault[] {
    const { chaosMs, leaseMs } = this.#options;
    let atMs = 0.3 * leaseMs;
    for (;;) {
      const fault = this.#draw(atMs);
      if (atMs + fault.forMs > chaosMs) break;
      if (this.#isBearable(fault)) this.#faults.push(fault);
      else this.#bag.unshift(fault.kind); // its turn comes later
      atMs += this.#random.between(0.2, 1) * leaseMs;
    }
    return this.#faults;
  }

  #draw(atMs: number): Fault {
    const random = this.#random;
    const { leaseMs } = this.#options;
    const kind = this.#nextKind();
    const terms = (low: number, high: number) => Math.round(random.between(low, high) * leaseMs);
    const at = { atMs: Math.round(atMs) };
    switch (kind) {
      case "kill":
        return { ...at, kind, place: this.#anyPlace(), forMs: terms(0.1, 2) };
      case "freeze":
      case "block":
        return { ...at, kind, place: this.#anyPlace(), forMs: terms(1.2, 2.2) };
      case "wipe":
      case "leave":
        return {
          ...at,
          kind,
          place: 2 + Math.floor(random.next() * (this.#options.servers - 1)),
          forMs: terms(0.5, 2),
        };
      default:
        return { ...at, kind, severed: this.#sever(kind), forMs: terms(0.3, 3) };
    }
  }

  #nextKind(): FaultKind {
    if (this.#bag.length === 0) {
      this.#bag = shuffled(this.#random, kindsFor(this.#options.servers));
    }
    return this.#bag.pop() as FaultKind;
  }

  #anyPlace(): Place {
    return this.#random.pick(this.#places());
  }

  #places(): Place[] {
    return placesOf(this.#options.servers);
  }

  #sever(kind: CutKind): [Place, Place][] {
    const [one, other, ...rest] = shuffled(this.#random, this.#places()) as [Place, Place, ...Place[]];
    const both = (a: Place, b: Place): [Place, Place][] => [[a, b], [b, a]]; // prettier-ignore
    switch (kind) {
      case "cut":
        return both(one, other);
      case "one-way":
        return [[one, other]];
      case "deaf":
        return [other, ...rest].map((from) => [from, one]);
      case "isolate":
        return [other, ...rest].flatMap((peer) => both(one, peer));
      case "split": {
        const side = [one, other, ...rest].slice(0, this.#options.servers >> 1);
        const others = this.#places().filter((place) => !side.includes(place));
        return side.flatMap((a) => others.flatMap((b) => both(a, b)));
      }
    }
  }

  /** One thing at a time at one server, and never a majority of the processes down: a domain without one stands still, which shows little. */
  #isBearable(fault: Fault): boolean {
    const meanwhile = this.#faults.filter(({ atMs, forMs }) => fault.atMs < atMs + forMs + 0.5 * this.#options.leaseMs);
    if ("severed" in fault) return !meanwhile.some((other) => "severed" in other);
    const down = meanwhile.flatMap((other) => ("place" in other ? [other.place] : []));
    return !down.includes(fault.place) && 2 * (down.length + 1) < this.#options.servers;
  }
}

/** Whoever wipes or removes a server needs enough others that go on. */
function kindsFor(servers: number): FaultKind[] {
  const always: FaultKind[] = ["kill", "freeze", "block", "cut", "one-way", "deaf", "isolate", "split"];
  return servers < 4 ? always : [...always, "kill", "freeze", "wipe", "leave"];
}

/** Long enough for others to take its users over by right, while it believes that it has them still. */
function planFreezes(place: Place, { chaosMs, leaseMs }: PlanOptions): Fault[] {
  const faults: Fault[] = [];
  const forMs = Math.round(2.5 * leaseMs);
  for (let atMs = leaseMs; atMs + forMs <= chaosMs; atMs += 4 * leaseMs) faults.push({ kind: "freeze", place, atMs, forMs }); // prettier-ignore
  return faults;
}

function planDeeds(random: Random, user: string, users: readonly string[], options: PlanOptions): Deed[] {
  const deeds: Deed[] = [];
  const { chaosMs, leaseMs, servers } = options;
  const others = users.filter((other) => other !== user);
  const add = (atMs: number, act: Act) => deeds.push({ atMs: Math.round(atMs), user, act });
  const order = () => {
    const places = shuffled(random, placesOf(servers));
    const { wrongClockAt } = options;
    if (wrongClockAt === undefined || random.chance(0.5)) return places;
    return [wrongClockAt, ...places.filter((place) => place !== wrongClockAt)];
  };
  add(random.between(0, 500), { kind: "move", places: order() });
  for (let atMs = 700 + random.exponential(leaseMs); atMs < chaosMs; atMs += 200 + random.exponential(leaseMs)) {
    const dice = random.next();
    if (dice < 0.7) add(atMs, { kind: "move", places: order() });
    else if (dice < 0.85) add(atMs, { kind: "race", places: order() });
    else if (dice < 0.95) add(atMs, { kind: "sign-off" });
  }
  for (let atMs = 1000; atMs < chaosMs; atMs += 100 + random.exponential(leaseMs / 2)) {
    add(atMs, { kind: "message", to: random.pick(others) });
  }
  return deeds;
}

/** 1 to `servers` */
export function placesOf(servers: number): Place[] {
  return Array.from({ length: servers }, (_, index) => index + 1);
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const rest = [...items];
  const result: T[] = [];
  while (rest.length > 0) result.push(rest.splice(Math.floor(random.next() * rest.length), 1)[0] as T);
  return result;
}
