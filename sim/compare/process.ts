import type { Aor } from "../../dht-schema/aor.ts";
import { Agenda } from "../../node/directory/core/agenda.ts";
import type { Network } from "../network.ts";
import type { Random } from "../random.ts";
import type { Machine, Purpose, Surroundings, WayEvent, WayServer, Wish } from "./way.ts";

/** What the world does for the processes of a run. */
export interface ProcessWorld<M> {
  readonly agenda: Agenda;
  readonly network: Network;
  readonly random: Random;
  readonly servers: readonly number[];
  deliver(nowMs: number, from: number, to: number, message: M): void;
  event(nowMs: number, server: number, event: WayEvent): void;
}

/** Clock of a process: where it starts, and local milliseconds per true one. */
export interface ProcessClock {
  readonly startMs: number;
  readonly rate: number;
}

interface Life<M, P> {
  readonly machine: P;
  readonly agenda: Agenda;
  paused: boolean;
  readonly queue: ((nowMs: number) => void)[];
  wakeAtMs: number;
  outgoing: { readonly to: number; readonly message: M }[];
}

/** A machine on virtual time, with a clock of its own, that can be killed and stopped: what {@link SimulatedNode} is for the production core. */
export class Process<M extends { readonly purpose: Purpose }, P extends Pick<Machine<M>, "receive">> {
  readonly number: number;
  readonly #make: (nowMs: number, surroundings: Surroundings<M>) => P;
  readonly #clock: ProcessClock;
  readonly #world: ProcessWorld<M>;
  #life: Life<M, P> | undefined;

  constructor(
    init: {
      readonly number: number;
      readonly clock: ProcessClock;
      /** Called at each start; what is to survive a crash it keeps itself. */
      readonly make: (nowMs: number, surroundings: Surroundings<M>) => P;
    },
    world: ProcessWorld<M>,
  ) {
    this.number = init.number;
    this.#make = init.make;
    this.#clock = init.clock;
    this.#world = world;
  }

  get isUp(): boolean {
    return this.#life !== undefined;
  }

  get isPaused(): boolean {
    return this.#life?.paused === true;
  }

  start(nowMs: number): void {
    const agenda = new Agenda();
    const world = this.#world;
    const surroundings: Surroundings<M> = {
      self: this.number,
      servers: world.servers,
      agenda,
      random: () => world.random.next(),
      send: (to, message) => void this.#life?.outgoing.push({ to, message }),
      // Told at once: what happens is counted by true time.
      emit: (event) => world.event(this.#nowMs, this.number, event),
    };
    this.#nowMs = nowMs;
    const machine = this.#make(this.localMs(nowMs), surroundings);
    this.#life = { machine, agenda, paused: false, queue: [], wakeAtMs: Infinity, outgoing: [] };
    this.run(nowMs, () => undefined);
  }

  /** True time of the step under way. */
  #nowMs = 0;

  crash(): void {
    this.#life = undefined;
  }

  pause(): void {
    if (this.#life !== undefined) this.#life.paused = true;
  }

  resume(nowMs: number): void {
    const life = this.#life;
    if (life === undefined || !life.paused) return;
    life.paused = false;
    for (const act of life.queue.splice(0)) act(nowMs);
  }

  /** Does something in the process: now, or when it runs again; never in another life. */
  run(nowMs: number, act: (machine: P, localMs: number) => void): void {
    const life = this.#life;
    if (life === undefined) return;
    const step = (atMs: number) => {
      if (this.#life !== life) return;
      this.#nowMs = atMs;
      act(life.machine, this.localMs(atMs));
      this.#flush(atMs, life);
    };
    if (life.paused) life.queue.push(step);
    else step(nowMs);
  }

  /** Reads the machine's state, even while it is stopped. */
  peek<T>(nowMs: number, read: (machine: P, localMs: number) => T): T | undefined {
    return this.#life === undefined ? undefined : read(this.#life.machine, this.localMs(nowMs));
  }

  localMs(nowMs: number): number {
    return this.#clock.startMs + nowMs * this.#clock.rate;
  }

  #flush(nowMs: number, life: Life<M, P>): void {
    const { network } = this.#world;
    for (const { to, message } of life.outgoing.splice(0)) {
      network.send(nowMs, this.number, to, (atMs) => this.#world.deliver(atMs, this.number, to, message));
    }
    const dueMs = (life.agenda.nextMs - this.#clock.startMs) / this.#clock.rate;
    if (dueMs >= life.wakeAtMs) return;
    life.wakeAtMs = dueMs;
    // A little late, so that rounding between the two clocks never wakes it before its time.
    this.#world.agenda.add(Math.max(nowMs, dueMs) + 1e-6, (atMs) => {
      if (this.#life !== life || life.wakeAtMs !== dueMs) return;
      life.wakeAtMs = Infinity;
      this.run(atMs, (_machine, localMs) => life.agenda.runDue(localMs));
    });
  }
}

/** A server of a weaker way. */
export class ProcessServer<M extends { readonly purpose: Purpose }>
  extends Process<M, Machine<M>>
  implements WayServer
{
  override start(nowMs: number, watched: readonly Aor[] = []): void {
    super.start(nowMs);
    this.run(nowMs, (machine, localMs) => {
      for (const aor of watched) machine.watch(localMs, aor);
    });
  }

  claim(nowMs: number, id: number, aor: Aor, wish: Wish): void {
    this.run(nowMs, (machine, localMs) => machine.claim(localMs, id, aor, wish));
  }

  lookup(nowMs: number, id: number, aor: Aor): void {
    this.run(nowMs, (machine, localMs) => machine.lookup(localMs, id, aor));
  }

  serves(nowMs: number, aor: Aor): boolean {
    return this.peek(nowMs, (machine, localMs) => machine.serves(localMs, aor)) === true;
  }
}
