import type { Aor } from "../dht-schema/aor.ts";
import type { Epoch } from "../dht-schema/ballot.ts";
import type { Batch } from "../dht-schema/directory-messages.ts";
import { decodeBatch, encodeBatch } from "../dht-schema/directory-messages.ts";
import type { Roster } from "../dht-schema/roster.ts";
import { isNewerRoster } from "../dht-schema/roster.ts";
import type { Agenda } from "../node/directory/core/agenda.ts";
import type { DirectoryEvent, DirectoryTuning, OwnerState } from "../node/directory/core/context.ts";
import { DirectoryCore } from "../node/directory/core/directory-core.ts";
import { SeenEpochs } from "../node/directory/core/seen-epochs.ts";
import { servingEpoch } from "../node/federation/serving-epoch.ts";
import type { SimulatedClock } from "./clock.ts";
import type { Network } from "./network.ts";
import type { Random } from "./random.ts";

/** What crosses the network: octets for a share of the batches, the messages themselves for the others. */
export type Wire = Uint8Array | Batch;

/** Of so many batches of a node one is encoded and decoded, as all are in life: it costs as much as the protocol. */
const ENCODED_ONE_IN = 16;

const DISK_MS = 3;

/** What the world does for a node. */
export interface NodeWorld {
  readonly agenda: Agenda;
  readonly network: Network;
  readonly random: Random;
  /** A batch leaves for another node. */
  sent(nowMs: number, from: SimulatedNode, to: number, batch: Batch): void;
  deliver(nowMs: number, from: number, to: number, wire: Wire): void;
  event(nowMs: number, node: SimulatedNode, event: DirectoryEvent): void;
  /** Something happened in a node, and its consequences are on their way. */
  stepped(nowMs: number, node: SimulatedNode): void;
}

/** How a node is made. */
export interface NodeInit {
  readonly number: number;
  readonly roster: Roster;
  readonly tuning: DirectoryTuning;
  readonly steward: boolean;
  readonly clock: SimulatedClock;
  /** Mean time that its disk takes to store a higher ceiling, ms. @default 3 */
  readonly diskMs?: number;
}

/** A process of a node: the production core with what fences for it, and what is queued while it is stopped. */
export interface Life {
  readonly core: DirectoryCore;
  readonly seen: SeenEpochs;
  /** What its watches were last told, and when in true time. */
  readonly told: Map<Aor, { readonly state: OwnerState; readonly atMs: number }>;
  readonly watching: Set<Aor>;
}

interface Process extends Life {
  paused: boolean;
  runningSinceMs: number;
  readonly queue: ((nowMs: number) => void)[];
  /** True time of the wake-up that is due; an earlier one replaces it. */
  wakeAtMs: number;
}

/**
 * A server on virtual time: the production core with a clock of its own, a disk that survives crashes, and a process
 * that can be killed and stopped.
 */
export class SimulatedNode {
  readonly number: number;
  readonly clock: SimulatedClock;
  readonly #init: NodeInit;
  readonly #world: NodeWorld;
  readonly #disk: { roster: Roster; boot: number; ceiling: number };
  #members: ReadonlySet<number>;
  #process: Process | undefined;
  readonly #writes = new Set<{ readonly process: Process; readonly counter: number }>();
  #diskMs: number;
  #sent = 0;

  constructor(init: NodeInit, world: NodeWorld) {
    this.number = init.number;
    this.clock = init.clock;
    this.#init = init;
    this.#world = world;
    this.#diskMs = init.diskMs ?? DISK_MS;
    this.#disk = { roster: init.roster, boot: 0, ceiling: 0 };
    this.#members = membersOf(init.roster);
  }

  get isUp(): boolean {
    return this.#process !== undefined;
  }

  get isPaused(): boolean {
    return this.#process?.paused === true;
  }

  get isRunning(): boolean {
    return this.#process?.paused === false;
  }

  /** For how long the process has been running without a pause, ms. */
  runningForMs(nowMs: number): number {
    return this.isRunning ? nowMs - (this.#process as Process).runningSinceMs : 0;
  }

  get roster(): Roster {
    return this.#disk.roster;
  }

  /** The process that runs or is stopped; another one after each crash. */
  get life(): Life | undefined {
    return this.#process;
  }

  /** Whether its roster has this server: it listens to no others. */
  knows(number: number): boolean {
    return this.#members.has(number);
  }

  start(nowMs: number): void {
    this.#disk.boot++;
    const { tuning, steward } = this.#init;
    const random = () => this.#world.random.next();
    const localMs = this.clock.localMs(nowMs);
    const core = new DirectoryCore(localMs, { self: this.number, ...this.#disk, tuning, steward, random });
    this.#process = {
      core,
      seen: new SeenEpochs(core, tuning.observedEpochs),
      told: new Map(),
      watching: new Set(),
      paused: false,
      runningSinceMs: nowMs,
      queue: [],
      wakeAtMs: Infinity,
    };
    this.run(nowMs, () => {});
  }

  /** Memory is lost, the disk stays. */
  crash(): void {
    this.#process = undefined;
  }

  pause(): void {
    if (this.#process !== undefined) this.#process.paused = true;
  }

  /** What came meanwhile is handled now, in any order. */
  resume(nowMs: number): void {
    const process = this.#process;
    if (process === undefined || !process.paused) return;
    process.paused = false;
    process.runningSinceMs = nowMs;
    const queue = process.queue.splice(0);
    while (queue.length > 0) {
      const at = Math.floor(this.#world.random.next() * queue.length);
      queue.splice(at, 1)[0]?.(nowMs);
    }
  }

  /** The disk is as fast as it should be, and is done with all that was asked of it. */
  healDisk(nowMs: number): void {
    this.#diskMs = DISK_MS;
    for (const write of this.#writes) this.#written(nowMs, write);
  }

  /** The clock goes on differently. */
  disturbClock(nowMs: number, rate: number, aheadMs: number): void {
    this.clock.disturb(nowMs, rate, aheadMs);
    const process = this.#process;
    if (process === undefined) return;
    process.wakeAtMs = Infinity;
    this.#wake(nowMs, process);
  }

  /** Does something in the process: now, or when it runs again; never in another life. */
  run(nowMs: number, act: (life: Life, localMs: number, nowMs: number) => void): void {
    const process = this.#process;
    if (process === undefined) return;
    if (process.paused) this.#queue(process, act);
    else this.#step(nowMs, process, act);
  }

  #queue(process: Process, act: (life: Life, localMs: number, nowMs: number) => void): void {
    process.queue.push((atMs) => this.#step(atMs, process, act));
  }

  receive(nowMs: number, from: number, wire: Wire): void {
    this.run(nowMs, ({ core }, localMs) =>
      core.receive(localMs, from, wire instanceof Uint8Array ? decodeBatch(wire) : wire),
    );
  }

  learnRoster(nowMs: number, roster: Roster): void {
    if (!isNewerRoster(roster, this.#disk.roster)) return;
    this.run(nowMs, ({ core }, localMs) => {
      if (!isNewerRoster(roster, this.#disk.roster)) return;
      this.#disk.roster = roster;
      this.#members = membersOf(roster);
      core.installRoster(localMs, roster);
    });
  }

  watch(nowMs: number, aor: Aor): void {
    this.run(nowMs, ({ core, watching }, localMs) => {
      watching.add(aor);
      core.watch(localMs, aor);
    });
  }

  unwatch(nowMs: number, aor: Aor): void {
    this.run(nowMs, ({ core, watching, told }, localMs) => {
      watching.delete(aor);
      told.delete(aor);
      core.unwatch(localMs, aor);
    });
  }

  /** What the server itself believes at this instant, even while its process is stopped. */
  believes(nowMs: number, aor: Aor): Epoch | undefined {
    return this.#process?.core.owned(this.clock.localMs(nowMs), aor);
  }

  /** Visits all that it believes to own at this instant. */
  eachBelief(nowMs: number, visit: (aor: Aor, epoch: Epoch) => void): void {
    this.#process?.core.eachOwned(this.clock.localMs(nowMs), visit);
  }

  /** What it would say of a watched AoR without asking anybody. */
  cached(nowMs: number, aor: Aor): OwnerState | undefined {
    return this.#process?.core.watched(this.clock.localMs(nowMs), aor);
  }

  /** The epoch under which it sends something in the user's name at this instant. */
  servingEpoch({ core, seen }: Life, localMs: number, aor: Aor): Epoch | undefined {
    const locator = { owned: () => core.owned(localMs, aor), newestEpoch: () => seen.newest(localMs, aor) };
    return servingEpoch(locator, aor);
  }

  #step(nowMs: number, process: Process, act: (life: Life, localMs: number, nowMs: number) => void): void {
    if (this.#process !== process) return;
    act(process, this.clock.localMs(nowMs), nowMs);
    this.#flush(nowMs, process);
    this.#world.stepped(nowMs, this);
  }

  #flush(nowMs: number, process: Process): void {
    const { batches, events } = process.core.takeOutput();
    for (const event of events) this.#handle(nowMs, process, event);
    for (const { to, batch } of batches) this.#send(nowMs, to, batch);
    this.#wake(nowMs, process);
  }

  #send(nowMs: number, to: number, batch: Batch): void {
    const { network, sent, deliver } = this.#world;
    const wire = this.#sent++ % ENCODED_ONE_IN === 0 ? encodeBatch(batch) : batch;
    sent(nowMs, this, to, batch);
    network.send(nowMs, this.number, to, (atMs) => deliver(atMs, this.number, to, wire));
  }

  #handle(nowMs: number, process: Process, event: DirectoryEvent): void {
    if (event.kind === "raise-ceiling") {
      // The disk takes its time, and a crash before it is done leaves the old ceiling.
      const write = { process, counter: event.counter };
      this.#writes.add(write);
      const tookMs = this.#world.random.exponential(this.#diskMs);
      this.#world.agenda.add(nowMs + tookMs, (atMs) => this.#written(atMs, write));
    } else if (event.kind === "watched") process.told.set(event.aor, { state: event.state, atMs: nowMs });
    this.#world.event(nowMs, this, event);
  }

  #written(nowMs: number, write: { readonly process: Process; readonly counter: number }): void {
    if (!this.#writes.delete(write) || this.#process !== write.process) return;
    this.#disk.ceiling = Math.max(this.#disk.ceiling, write.counter);
    this.run(nowMs, ({ core }) => core.ceilingStored(write.counter));
  }

  #wake(nowMs: number, process: Process): void {
    const dueMs = this.clock.trueMs(process.core.nextDeadlineMs());
    if (dueMs < process.wakeAtMs) this.#wakeAt(nowMs, process, dueMs);
  }

  #wakeAt(nowMs: number, process: Process, dueMs: number): void {
    process.wakeAtMs = dueMs;
    // A little late, so that rounding between the two clocks never wakes it before its time.
    this.#world.agenda.add(Math.max(nowMs, dueMs) + 1e-6, (atMs) => {
      if (this.#process !== process || process.wakeAtMs !== dueMs) return;
      process.wakeAtMs = Infinity;
      this.run(atMs, tick);
    });
  }
}

const tick = ({ core }: Life, localMs: number) => core.tick(localMs);

function membersOf(roster: Roster): ReadonlySet<number> {
  return new Set(roster.servers.map(({ number }) => number));
}
