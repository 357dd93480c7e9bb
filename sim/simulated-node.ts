import type { Aor } from "../dht-schema/aor.ts";
import type { Epoch } from "../dht-schema/ballot.ts";
import type { Batch } from "../dht-schema/directory-messages.ts";
import { decodeBatch, encodeBatch } from "../dht-schema/directory-messages.ts";
import type { Roster } from "../dht-schema/roster.ts";
import { isNewerRoster } from "../dht-schema/roster.ts";
import type { Agenda } from "../node/directory/core/agenda.ts";
import type { DirectoryEvent, DirectoryTuning, OwnerState } from "../node/directory/core/context.ts";
import { DirectoryCore } from "../node/directory/core/directory-core.ts";
import type { Network } from "./network.ts";
import type { Random } from "./random.ts";

/** What the world does for a node. */
export interface NodeWorld {
  readonly agenda: Agenda;
  readonly network: Network;
  readonly random: Random;
  deliver(nowMs: number, from: number, to: number, bytes: Uint8Array): void;
  event(nowMs: number, node: SimulatedNode, event: DirectoryEvent): void;
}

/** How a node is made. */
export interface NodeInit {
  readonly number: number;
  readonly roster: Roster;
  readonly tuning: DirectoryTuning;
  readonly steward: boolean;
  /** Local milliseconds per true millisecond. */
  readonly clockRate: number;
  readonly clockStartMs: number;
}

/** A running life of a node: the production core, and what is queued while the process is stopped. */
interface Life {
  readonly core: DirectoryCore;
  paused: boolean;
  readonly queue: ((nowMs: number) => void)[];
  /** True time of the wake-up that is due; an earlier one replaces it. */
  wakeAtMs: number;
}

/**
 * A server on virtual time: the production core with a clock of its own that starts anywhere and runs at its own rate,
 * a disk that survives crashes, and a process that can be killed and stopped.
 */
export class SimulatedNode {
  readonly number: number;
  /** What the watches of the present life were last told. */
  readonly told = new Map<Aor, OwnerState>();
  readonly #init: NodeInit;
  readonly #world: NodeWorld;
  readonly #disk: { roster: Roster; boot: number; ceiling: number };
  #life: Life | undefined;

  constructor(init: NodeInit, world: NodeWorld) {
    this.number = init.number;
    this.#init = init;
    this.#world = world;
    this.#disk = { roster: init.roster, boot: 0, ceiling: 0 };
  }

  get isUp(): boolean {
    return this.#life !== undefined;
  }

  get isPaused(): boolean {
    return this.#life?.paused === true;
  }

  get roster(): Roster {
    return this.#disk.roster;
  }

  start(nowMs: number, watched: readonly Aor[]): void {
    this.#disk.boot++;
    this.told.clear();
    const { tuning, steward } = this.#init;
    const random = () => this.#world.random.next();
    const core = new DirectoryCore(this.#localMs(nowMs), { self: this.number, ...this.#disk, tuning, steward, random });
    this.#life = { core, paused: false, queue: [], wakeAtMs: Infinity };
    this.run(nowMs, (_core, localMs) => {
      for (const aor of watched) core.watch(localMs, aor);
    });
  }

  /** Memory is lost, the disk stays. */
  crash(): void {
    this.#life = undefined;
  }

  pause(): void {
    if (this.#life !== undefined) this.#life.paused = true;
  }

  /** What came meanwhile is handled now, in any order. */
  resume(nowMs: number): void {
    const life = this.#life;
    if (life === undefined || !life.paused) return;
    life.paused = false;
    const queue = life.queue.splice(0);
    while (queue.length > 0) {
      const at = Math.floor(this.#world.random.next() * queue.length);
      queue.splice(at, 1)[0]?.(nowMs);
    }
  }

  /** Does something in the process: now, or when it runs again; never in another life. */
  run(nowMs: number, act: (core: DirectoryCore, localMs: number, nowMs: number) => void): void {
    const life = this.#life;
    if (life === undefined) return;
    const step = (atMs: number) => {
      if (this.#life !== life) return;
      act(life.core, this.#localMs(atMs), atMs);
      this.#flush(atMs, life);
    };
    if (life.paused) life.queue.push(step);
    else step(nowMs);
  }

  receive(nowMs: number, from: number, bytes: Uint8Array): void {
    this.run(nowMs, (core, localMs) => core.receive(localMs, from, decodeBatch(bytes)));
  }

  learnRoster(nowMs: number, roster: Roster): void {
    this.run(nowMs, (core, localMs) => {
      if (!isNewerRoster(roster, this.#disk.roster)) return;
      this.#disk.roster = roster;
      core.installRoster(localMs, roster);
    });
  }

  /** What the server itself believes at this instant, even while its process is stopped. */
  believes(nowMs: number, aor: Aor): Epoch | undefined {
    return this.#life?.core.owned(this.#localMs(nowMs), aor);
  }

  #localMs(nowMs: number): number {
    return this.#init.clockStartMs + nowMs * this.#init.clockRate;
  }

  #flush(nowMs: number, life: Life): void {
    const { batches, events } = life.core.takeOutput();
    for (const event of events) this.#handle(nowMs, life, event);
    for (const { to, batch } of batches) this.#send(nowMs, to, batch);
    this.#wake(nowMs, life);
  }

  #send(nowMs: number, to: number, batch: Batch): void {
    const bytes = encodeBatch(batch);
    this.#world.network.send(nowMs, this.number, to, (atMs) => this.#world.deliver(atMs, this.number, to, bytes));
  }

  #handle(nowMs: number, life: Life, event: DirectoryEvent): void {
    if (event.kind === "raise-ceiling") {
      // The disk takes its time, and a crash before it is done leaves the old ceiling.
      this.#world.agenda.add(nowMs + this.#world.random.exponential(3), (atMs) => {
        if (this.#life !== life) return;
        this.#disk.ceiling = Math.max(this.#disk.ceiling, event.counter);
        this.run(atMs, (core) => core.ceilingStored(event.counter));
      });
    } else if (event.kind === "watched") this.told.set(event.aor, event.state);
    this.#world.event(nowMs, this, event);
  }

  #wake(nowMs: number, life: Life): void {
    const dueMs = (life.core.nextDeadlineMs() - this.#init.clockStartMs) / this.#init.clockRate;
    if (dueMs >= life.wakeAtMs) return;
    life.wakeAtMs = dueMs;
    // A little late, so that rounding between the two clocks never wakes it before its time.
    this.#world.agenda.add(Math.max(nowMs, dueMs) + 1e-6, (atMs) => {
      if (this.#life !== life || life.wakeAtMs !== dueMs) return;
      life.wakeAtMs = Infinity;
      this.run(atMs, (core, localMs) => core.tick(localMs));
    });
  }
}
