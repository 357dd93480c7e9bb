import { limits } from "../../runtime/limits.ts";
import type { Counters } from "../../runtime/metrics.ts";
import { addToTag, createResponse, hasTag } from "../message/build.ts";
import type { SipRequest, SipResponse } from "../message/message.ts";
import { serializeMessage } from "../message/serialize-message.ts";
import { randomTag } from "../message/tags.ts";
import type { Flow } from "../stack.ts";
import type { ResponsePath } from "../transport/response-path.ts";
import { InviteServerTransaction } from "./invite-server.ts";
import { NonInviteServerTransaction } from "./non-invite-server.ts";
import type { Scheduler, Task } from "../../runtime/scheduler.ts";
import type { ServerEffect } from "./timer-settings.ts";

/** What a server transaction needs of the others. */
export interface ServerSurroundings {
  readonly scheduler: Scheduler;
  readonly counters: Counters;
  readonly transmit: (path: ResponsePath, bytes: Uint8Array, failed: (reason: string) => void) => void;
  /** Told of the final answer. */
  readonly answered: (transaction: ServerTransaction) => void;
  /** @param octets that {@link awaitAck} has found room for */
  readonly ended: (key: string, octets: number) => void;
  /** Whether there is room for the refusal of an INVITE until it is acknowledged. */
  readonly awaitAck: (octets: number) => boolean;
  /** Told of the answer, when the request may come again and is no INVITE. */
  readonly keep: (key: string, path: ResponsePath, answer: Uint8Array) => void;
}

/** One request and its answers: joins a machine to its timers, the way back and whoever serves the request. @see RFC 3261 §17.2 */
export class ServerTransaction implements Task {
  dueMs = 0;
  place = -1;
  /** Made when an answer has none of its own. */
  #toTag: string | undefined;
  readonly #machine: InviteServerTransaction | NonInviteServerTransaction;
  readonly #surroundings: ServerSurroundings;
  readonly #key: string;
  readonly #path: ResponsePath;
  /** Until the final response. */
  #request: SipRequest | undefined;
  #onCancel: ((reason: string | undefined) => void) | undefined;
  /** Until when it is to come again, its link having broken; what is answered meanwhile cannot be sent, and is then. */
  #repeatedByMs = Number.POSITIVE_INFINITY;
  #ended = false;
  #awaitingOctets = 0;

  constructor(
    key: string,
    request: SipRequest,
    path: ResponsePath,
    machine: InviteServerTransaction | NonInviteServerTransaction,
    surroundings: ServerSurroundings,
  ) {
    this.#key = key;
    this.#request = request;
    this.#path = path;
    this.#machine = machine;
    this.#surroundings = surroundings;
  }

  /** The same in all answers (RFC 3261 §8.2.6.2). */
  get toTag(): string {
    return (this.#toTag ??= randomTag());
  }

  get isInvite(): boolean {
    return this.#machine instanceof InviteServerTransaction;
  }

  get flow(): Flow {
    return this.#path.flow;
  }

  start(): void {
    this.#settle();
  }

  retransmitted(): void {
    this.#repeatedByMs = Number.POSITIVE_INFINITY;
    this.#carryOut(this.#machine.request());
  }

  /** An ACK for this INVITE; true when it is for whoever serves the INVITE. */
  acknowledged(): boolean {
    if (!(this.#machine instanceof InviteServerTransaction)) return true;
    const effects = this.#machine.ack(this.#surroundings.scheduler.nowMs());
    this.#settle();
    return effects.length > 0;
  }

  /** Says once more that it rings, as far as it does, now that the way of the INVITE is gone: by another, or it fails. @see RFC 3261 §18.2.2 */
  findWayBack(): void {
    const again = this.#machine.request();
    if (again.length > 0) this.#carryOut(again);
    else if (this.#request !== undefined) this.respond(createResponse(this.#request, 100));
  }

  awaitRepetition(): void {
    const { scheduler } = this.#surroundings;
    this.#repeatedByMs = scheduler.nowMs() + limits.sip.repeatedWithinMs;
    this.#settle();
  }

  onCancel(listener: (reason: string | undefined) => void): void {
    this.#onCancel = listener;
  }

  /** RFC 3261 §9.2: an INVITE without a final response is answered 487, unless who serves it sees to that. */
  cancelled(reason: string | undefined): void {
    if (this.#request === undefined) return;
    if (this.#onCancel === undefined) this.respond(createResponse(this.#request, 487));
    else this.#onCancel(reason);
  }

  respond(given: SipResponse): void {
    const request = this.#request;
    if (request === undefined) return this.#respondAgain(given);
    const response = complete(given, request, () => this.toTag);
    const { status } = response;
    if (status < 200) {
      // RFC 4320 §4.1: of the provisional ones a non-INVITE request gets none but 100.
      if (request.method === "INVITE" || status === 100)
        this.#carryOut(this.#machine.provisional(serializeMessage(response)));
      return;
    }
    const bytes = serializeMessage(response);
    const machine = this.#machine;
    this.#finished();
    if (machine instanceof NonInviteServerTransaction) {
      this.#carryOut(status === 408 ? machine.abandon() : machine.final(bytes));
      if (machine.state.kind === "completed") this.#surroundings.keep(this.#key, this.#path, bytes);
      return;
    }
    const nowMs = this.#surroundings.scheduler.nowMs();
    if (status < 300) return this.#carryOut(machine.success(bytes, nowMs));
    this.#carryOut(machine.failure(bytes, nowMs));
    if (machine.state.kind !== "completed") return;
    if (this.#surroundings.awaitAck(bytes.length)) this.#awaitingOctets = bytes.length;
    // It has been said once. An INVITE that comes again is a new one, and hears the same.
    else this.end();
  }

  /** A 2xx of another fork, or one repeated, goes out as long as the INVITE is remembered. @see RFC 3261 §16.7 step 5 */
  #respondAgain(response: SipResponse): void {
    const machine = this.#machine;
    if (!(machine instanceof InviteServerTransaction) || response.status < 200 || response.status >= 300) return;
    this.#carryOut(machine.success(serializeMessage(response), this.#surroundings.scheduler.nowMs()));
  }

  due(nowMs: number): void {
    if (nowMs >= this.#repeatedByMs) {
      this.#repeatedByMs = Number.POSITIVE_INFINITY;
      if (this.#request !== undefined) return this.#carryOut(this.#machine.transportError());
    }
    this.#carryOut(this.#machine.timeout(nowMs));
  }

  #carryOut(effects: readonly ServerEffect[]): void {
    const { transmit, counters } = this.#surroundings;
    for (const effect of effects) {
      switch (effect.kind) {
        case "send":
          transmit(this.#path, effect.response, () => {
            if (this.#repeatedByMs === Number.POSITIVE_INFINITY) this.#carryOut(this.#machine.transportError());
          });
          break;
        case "make-trying":
          if (this.#request !== undefined) this.respond(trying(this.#request));
          break;
        case "unanswered":
          counters.add("sip.unanswered");
          break;
        case "unacknowledged":
          counters.add("sip.unacknowledged");
          break;
        case "failed":
          counters.add("sip.responses_failed");
          // Nobody waits for the answer any more; of a datagram that was lost that is not known.
          if (this.#request !== undefined && this.#machine.state.kind === "terminated") this.#onCancel?.(undefined);
          break;
        case "deliver-ack":
          break;
      }
    }
    this.#settle();
  }

  #finished(): void {
    if (this.#request === undefined) return;
    this.#request = undefined;
    this.#surroundings.answered(this);
  }

  /** Follows what the machine has become: its next deadline, or its end. */
  #settle(): void {
    if (this.#ended) return;
    if (this.#isOver()) this.end();
    else this.#surroundings.scheduler.schedule(this, Math.min(this.#machine.deadlineMs, this.#repeatedByMs));
  }

  #isOver(): boolean {
    const { kind } = this.#machine.state;
    return kind === "terminated" || (kind === "completed" && !this.isInvite);
  }

  end(): void {
    this.#ended = true;
    this.#finished();
    this.#surroundings.scheduler.remove(this);
    this.#surroundings.ended(this.#key, this.#awaitingOctets);
    this.#awaitingOctets = 0;
  }
}

/** @see RFC 3261 §8.2.6.1 */
function trying(request: SipRequest): SipResponse {
  const timestamp = request.headers.get("Timestamp");
  return createResponse(request, 100, timestamp === undefined ? {} : { headers: [["Timestamp", timestamp]] });
}

const COPIED = ["Via", "From", "To", "Call-ID", "CSeq"];

/** A response with all that RFC 3261 §8.2.6.2 wants of it. */
function complete(response: SipResponse, request: SipRequest, toTag: () => string): SipResponse {
  const lacking = COPIED.filter((name) => !response.headers.has(name));
  const to = response.headers.get("to");
  const needsTag = response.status > 100 && !hasTag(to ?? request.headers.get("to") ?? "");
  if (lacking.length === 0 && !needsTag) return response;
  const headers = response.headers.clone();
  for (const name of lacking.toReversed()) {
    for (const value of request.headers.all(name).toReversed()) headers.prepend(name, value);
  }
  if (needsTag) addToTag(headers, toTag());
  return { ...response, headers };
}
