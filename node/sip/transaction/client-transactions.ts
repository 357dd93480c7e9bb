import type { ServerId } from "../../../dht-schema/roster.ts";
import type { Counters } from "../../runtime/metrics.ts";
import { limits } from "../../runtime/limits.ts";
import { isShareLeft } from "../../runtime/share.ts";
import { Tally } from "../../runtime/tally.ts";
import type { SipRequest, SipResponse } from "../message/message.ts";
import { serializeMessage } from "../message/serialize-message.ts";
import type { Flow, InviteProgress, RequestOptions } from "../stack.ts";
import { flowKey } from "../stack.ts";
import type { ClientSurroundings, OutgoingRequest, TransactionUser } from "./client-transaction.ts";
import { ClientTransaction, clientKey, localResponse } from "./client-transaction.ts";
import { InviteClientTransaction } from "./invite-client.ts";
import { Kept } from "./kept.ts";
import { NonInviteClientTransaction } from "./non-invite-client.ts";
import type { Scheduler, Task } from "../../runtime/scheduler.ts";
import { ByFlow } from "./by-flow.ts";
import type { Place, WindowRules } from "./send-windows.ts";
import { SendWindows } from "./send-windows.ts";
import type { TimerSettings, TransactionOptions } from "./timer-settings.ts";
import { lifetimeMs } from "./timer-settings.ts";

interface Components {
  readonly scheduler: Scheduler;
  readonly counters: Counters;
  readonly timers: TimerSettings;
  /** Unanswered requests at a time, those that wait for their turn included; to one destination as many as stay free. Beyond, they fail with a local 503. */
  readonly capacity: {
    readonly requests: number;
    readonly octets: number;
  };
  /** How many go to one address over an unreliable transport at once. */
  readonly window: WindowRules;
  readonly isReliable: (flow: Flow) => boolean;
  readonly transmit: (flow: Flow, bytes: Uint8Array, failed: (reason: string) => void) => void;
}

const NO_OCTETS = new Uint8Array(0);

/** All client transactions of a node: joins the machines to transports and timers. */
export class ClientTransactions {
  readonly #components: Components;
  readonly #surroundings: ClientSurroundings;
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
  readonly #unanswered = { requests: new Tally<string>(), octets: new Tally<string>() };

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
    if (options.signal?.aborted === true) {
      resolve(localResponse(request, 487));
      return promise;
    }
    const bytes = serializeMessage(request);
    if (!this.#isShareLeft(key, bytes.length)) {
      this.#components.counters.add("sip.client_overload");
      // It is for now that there is no room: nobody is to conclude that its destination is gone.
      resolve(localResponse(request, 503, [["Retry-After", String(limits.sip.retryAfterSeconds)]]));
    } else {
      const user = { ...options, resolve: this.#counted(key, bytes.length, resolve) };
      if (this.#components.isReliable(flow)) this.#start({ request, bytes }, flow, user);
      else this.#startInTurn({ request, bytes }, { flow, key }, user);
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

  #isShareLeft(key: string, octets: number): boolean {
    const { requests: sent, octets: taken } = this.#unanswered;
    const { capacity } = this.#components;
    return (
      isShareLeft(sent.of(key), sent.total, capacity.requests) &&
      isShareLeft(taken.of(key), taken.total, capacity.octets, octets)
    );
  }

  /** Counts a request to a destination until it is resolved. */
  #counted(key: string, octets: number, resolve: (response: SipResponse) => void): (response: SipResponse) => void {
    const count = (sign: 1 | -1): void => {
      this.#unanswered.requests.add(key, sign);
      this.#unanswered.octets.add(key, sign * octets);
    };
    count(1);
    let isCounted = true;
    return (response) => {
      if (isCounted) count(-1);
      isCounted = false;
      resolve(response);
    };
  }

  /** Where datagrams can be lost for their number, a request waits for its turn. Its timers begin when it is sent. */
  #startInTurn(
    outgoing: OutgoingRequest,
    { flow, key }: { readonly flow: Flow; readonly key: string },
    user: TransactionUser,
  ): void {
    const { scheduler, counters, timers } = this.#components;
    const turn: { place?: Place; waiting?: WaitingRequest; isSent?: true; hasLeft?: true } = {};
    const leave = (): void => {
      turn.hasLeft = true;
      turn.place?.leave();
    };
    turn.place = this.#windows.enter(key, () => {
      turn.isSent = true;
      turn.waiting?.end();
      this.#start(outgoing, flow, user, leave);
    });
    // Sending may have failed within the call already.
    if (turn.hasLeft) turn.place.leave();
    if (turn.isSent) return;
    counters.add("sip.requests_paced");
    const ended = (waiting: WaitingRequest): void => {
      this.#waiting.delete(waiting);
      scheduler.remove(waiting);
    };
    turn.waiting = new WaitingRequest(outgoing.request, user, { ended, gaveUp: leave });
    this.#waiting.add(turn.waiting);
    scheduler.schedule(turn.waiting, scheduler.nowMs() + Math.min(lifetimeMs(timers), user.withinMs ?? Infinity));
  }

  #start(outgoing: OutgoingRequest, flow: Flow, user: TransactionUser, heardOf?: () => void): void {
    const { scheduler, isReliable } = this.#components;
    const reliable = isReliable(flow);
    const nowMs = scheduler.nowMs();
    const options = reliable ? this.#reliable : this.#unreliable;
    const machine =
      outgoing.request.method === "INVITE"
        ? new InviteClientTransaction(nowMs, options)
        : new NonInviteClientTransaction(nowMs, options, user.withinMs);
    const transaction = new ClientTransaction(outgoing, flow, machine, user, this.#surroundings, heardOf);
    this.#byKey.set(transaction.key, transaction);
    if (reliable) this.#byFlow.add(flow, transaction);
    transaction.start();
  }
}

/** A request that waits for its turn to be sent. */
class WaitingRequest implements Task {
  dueMs = 0;
  place = -1;
  readonly #request: SipRequest;
  readonly #user: TransactionUser;
  readonly #surroundings: { readonly ended: (waiting: WaitingRequest) => void; readonly gaveUp: () => void };
  readonly #onAbort = (): void => this.giveUp(487);

  constructor(
    request: SipRequest,
    user: TransactionUser,
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

/** The server of the mesh at the other end; `undefined` where there is none. */
function serverOf(flow: Flow): ServerId | undefined {
  return flow.transport === "MESH" ? flow.server : undefined;
}
