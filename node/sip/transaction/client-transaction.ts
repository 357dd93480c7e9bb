import type { Counters } from "../../runtime/metrics.ts";
import { createResponse } from "../message/build.ts";
import { parseCSeq } from "../message/cseq.ts";
import type { SipRequest, SipResponse } from "../message/message.ts";
import { serializeMessage } from "../message/serialize-message.ts";
import { branchOf } from "../message/via.ts";
import type { Flow, InviteProgress, RequestOptions } from "../stack.ts";
import { AORTA_LOCAL, LOCAL_CUT_OFF } from "../stack.ts";
import { InviteClientTransaction } from "./invite-client.ts";
import { NonInviteClientTransaction } from "./non-invite-client.ts";
import { acknowledgement, cancellation } from "./same-hop.ts";
import type { Scheduler, Task } from "../../runtime/scheduler.ts";
import type { ClientEffect } from "./timer-settings.ts";

/** What a client transaction needs of the others. */
export interface ClientSurroundings {
  readonly scheduler: Scheduler;
  readonly counters: Counters;
  readonly transmit: (flow: Flow, bytes: Uint8Array, failed: (reason: string) => void) => void;
  readonly cancel: (request: SipRequest, flow: Flow) => void;
  /** Told when a transaction goes on over another connection. */
  readonly moved: (transaction: ClientTransaction, from: Flow) => void;
  readonly ended: (transaction: ClientTransaction) => void;
  /** Told of the key when the response may come again and the request was no INVITE. */
  readonly absorb: (key: string) => void;
}

/** Who waits for the response, and how it is told. */
export interface TransactionUser extends RequestOptions, InviteProgress {
  readonly resolve: (response: SipResponse) => void;
}

/** A request that has its Via, and as it is sent. */
export interface OutgoingRequest {
  readonly request: SipRequest;
  readonly bytes: Uint8Array;
}

/** What a transaction needs to send its request again, and to tell whoever waits. */
interface OpenRequest extends OutgoingRequest {
  readonly user: TransactionUser;
  readonly onAbort: () => void;
}

/** One request and its responses: joins a machine to its timers, its flow and whoever sent the request. @see RFC 3261 §17.1 */
export class ClientTransaction implements Task {
  dueMs = 0;
  place = -1;
  readonly key: string;
  #flow: Flow;
  readonly #machine: InviteClientTransaction | NonInviteClientTransaction;
  readonly #surroundings: ClientSurroundings;
  /** Until the answer, where nothing is sent after it. */
  #open: OpenRequest | undefined;
  /** Told at the first sign that the request is not on its way any more. */
  #heardOf: (() => void) | undefined;
  #ended = false;
  #isCutOff = false;
  /** Its connection has closed, and another is waited for. */
  #isAway = false;
  #hasMoved = false;
  /** By the way that it has moved to, and not heard of since. */
  #isRefused = false;
  #isCancelled = false;
  #provisional = false;
  #answered = false;

  constructor(
    outgoing: OutgoingRequest,
    flow: Flow,
    machine: InviteClientTransaction | NonInviteClientTransaction,
    user: TransactionUser,
    surroundings: ClientSurroundings,
    heardOf: (() => void) | undefined,
  ) {
    this.#heardOf = heardOf;
    this.key = clientKey(outgoing.request);
    this.#flow = flow;
    this.#open = { ...outgoing, user, onAbort: () => this.#abort() };
    this.#machine = machine;
    this.#surroundings = surroundings;
  }

  get flow(): Flow {
    return this.#flow;
  }

  start(): void {
    const { user, bytes, onAbort } = this.#open as OpenRequest;
    user.signal?.addEventListener("abort", onAbort);
    this.#transmit(bytes);
    this.#settle();
  }

  receive(response: SipResponse, nowMs: number): void {
    this.#provisional = true;
    this.#isRefused = false;
    this.#noLongerOnItsWay();
    this.#carryOut(this.#machine.response(response.status, nowMs), response);
  }

  due(nowMs: number): void {
    this.#carryOut(this.#machine.timeout(nowMs));
  }

  /** Its way has ended after it was sent: it goes on where its peer is reached again, or fails. */
  flowClosed(): void {
    const { user } = this.#open ?? {};
    if (user?.reachedAgain === undefined || this.#answered || this.#hasGivenUp(user)) return this.cutOff();
    if (this.#isAway) return;
    this.#isAway = true;
    if (this.#isCancelled) this.#tellCancelled();
    void user.reachedAgain(this.flow).then((flow) => {
      if (this.#ended || this.#answered) return;
      this.#isAway = false;
      if (flow === undefined || this.#hasGivenUp(user)) this.cutOff();
      else this.#goOn(flow);
    });
  }

  cutOff(): void {
    this.#isCutOff = true;
    this.#carryOut(this.#machine.transportError());
  }

  /** To a peer that has the request already it is a retransmission, as its Via is the same. @see RFC 3261 §17.2.3 */
  #goOn(flow: Flow): void {
    const { bytes } = this.#open as OpenRequest;
    const from = this.flow;
    this.#flow = flow;
    this.#hasMoved = true;
    this.#surroundings.moved(this, from);
    if (this.#isCancelled) this.#sendCancel();
    else this.#transmit(bytes);
  }

  /** Whether nobody waits for an answer to what may never have arrived. */
  #hasGivenUp({ signal }: TransactionUser): boolean {
    return signal?.aborted === true && !this.#provisional;
  }

  #transmit(bytes: Uint8Array): void {
    this.#surroundings.transmit(this.flow, bytes, () => {
      if (!this.#hasMoved) this.#carryOut(this.#machine.transportError());
      // A way that is there and takes nothing, as it is full, would be tried again and again.
      else if (this.#isRefused) this.cutOff();
      else {
        this.#isRefused = true;
        this.flowClosed();
      }
    });
  }

  #carryOut(effects: readonly ClientEffect[], response?: SipResponse): void {
    for (const effect of effects) if (this.#open !== undefined) this.#effect(effect, this.#open, response);
    this.#settle();
  }

  #effect(effect: ClientEffect, { request, bytes, user }: OpenRequest, response?: SipResponse): void {
    const { counters } = this.#surroundings;
    switch (effect) {
      case "send":
        counters.add("sip.retransmissions_sent");
        return this.#transmit(bytes);
      case "acknowledge":
        return this.#transmit(serializeMessage(acknowledgement(request, response as SipResponse)));
      case "deliver":
        return this.#deliver(user, response as SipResponse);
      case "timed-out":
        counters.add("sip.requests_timed_out");
        return user.resolve(localResponse(request, 408));
      case "failed":
        counters.add("sip.requests_failed");
        return user.resolve(localResponse(request, 503, [], this.#isCutOff ? LOCAL_CUT_OFF : "1"));
    }
  }

  #deliver({ signal, resolve, onProvisional, onSuccess }: TransactionUser, response: SipResponse): void {
    response.headers.shift("via");
    if (this.#answered) return onSuccess?.(response);
    if (response.status >= 200) {
      this.#answered = true;
      this.#ignoreSignal();
      if (this.#machine instanceof NonInviteClientTransaction) this.#open = undefined;
      return resolve(response);
    }
    onProvisional?.(response);
    // RFC 3261 §9.1: CANCEL only once a provisional response has come.
    if (signal?.aborted === true) this.#cancel();
  }

  #abort(): void {
    if (this.#provisional) this.#cancel();
  }

  #cancel(): void {
    if (!(this.#machine instanceof InviteClientTransaction) || this.#open === undefined) return;
    this.#ignoreSignal();
    this.#isCancelled = true;
    if (this.#isAway) this.#tellCancelled();
    else this.#sendCancel();
    this.#machine.cancelled(this.#surroundings.scheduler.nowMs());
    this.#settle();
  }

  /** Who has given up does not wait for a peer that is away; should that come, it hears of it. */
  #tellCancelled(): void {
    const { request, user } = this.#open as OpenRequest;
    user.resolve(localResponse(request, 487));
  }

  #sendCancel(): void {
    const { request, user } = this.#open as OpenRequest;
    this.#surroundings.cancel(cancellation(request, user.signal?.reason), user.reachedNow?.() ?? this.flow);
  }

  #ignoreSignal(): void {
    if (this.#open !== undefined) this.#open.user.signal?.removeEventListener("abort", this.#open.onAbort);
  }

  #noLongerOnItsWay(): void {
    this.#heardOf?.();
    this.#heardOf = undefined;
  }

  /** Follows what the machine has become: its next deadline, or its end. */
  #settle(): void {
    if (this.#ended) return;
    const { kind } = this.#machine.state;
    if (kind === "terminated") this.#end();
    else if (kind === "completed" && this.#machine instanceof NonInviteClientTransaction) {
      this.#end();
      this.#surroundings.absorb(this.key);
    } else this.#surroundings.scheduler.schedule(this, this.#machine.deadlineMs);
  }

  #end(): void {
    this.#ended = true;
    this.#noLongerOnItsWay();
    this.#ignoreSignal();
    this.#surroundings.scheduler.remove(this);
    this.#surroundings.ended(this);
  }
}

/** By which a response finds its request. @see RFC 3261 §17.1.3 */
export function clientKey(message: SipRequest | SipResponse): string {
  const method = message.kind === "request" ? message.method : parseCSeq(message.headers.get("cseq") ?? "").method;
  return `${branchOf(message.headers.get("via") ?? "") ?? ""} ${method}`;
}

/** The response that stands for a peer's that never came, as of a request whose Via was still to be added. */
export function localResponse(
  request: SipRequest,
  status: number,
  headers: readonly [string, string][] = [],
  mark = "1",
): SipResponse {
  const response = createResponse(request, status, { headers: [[AORTA_LOCAL, mark], ...headers] });
  response.headers.shift("via");
  return response;
}
