import type { ServerId } from "../../../dht-schema/roster.ts";
import type { Counters } from "../../runtime/metrics.ts";
import { limits } from "../../runtime/limits.ts";
import { isShareLeft } from "../../runtime/share.ts";
import { createResponse } from "../message/build.ts";
import { parseCSeq } from "../message/cseq.ts";
import type { SipRequest, SipResponse } from "../message/message.ts";
import { serializeMessage } from "../message/serialize-message.ts";
import { branchOf } from "../message/via.ts";
import type { Flow, InviteProgress, RequestOptions } from "../stack.ts";
import { AORTA_LOCAL, LOCAL_CUT_OFF } from "../stack.ts";
import { InviteClientTransaction } from "./invite-client.ts";
import { Kept } from "./kept.ts";
import { NonInviteClientTransaction } from "./non-invite-client.ts";
import { acknowledgement, cancellation } from "./same-hop.ts";
import type { Scheduler, Task } from "./scheduler.ts";
import { ByFlow, flowKey } from "./by-flow.ts";
import type { Place, WindowRules } from "./send-windows.ts";
import { SendWindows } from "./send-windows.ts";
import type { ClientEffect, TimerSettings, TransactionOptions } from "./timer-settings.ts";
import { lifetimeMs } from "./timer-settings.ts";

interface Components {
  readonly scheduler: Scheduler;
  readonly counters: Counters;
  readonly timers: TimerSettings;
  /** Unanswered requests at a time, those that wait for their turn included; to one destination as many as stay free. Beyond, they fail with a local 503. */
  readonly capacity: number;
  /** How many go to one address over an unreliable transport at once. */
  readonly window: WindowRules;
  readonly isReliable: (flow: Flow) => boolean;
  readonly transmit: (flow: Flow, bytes: Uint8Array, failed: (reason: string) => void) => void;
}

const NO_OCTETS = new Uint8Array(0);

/** All client transactions of a node: joins the machines to transports and timers. */
export class ClientTransactions {
  readonly #components: Components;
  readonly #surroundings: Surroundings;
  readonly #reliable: TransactionOptions;
  readonly #unreliable: TransactionOptions;
  readonly #byKey = new Map<string, ClientTransaction>();
  /** What is over, but its response may come again. */
  readonly #completed: Kept;
  /** Those that wait on a connection or link, to fail at once when it closes. */
  readonly #byFlow = new ByFlow<ClientTransaction>();
  readonly #windows: SendWindows;
  readonly #waiting = new Set<WaitingRequest>();
  /** Requests that nobody has answered yet, by where they go: one destination that is silent leaves room for the others. */
  readonly #unanswered = new Map<string, { requests: number }>();
  #unansweredInAll = 0;

  constructor(components: Components) {
    this.#components = components;
    this.#completed = new Kept(components.scheduler, components.timers.t4Ms);
    this.#windows = new SendWindows(components.scheduler, components.window);
    this.#reliable = { reliable: true, timers: components.timers };
    this.#unreliable = { reliable: false, timers: components.timers };
    this.#surroundings = {
      ...components,
      cancel: (request, flow) => void this.send(request, flow),
      moved: (transaction, from) => {
        this.#byFlow.delete(from, transaction);
        this.#byFlow.add(transaction.flow, transaction);
      },
      ended: (transaction) => {
        this.#byKey.delete(transaction.key);
        if (components.isReliable(transaction.flow)) this.#byFlow.delete(transaction.flow, transaction);
      },
      absorb: (key) => this.#completed.keep(key, NO_OCTETS),
    };
  }

  get size(): number {
    return this.#byKey.size + this.#completed.size;
  }

  /** Sends a request that has its Via; resolves with the final response, top Via removed. Never rejects. A signal ends an INVITE only. */
  send(request: SipRequest, flow: Flow, options: RequestOptions & InviteProgress = {}): Promise<SipResponse> {
    const { promise, resolve } = Promise.withResolvers<SipResponse>();
    const key = flowKey(flow);
    if (options.signal?.aborted === true) resolve(localResponse(request, 487));
    else if (!isShareLeft(this.#unanswered.get(key)?.requests ?? 0, this.#unansweredInAll, this.#components.capacity)) {
      this.#components.counters.add("sip.client_overload");
      // It is for now that there is no room: nobody is to conclude that its destination is gone.
      resolve(localResponse(request, 503, [["Retry-After", String(limits.sip.retryAfterSeconds)]]));
    } else {
      const user = { ...options, resolve: this.#counted(key, resolve) };
      if (this.#components.isReliable(flow)) this.#start(request, flow, user);
      else this.#startInTurn(request, { flow, key }, user);
    }
    return promise;
  }

  /**
   * A response from the network; false when it belongs to no transaction. Devices see in Via how servers have named their requests to each
   * other, so that what one says of its own accord would be believed as another server's.
   * @see RFC 3261 §17.1.3
   */
  receive(response: SipResponse, from: Flow): boolean {
    const key = clientKey(response);
    const transaction = this.#byKey.get(key);
    if (transaction === undefined) return from.transport !== "MESH" && this.#completed.get(key) !== undefined;
    if (serverOf(transaction.flow) !== serverOf(from)) return false;
    transaction.receive(response, this.#components.scheduler.nowMs());
    return true;
  }

  /** A connection or link has closed. */
  flowClosed(flow: Flow): void {
    for (const transaction of this.#byFlow.of(flow)) transaction.flowClosed();
  }

  /** Ends all with a local 503. */
  stop(): void {
    for (const waiting of this.#waiting) waiting.giveUp(503);
    for (const transaction of this.#byKey.values()) transaction.cutOff();
    this.#completed.clear();
  }

  /** Counts a request to a destination until it is resolved. */
  #counted(key: string, resolve: (response: SipResponse) => void): (response: SipResponse) => void {
    const known = this.#unanswered.get(key);
    const destination = known ?? { requests: 0 };
    if (known === undefined) this.#unanswered.set(key, destination);
    destination.requests++;
    this.#unansweredInAll++;
    let isCounted = true;
    return (response) => {
      if (isCounted) {
        isCounted = false;
        this.#unansweredInAll--;
        if (--destination.requests === 0) this.#unanswered.delete(key);
      }
      resolve(response);
    };
  }

  /** Where datagrams can be lost for their number, a request waits for its turn. Its timers begin when it is sent. */
  #startInTurn(request: SipRequest, { flow, key }: { readonly flow: Flow; readonly key: string }, user: User): void {
    const { scheduler, counters, timers } = this.#components;
    const turn: { place?: Place; waiting?: WaitingRequest; isSent?: true; hasLeft?: true } = {};
    const leave = (): void => {
      turn.hasLeft = true;
      turn.place?.leave();
    };
    turn.place = this.#windows.enter(key, () => {
      turn.isSent = true;
      turn.waiting?.end();
      this.#start(request, flow, user, leave);
    });
    // Sending may have failed within the call already.
    if (turn.hasLeft) turn.place.leave();
    if (turn.isSent) return;
    counters.add("sip.requests_paced");
    const ended = (waiting: WaitingRequest): void => {
      this.#waiting.delete(waiting);
      scheduler.remove(waiting);
    };
    turn.waiting = new WaitingRequest(request, user, { ended, gaveUp: leave });
    this.#waiting.add(turn.waiting);
    scheduler.schedule(turn.waiting, scheduler.nowMs() + Math.min(lifetimeMs(timers), user.withinMs ?? Infinity));
  }

  #start(request: SipRequest, flow: Flow, user: User, heardOf?: () => void): void {
    const { scheduler, isReliable } = this.#components;
    const reliable = isReliable(flow);
    const nowMs = scheduler.nowMs();
    const options = reliable ? this.#reliable : this.#unreliable;
    const machine =
      request.method === "INVITE"
        ? new InviteClientTransaction(nowMs, options)
        : new NonInviteClientTransaction(nowMs, options, user.withinMs);
    const transaction = new ClientTransaction(request, flow, machine, user, this.#surroundings, heardOf);
    this.#byKey.set(transaction.key, transaction);
    if (reliable) this.#byFlow.add(flow, transaction);
    transaction.start();
  }
}

interface Surroundings extends Components {
  readonly cancel: (request: SipRequest, flow: Flow) => void;
  /** Told when a transaction goes on over another connection. */
  readonly moved: (transaction: ClientTransaction, from: Flow) => void;
  readonly ended: (transaction: ClientTransaction) => void;
  /** Told of the key when the response may come again and the request was no INVITE. */
  readonly absorb: (key: string) => void;
}

interface User extends RequestOptions, InviteProgress {
  readonly resolve: (response: SipResponse) => void;
}

/** A request that waits for its turn to be sent. */
class WaitingRequest implements Task {
  dueMs = 0;
  place = -1;
  readonly #request: SipRequest;
  readonly #user: User;
  readonly #surroundings: { readonly ended: (waiting: WaitingRequest) => void; readonly gaveUp: () => void };
  readonly #onAbort = (): void => this.giveUp(487);

  constructor(
    request: SipRequest,
    user: User,
    surroundings: { readonly ended: (waiting: WaitingRequest) => void; readonly gaveUp: () => void },
  ) {
    this.#request = request;
    this.#user = user;
    this.#surroundings = surroundings;
    user.signal?.addEventListener("abort", this.#onAbort);
  }

  /** As long as the request itself would be tried. */
  due(): void {
    this.giveUp(408);
  }

  giveUp(status: 408 | 487 | 503): void {
    this.end();
    this.#surroundings.gaveUp();
    this.#user.resolve(localResponse(this.#request, status));
  }

  /** It is sent, or will not be. */
  end(): void {
    this.#user.signal?.removeEventListener("abort", this.#onAbort);
    this.#surroundings.ended(this);
  }
}

/** What a transaction needs to send its request again, and to tell whoever waits. */
interface OpenRequest {
  readonly request: SipRequest;
  readonly bytes: Uint8Array;
  readonly user: User;
  readonly onAbort: () => void;
}

class ClientTransaction implements Task {
  dueMs = 0;
  place = -1;
  readonly key: string;
  #flow: Flow;
  readonly #machine: InviteClientTransaction | NonInviteClientTransaction;
  readonly #surroundings: Surroundings;
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
    request: SipRequest,
    flow: Flow,
    machine: InviteClientTransaction | NonInviteClientTransaction,
    user: User,
    surroundings: Surroundings,
    heardOf: (() => void) | undefined,
  ) {
    this.#heardOf = heardOf;
    this.key = clientKey(request);
    this.#flow = flow;
    this.#open = { request, user, bytes: serializeMessage(request), onAbort: () => this.#abort() };
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
  #hasGivenUp({ signal }: User): boolean {
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

  #deliver({ signal, resolve, onProvisional, onSuccess }: User, response: SipResponse): void {
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

function clientKey(message: SipRequest | SipResponse): string {
  const method = message.kind === "request" ? message.method : parseCSeq(message.headers.get("cseq") ?? "").method;
  return `${branchOf(message.headers.get("via") ?? "") ?? ""} ${method}`;
}

/** The server of the mesh at the other end; `undefined` where there is none. */
function serverOf(flow: Flow): ServerId | undefined {
  return flow.transport === "MESH" ? flow.server : undefined;
}

/** The response that stands for a peer's that never came, as of a request whose Via was still to be added. */
function localResponse(
  request: SipRequest,
  status: number,
  headers: readonly [string, string][] = [],
  mark = "1",
): SipResponse {
  const response = createResponse(request, status, { headers: [[AORTA_LOCAL, mark], ...headers] });
  response.headers.shift("via");
  return response;
}
