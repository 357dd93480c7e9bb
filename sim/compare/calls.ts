import type { Appointment } from "../../node/directory/core/agenda.ts";
import type { Surroundings } from "./way.ts";

/** A message that asks, or answers what was asked. */
export interface Call {
  readonly op: number;
}

interface OpenCall<M> {
  readonly onAnswer: (nowMs: number, answer: M | undefined) => void;
  readonly patience: Appointment;
  readonly from: number;
}

/** Requests under way and their time-outs: what a careful RPC client does. */
export class Calls<M extends Call> {
  readonly #surroundings: Surroundings<M>;
  readonly #open = new Map<number, OpenCall<M>>();
  #lastOp: number;

  constructor(surroundings: Surroundings<M>) {
    this.#surroundings = surroundings;
    // Answers to an earlier life of this process must not be taken for answers to this one.
    this.#lastOp = Math.floor(surroundings.random() * 2 ** 40);
  }

  /** Sends a request; `onAnswer` gets its answer, or nothing after `timeoutMs`. */
  ask(
    nowMs: number,
    to: number,
    request: (op: number) => M,
    timeoutMs: number,
    onAnswer: (nowMs: number, answer: M | undefined) => void,
  ): void {
    const op = ++this.#lastOp;
    const patience = this.#surroundings.agenda.add(nowMs + timeoutMs, (atMs) => {
      this.#open.delete(op);
      onAnswer(atMs, undefined);
    });
    this.#open.set(op, { onAnswer, patience, from: to });
    this.#surroundings.send(to, request(op));
  }

  /** Asks until there is an answer or `deadlineMs` has passed: the request must bear to be done twice. */
  insist(
    nowMs: number,
    to: number,
    request: (op: number) => M,
    times: { readonly retryMs: number; readonly deadlineMs: number },
    onAnswer: (nowMs: number, answer: M | undefined) => void,
  ): void {
    this.ask(nowMs, to, request, times.retryMs, (atMs, answer) => {
      if (answer !== undefined || atMs >= times.deadlineMs) onAnswer(atMs, answer);
      else this.insist(atMs, to, request, times, onAnswer);
    });
  }

  /** An answer came; one that nobody waits for any more is dropped. */
  answered(nowMs: number, from: number, answer: M): void {
    const call = this.#open.get(answer.op);
    if (call === undefined || call.from !== from) return;
    this.#open.delete(answer.op);
    call.patience.cancel();
    call.onAnswer(nowMs, answer);
  }
}
