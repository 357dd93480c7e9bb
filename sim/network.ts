import type { Agenda } from "../node/directory/core/agenda.ts";
import type { Random } from "./random.ts";

/** How the network of a run misbehaves while faults are on. */
export interface NetworkFaults {
  readonly loss: number;
  readonly duplication: number;
  /** Delays are exponential around this mean, ms, so messages overtake each other. */
  readonly delayMs: number;
  /** A share of the messages stays under way for up to `maxMs` instead. @default none */
  readonly late?: { readonly share: number; readonly maxMs: number };
}

export const PERFECT_NETWORK: NetworkFaults = { loss: 0, duplication: 0, delayMs: 1 };

/** A network between numbered nodes on virtual time: it loses, doubles, delays, reorders, and is cut one way or both. */
export class Network {
  faults: NetworkFaults = PERFECT_NETWORK;
  messages = 0;
  readonly #agenda: Agenda;
  readonly #random: Random;
  /** How many partitions cut each direction of each link. */
  readonly #cuts = new Map<number, number>();

  constructor(agenda: Agenda, random: Random) {
    this.#agenda = agenda;
    this.#random = random;
  }

  /** Cuts messages from one node to another; {@link mend} as often undoes it. */
  cut(from: number, to: number): void {
    const link = linkOf(from, to);
    this.#cuts.set(link, (this.#cuts.get(link) ?? 0) + 1);
  }

  /** @returns whether messages get through again */
  mend(from: number, to: number): boolean {
    const link = linkOf(from, to);
    const left = (this.#cuts.get(link) ?? 1) - 1;
    if (left > 0) this.#cuts.set(link, left);
    else this.#cuts.delete(link);
    return left === 0;
  }

  /** Undoes every cut. */
  heal(): void {
    this.#cuts.clear();
  }

  send(nowMs: number, from: number, to: number, deliver: (nowMs: number) => void): void {
    this.messages++;
    const { loss, duplication } = this.faults;
    if (this.#cuts.size > 0 && this.#cuts.has(linkOf(from, to))) return;
    if (loss > 0 && this.#random.chance(loss)) return;
    this.#agenda.add(nowMs + this.#delayMs(), deliver);
    if (duplication > 0 && this.#random.chance(duplication)) this.#agenda.add(nowMs + this.#delayMs(), deliver);
  }

  #delayMs(): number {
    const { delayMs, late } = this.faults;
    if (late !== undefined && this.#random.chance(late.share)) return this.#random.between(0, late.maxMs);
    return this.#random.exponential(delayMs);
  }
}

function linkOf(from: number, to: number): number {
  return from * 65_536 + to;
}
