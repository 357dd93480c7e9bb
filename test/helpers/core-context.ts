import type { Aor } from "../../dht-schema/aor.ts";
import type { Ballot } from "../../dht-schema/ballot.ts";
import type { DirectoryMessage, MessageOf } from "../../dht-schema/directory-messages.ts";
import type { Roster } from "../../dht-schema/roster.ts";
import { limits } from "../../node/runtime/limits.ts";
import { Agenda } from "../../node/directory/core/agenda.ts";
import type { AnswerHandler, Context, DirectoryEvent, DirectoryTuning } from "../../node/directory/core/context.ts";
import type { Quorum } from "../../node/directory/core/quorum.ts";
import { Quorums } from "../../node/directory/core/quorum.ts";
import { testRoster } from "./rosters.ts";

/** Tuning of tests: round times, so that expectations can be written as numbers. */
export const testTuning: DirectoryTuning = {
  attemptMs: 250,
  hedgeMs: 10,
  forwardingMs: 5_000,
  stewardMs: 200,
  promoteAfterMs: 1_000,
  votersTarget: 1024,
  ceilingStep: 65_536,
  ...limits.directory,
};

/** What a machine sent. */
export interface Sent {
  readonly to: number;
  readonly message: DirectoryMessage;
}

/** The surroundings of one machine of the core: what it sends and tells is kept, answers and time come from the test. */
export class CoreContext implements Context {
  readonly self: number;
  readonly boot: number;
  readonly tuning: DirectoryTuning;
  readonly agenda = new Agenda();
  readonly silent = new Set<number>();
  readonly #ops = new Map<number, AnswerHandler>();
  #roster: Roster;
  #quorums: Quorums;
  #lastOp = 0;
  #counter = 0;
  #sent: Sent[] = [];
  #events: DirectoryEvent[] = [];

  constructor(
    init: {
      readonly self?: number;
      readonly boot?: number;
      readonly roster?: Roster;
      readonly tuning?: Partial<DirectoryTuning>;
    } = {},
  ) {
    this.self = init.self ?? 1;
    this.boot = init.boot ?? 1;
    this.tuning = { ...testTuning, ...init.tuning };
    this.#roster = init.roster ?? testRoster(3);
    this.#quorums = new Quorums(this.#roster);
  }

  roster(): Roster {
    return this.#roster;
  }

  /** Another roster is in force; who has to know is for the test to tell. */
  install(roster: Roster): void {
    this.#roster = roster;
    this.#quorums = new Quorums(roster);
  }

  quorumOf(aor: Aor): Quorum {
    return this.#quorums.of(aor);
  }

  random(): number {
    return 0.5;
  }

  send(to: number, message: DirectoryMessage): void {
    this.#sent.push({ to, message });
  }

  emit(event: DirectoryEvent): void {
    this.#events.push(event);
  }

  openOp(handler: AnswerHandler): number {
    this.#ops.set(++this.#lastOp, handler);
    return this.#lastOp;
  }

  closeOp(op: number): void {
    this.#ops.delete(op);
  }

  nextBallot(): Ballot {
    return { version: this.#roster.version, counter: ++this.#counter, member: this.self };
  }

  ballotAbove(): Ballot {
    return this.nextBallot();
  }

  sawBallot(ballot: Ballot): boolean {
    this.#counter = Math.max(this.#counter, ballot.counter);
    return true;
  }

  highestCounter(): number {
    return this.#counter;
  }

  /** Requests whose answers are still waited for. */
  get openOps(): number {
    return this.#ops.size;
  }

  /** What was sent since the last call. */
  takeSent(): Sent[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }

  /** What was sent of one type since the last call, and nothing else. */
  takeOnly<T extends DirectoryMessage["type"]>(type: T): { readonly to: number; readonly message: MessageOf<T> }[] {
    return this.takeSent().map(({ to, message }) => {
      if (message.type !== type) throw new Error(`${message.type} was sent, not only ${type}`);
      return { to, message: message as MessageOf<T> };
    });
  }

  /** What was told since the last call. */
  takeEvents(): DirectoryEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** An answer to a request arrives; whether somebody still waits for it. */
  answer(nowMs: number, from: number, message: DirectoryMessage & { readonly op: number }): boolean {
    const handler = this.#ops.get(message.op);
    handler?.(nowMs, from, message);
    return handler !== undefined;
  }
}
