import type { Agenda } from "../node/directory/core/agenda.ts";
import type { Random } from "./random.ts";

/** How the network of a run misbehaves while faults are on. */
export interface NetworkFaults {
  readonly loss: number;
  readonly duplication: number;
  /** Delays are exponential around this mean, ms, so messages overtake each other. */
  readonly delayMs: number;
}

/** A network between numbered nodes on virtual time: it loses, doubles, delays, reorders, and is cut one way or both. */
export class Network {
  faults: NetworkFaults = { loss: 0, duplication: 0, delayMs: 1 };
  messages = 0;
  readonly #agenda: Agenda;
  readonly #random: Random;
  readonly #cut = new Set<string>();

  constructor(agenda: Agenda, random: Random) {
    this.#agenda = agenda;
    this.#random = random;
  }

  /** Cuts messages from one node to another. */
  cut(from: number, to: number): void {
    this.#cut.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cut.clear();
  }

  send(nowMs: number, from: number, to: number, deliver: (nowMs: number) => void): void {
    this.messages++;
    const { loss, duplication, delayMs } = this.faults;
    if (this.#cut.has(`${from}>${to}`) || this.#random.chance(loss)) return;
    const copies = this.#random.chance(duplication) ? 2 : 1;
    for (let i = 0; i < copies; i++) this.#agenda.add(nowMs + this.#random.exponential(delayMs), deliver);
  }
}
