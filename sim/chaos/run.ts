import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Random } from "../random.ts";
import { ChaosFault } from "./child.ts";
import type { Figures } from "./figures.ts";
import { figuresOf } from "./figures.ts";
import { machineMs, readJournal } from "./journal.ts";
import type { PersonContext } from "./person.ts";
import { aorOf, Person } from "./person.ts";
import type { ChaosPlan, Fault, Place } from "./plan.ts";
import { placesOf } from "./plan.ts";
import type { Sightings } from "./sightings.ts";
import { noSightings } from "./sightings.ts";
import type { Identity, Trouble } from "./swarm.ts";
import { Swarm } from "./swarm.ts";
import type { Tenure } from "./tenures.ts";
import { tenuresOf } from "./tenures.ts";
import type { Finding } from "./verdict.ts";
import { judge } from "./verdict.ts";
import { Watcher } from "./watcher.ts";

export interface RunOptions {
  readonly plan: ChaosPlan;
  /** For data, journals and logs; made when it is not there. */
  readonly folder: string;
  /** Told what happens. */
  readonly onProgress: (progress: Progress) => void;
  /** Ends the run early, in order. */
  readonly signal: AbortSignal;
  /** Runs the clock of the server at a place at this rate, so that the promises are broken and it can be seen that this is found. */
  readonly wrongClock?: { readonly place: Place; readonly rate: number };
}

/** Where a run stands. */
export interface Progress {
  readonly phase: "starting" | "chaos" | "healing" | "stopping";
  readonly elapsedMs: number;
  /** A thing that just began to be the matter. */
  readonly trouble?: Trouble;
}

/** All that is known of a run that has ended. */
export interface RunResult {
  readonly plan: ChaosPlan;
  /** Empty when every promise was kept. */
  readonly findings: readonly Finding[];
  readonly figures: Figures;
  readonly tenures: readonly Tenure[];
  readonly troubles: readonly Trouble[];
  readonly identities: readonly Identity[];
  readonly sightings: Sightings;
  /** Of `machineMs`: when the faults began, when all was healed, when the run ended. */
  readonly fromMs: number;
  readonly healedMs: number;
  readonly toMs: number;
  readonly wrongClock: RunOptions["wrongClock"];
  /** Whether the run was ended before its time. */
  readonly interrupted: boolean;
}

/** How long a client may go without noticing that its server is gone: some hang up, some only fall silent. */
const noticeMs = { gone: 300, silent: 1500 };
const retryMs = 200;
/** After the healing: for a machine on which seven servers and all clients share two cores. */
const graceMs = 20_000;

/** Plays a plan with real servers and clients, and judges what they saw. @throws {ChaosFault} when the run itself did not work out */
export async function runChaos(options: RunOptions): Promise<RunResult> {
  mkdirSync(options.folder, { recursive: true });
  const run = new Run(options);
  const abandon = () => run.abandon();
  // Whoever has no more patience leaves nothing behind either, not even a server that is frozen.
  process.once("exit", abandon);
  try {
    return await run.play();
  } finally {
    process.off("exit", abandon);
    abandon();
  }
}

class Run {
  readonly #options: RunOptions;
  readonly #plan: ChaosPlan;
  readonly #swarm: Swarm;
  readonly #people: ReadonlyMap<string, Person>;
  readonly #watchers: readonly Watcher[];
  readonly #sightings = noSightings();
  readonly #random: Random;
  readonly #findings: Finding[] = [];
  /** Aborted when the time of the faults is over, for whatever reason. */
  readonly #heal = new AbortController();
  readonly #startedAtMs = machineMs();
  /** Why the run itself did not work out. */
  #fault: Error | undefined;

  constructor(options: RunOptions) {
    const { plan, folder, wrongClock } = options;
    this.#options = options;
    this.#plan = plan;
    this.#random = new Random(plan.seed + 1);
    const watched = plan.users.map(aorOf);
    const clockRateAt = (place: Place) => (place === wrongClock?.place ? wrongClock.rate : 1);
    const { servers, leaseMs } = plan;
    const swarm = new Swarm({ servers, leaseMs, folder, watched, clockRateAt });
    this.#swarm = swarm;
    const patienceMs = leaseMs + 2500;
    const context: PersonContext = {
      sightings: this.#sightings,
      patienceMs,
      portsOf: (place) => swarm.portsOf(place),
      nameAt: (place) => swarm.nameAt(place),
    };
    this.#people = new Map(plan.users.map((user) => [user, new Person(user, context)]));
    this.#watchers = placesOf(servers).map((place) => {
      const from = (place * 3) % plan.users.length;
      return new Watcher(place, [...plan.users, ...plan.users].slice(from, from + 4), context);
    });
  }

  async play(): Promise<RunResult> {
    const { signal } = this.#options;
    this.#tell("starting");
    await this.#swarm.start();
    this.#swarm.onUp((place) => this.#cameUp(place));
    this.#swarm.onTrouble((trouble) => this.#trouble(trouble));
    for (const watcher of this.#watchers) void watcher.open();

    const fromMs = machineMs();
    const endEarly = () => this.#heal.abort();
    signal.addEventListener("abort", endEarly, { once: true });
    if (signal.aborted) endEarly();
    const suffering = this.#plan.faults.map((fault) => this.#suffer(fromMs, fault));
    const living = this.#plan.deeds.map(({ atMs, user, act }) =>
      this.#at(fromMs + atMs, () => (this.#people.get(user) as Person).act(act)),
    );
    const ticker = setInterval(() => this.#tell("chaos"), 1000);
    await this.#sleepUntil(fromMs + this.#plan.chaosMs);
    this.#heal.abort();
    clearInterval(ticker);
    await Promise.all(suffering);
    const healedMs = machineMs();
    if (this.#fault !== undefined) throw this.#fault;
    if (!signal.aborted) {
      this.#tell("healing");
      await Promise.all(living);
      await this.#proveLiveness();
    }
    const toMs = machineMs();
    this.#tell("stopping");
    await this.#swarm.stop();
    return this.#conclude(fromMs, healedMs, toMs);
  }

  abandon(): void {
    this.#heal.abort();
    for (const person of this.#people.values()) person.abandon();
    for (const watcher of this.#watchers) watcher.abandon();
    this.#swarm.abandon();
  }

  #conclude(fromMs: number, healedMs: number, toMs: number): RunResult {
    const { identities, troubles } = this.#swarm;
    const { plan } = this.#options;
    const journals = identities.map((identity) => ({ identity, entries: readJournal(identity.journal) }));
    const tenures = tenuresOf(journals, toMs);
    const sightings = this.#sightings;
    const names = new Set(this.#swarm.places.map((place) => this.#swarm.nameAt(place)));
    const retired = new Set(identities.flatMap(({ name }) => (names.has(name) ? [] : [name])));
    const judged = judge({
      fromMs,
      leaseMs: plan.leaseMs,
      journals,
      tenures,
      troubles,
      sightings,
      retired,
      healed: !this.#options.signal.aborted,
    });
    const figures = figuresOf({ users: plan.users, tenures, troubles, sightings, fromMs, toMs: healedMs });
    const findings = [...judged, ...this.#findings].sort((a, b) => a.atMs - b.atMs);
    const interrupted = this.#options.signal.aborted;
    const result = { plan, findings, figures, tenures, troubles, identities, sightings };
    writeFileSync(join(this.#options.folder, "sightings.json"), JSON.stringify({ troubles, identities, sightings }));
    const { wrongClock } = this.#options;
    return { ...result, wrongClock, fromMs, healedMs, toMs, interrupted };
  }

  #tell(phase: Progress["phase"], trouble?: Trouble): void {
    const elapsedMs = machineMs() - this.#startedAtMs;
    this.#options.onProgress({ phase, elapsedMs, ...(trouble !== undefined && { trouble }) });
  }

  async #sleepUntil(atMs: number): Promise<void> {
    const { signal } = this.#heal;
    await delay(Math.max(0, atMs - machineMs()), undefined, { signal }).catch(() => {});
  }

  /** Does something at its time, unless the time of the faults is over by then. */
  async #at(atMs: number, act: () => Promise<void>): Promise<void> {
    await this.#sleepUntil(atMs);
    if (!this.#heal.signal.aborted) await act();
  }

  async #suffer(fromMs: number, fault: Fault): Promise<void> {
    try {
      await this.#at(fromMs + fault.atMs, async () => {
        // A busy machine may take longer to bring a server up than the plan has thought: then its next fault is left out.
        if ("place" in fault && !this.#swarm.isUp(fault.place)) return;
        await this.#swarm.suffer(fault, this.#heal.signal);
      });
    } catch (error) {
      this.#fault ??= error as Error;
      this.#heal.abort();
    }
  }

  /** A process without memory of its clients: who watched there has to subscribe again. */
  #cameUp(place: Place): void {
    for (const watcher of this.#watchers) if (watcher.place === place) void watcher.open();
  }

  /** People whose server is gone or silent notice after a while, and go to another one. */
  #trouble(trouble: Trouble): void {
    this.#tell("chaos", trouble);
    if (!["kill", "wipe", "leave", "freeze", "block"].includes(trouble.kind)) return;
    const afterMs = ["freeze", "block"].includes(trouble.kind) ? noticeMs.silent : noticeMs.gone;
    const [place] = trouble.places;
    for (const person of this.#people.values()) {
      void this.#at(machineMs() + afterMs * this.#random.between(0.5, 1.5), async () => {
        if (person.home === place) await person.act({ kind: "move", places: this.#others(place) });
      });
    }
  }

  #others(place: Place | undefined): Place[] {
    const from = Math.floor(this.#random.next() * this.#plan.servers);
    const places = placesOf(this.#plan.servers);
    return [...places.slice(from), ...places.slice(0, from)].filter((other) => other !== place);
  }

  /** I4 and I5: everything has healed. Everybody can register and be written to, and all who watch learn of it. */
  async #proveLiveness(): Promise<void> {
    const { leaseMs } = this.#plan;
    const boundMs = 2 * leaseMs + graceMs;
    try {
      await this.#swarm.untilWhole(boundMs);
    } catch (error) {
      if (!(error instanceof ChaosFault)) throw error;
      this.#missed("I5", `after the healing the swarm is ${error.message}`);
      return;
    }
    const people = [...this.#people.values()];
    await Promise.all(people.map((person) => this.#proveRegistration(person, boundMs)));
    await Promise.all(
      people.map((person, index) => this.#proveMessage(people[(index + 1) % people.length] as Person, person, boundMs)),
    );
    await this.#proveWatches(boundMs);
    // What was held for people who were not there arrives now that they are. What has not by then is found missing by the verdict.
    await eventually(async () => this.#isHeldDelivered(), boundMs);
  }

  #isHeldDelivered(): boolean {
    const arrived = new Set(this.#sightings.deliveries.map(({ id }) => id));
    return this.#sightings.messages.every(({ id, status }) => status !== 202 || arrived.has(id));
  }

  async #proveRegistration(person: Person, boundMs: number): Promise<void> {
    const done = () => person.register(this.#others(undefined));
    if (!(await eventually(done, boundMs))) this.#missed("I5", `${person.user} could not register anywhere`);
  }

  async #proveMessage(from: Person, to: Person, boundMs: number): Promise<void> {
    let status: number | undefined;
    const done = async () => {
      status = await from.message(to.user);
      return status !== undefined && status >= 200 && status < 300;
    };
    if (!(await eventually(done, boundMs))) this.#missed("I5", `${from.user} could not write to ${to.user}: ${status}`);
  }

  async #proveWatches(boundMs: number): Promise<void> {
    const wrong = () =>
      this.#watchers.flatMap((watcher) =>
        watcher.users.flatMap((user) => {
          const last = watcher.last(user);
          const wanted = (this.#people.get(user) as Person).lastPublication;
          if (last?.basic === "open" && last.shown?.number === wanted) return [];
          return [
            `watcher ${watcher.place} sees ${user} as ${last?.basic} ${last?.shown?.number} instead of open ${wanted}`,
          ];
        }),
      );
    if (!(await eventually(async () => wrong().length === 0, boundMs))) {
      for (const what of wrong()) this.#missed("I4", what);
    }
  }

  #missed(promise: Finding["promise"], what: string): void {
    this.#findings.push({ promise, atMs: machineMs(), what });
  }
}

async function eventually(done: () => Promise<boolean>, boundMs: number): Promise<boolean> {
  const deadlineMs = machineMs() + boundMs;
  while (!(await done())) {
    if (machineMs() > deadlineMs) return false;
    await delay(retryMs);
  }
  return true;
}
