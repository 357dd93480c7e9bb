import type { Counters } from "../../runtime/metrics.ts";
import { createResponse, hasTag } from "../message/build.ts";
import type { SipRequest } from "../message/message.ts";
import type { Via } from "../message/via.ts";
import type { Flow, IncomingRequest } from "../stack.ts";
import type { ResponsePath } from "../transport/response-path.ts";
import { responsePath } from "../transport/response-path.ts";
import { ByFlow } from "./by-flow.ts";
import { InviteServerTransaction } from "./invite-server.ts";
import { isRoomLeft, Kept } from "./kept.ts";
import { NonInviteServerTransaction } from "./non-invite-server.ts";
import type { Scheduler } from "../../runtime/scheduler.ts";
import type { TimerSettings, TransactionOptions } from "./timer-settings.ts";
import { lifetimeMs } from "./timer-settings.ts";
import type { Work } from "./overload.ts";
import type { ServerSurroundings } from "./server-transaction.ts";
import { ServerTransaction } from "./server-transaction.ts";
import { serverTransactionKey } from "./transaction-key.ts";

interface Components {
  readonly scheduler: Scheduler;
  readonly counters: Counters;
  readonly timers: TimerSettings;
  /**
   * How many are served at a time, and kept in memory with those answered. Beyond, requests get 503, unless there is one that was
   * answered so long ago that its client must have the answer: that one is forgotten instead.
   */
  readonly capacity: {
    readonly pending: number;
    /** Of the pending ones, for requests within a dialog only. */
    readonly reserved: number;
    readonly kept: number;
    /** Octets of their answers, and of refusals of INVITEs that are not acknowledged yet, each. */
    readonly answers: number;
  };
  /** Whether one more request is to be refused. */
  readonly sheds: (work: Work) => boolean;
  readonly isReliable: (flow: Flow) => boolean;
  readonly transmit: (path: ResponsePath, bytes: Uint8Array, failed: (reason: string) => void) => void;
  /** Hands a new request to the node. */
  readonly deliver: (incoming: IncomingRequest) => void;
  /** Answers a request that gets no transaction. */
  readonly answerStateless: (request: SipRequest, path: ResponsePath, status: number) => void;
}

/** All server transactions of a node: joins the machines to transports, timers and whoever serves requests. */
export class ServerTransactions {
  readonly #components: Components;
  readonly #surroundings: ServerSurroundings;
  readonly #reliable: TransactionOptions;
  readonly #unreliable: TransactionOptions;
  readonly #byKey = new Map<string, ServerTransaction>();
  /** To requests other than INVITE that may come again. */
  readonly #answers: Kept;
  /** INVITEs over connections and links that have no final answer yet. */
  readonly #ringing = new ByFlow<ServerTransaction>();
  #pending = 0;
  /** Of refusals of INVITEs that are not acknowledged yet. */
  #unacknowledgedOctets = 0;

  constructor(components: Components) {
    this.#components = components;
    this.#answers = new Kept(components.scheduler, lifetimeMs(components.timers), components.capacity.answers);
    this.#reliable = { reliable: true, timers: components.timers };
    this.#unreliable = { reliable: false, timers: components.timers };
    this.#surroundings = {
      ...components,
      answered: (transaction) => {
        this.#pending--;
        if (transaction.isInvite) this.#ringing.delete(transaction.flow, transaction);
      },
      ended: (key, octets) => {
        this.#byKey.delete(key);
        this.#unacknowledgedOctets -= octets;
      },
      awaitAck: (octets) => {
        const isLeft = isRoomLeft(octets, this.#unacknowledgedOctets, components.capacity.answers);
        if (isLeft) this.#unacknowledgedOctets += octets;
        else components.counters.add("sip.forgotten_early");
        return isLeft;
      },
      keep: (key, path, answer) => {
        if (!this.#answers.keep(key, withAddress(path, answer))) components.counters.add("sip.forgotten_early");
      },
    };
  }

  /** Transactions in memory, answered ones included. */
  get size(): number {
    return this.#byKey.size + this.#answers.size;
  }

  /** Requests not yet answered. */
  get pending(): number {
    return this.#pending;
  }

  /** A valid request from the network. */
  receive(request: SipRequest, via: Via, flow: Flow): void {
    const { method } = request;
    const key = serverTransactionKey(request, via, method === "ACK" ? "INVITE" : method);
    const known = this.#byKey.get(key);
    if (method === "ACK") return this.#receiveAck(known, request, flow);
    if (known !== undefined) {
      this.#components.counters.add("sip.retransmissions_absorbed");
      return known.retransmitted();
    }
    const answer = this.#answers.get(key);
    if (answer !== undefined) return this.#answerAgain(answer, responsePath(flow, via));
    if (method === "CANCEL") return this.#receiveCancel(key, request, via, flow);
    this.#start(key, request, via, flow);
  }

  /**
   * A connection or link has closed. An INVITE over it whose sender cannot be reached otherwise is cancelled: nobody would hear the answer. Of another server it is waited
   * whether it comes again, by another link.
   */
  flowClosed(flow: Flow): void {
    for (const transaction of this.#ringing.of(flow)) {
      if (flow.transport === "MESH") transaction.awaitRepetition();
      else transaction.findWayBack();
    }
  }

  /** Forgets all, answered or not. */
  stop(): void {
    for (const transaction of this.#byKey.values()) transaction.end();
    this.#answers.clear();
  }

  /**
   * To where the request came from this time: it may be behind a NAT that has forgotten its port. Only at the address of before, though: an answer can be many
   * times as long as its request, and whoever has had one could aim it at a third party.
   * @see RFC 3261 §18.2.2, §26.3.2.4
   */
  #answerAgain(answer: Uint8Array, path: ResponsePath): void {
    const { counters, transmit } = this.#components;
    counters.add("sip.retransmissions_absorbed");
    const { address, response } = addressed(answer);
    if (address === addressOf(path)) transmit(path, response, () => counters.add("sip.responses_failed"));
  }

  #receiveAck(invite: ServerTransaction | undefined, request: SipRequest, flow: Flow): void {
    // An ACK to a 2xx has a branch of its own; one that matches is about a final response of ours.
    if (invite === undefined || invite.acknowledged())
      this.#components.deliver({ request, flow, respond() {}, onCancel() {} });
  }

  /**
   * Nobody can be asked for a password for a CANCEL, and the Via that it needs is known to all whom the INVITE has come to: so it has to come from where that did.
   * From elsewhere it makes no transaction: the one of whose INVITE it is would be taken for its retransmission.
   * @see RFC 3261 §9.2, §22.1
   */
  #receiveCancel(key: string, request: SipRequest, via: Via, flow: Flow): void {
    const invite = this.#byKey.get(serverTransactionKey(request, via, "INVITE"));
    if (invite !== undefined && addressOf(invite) !== addressOf({ flow })) {
      this.#components.counters.add("sip.cancels_refused");
      return this.#components.answerStateless(request, responsePath(flow, via), 481);
    }
    const cancel = this.#start(key, request, via, flow, invite !== undefined);
    if (invite === undefined || cancel === undefined) return;
    cancel.respond(createResponse(request, 200, { toTag: invite.toTag }));
    // RFC 3326 §2: one for each protocol, in one field or several.
    invite.cancelled(request.headers.all("reason").join(", ") || undefined);
  }

  #start(key: string, request: SipRequest, via: Via, flow: Flow, internal = false): ServerTransaction | undefined {
    const { counters, scheduler, isReliable, deliver, answerStateless, capacity, sheds } = this.#components;
    const path = responsePath(flow, via);
    const { method } = request;
    const isNew = !continues(request);
    const pending = isNew ? capacity.pending - capacity.reserved : capacity.pending;
    const work = isNew ? "new" : "going-on";
    // Of a client who says that something goes on that is not known; a server would not say so. Who hangs up or gives up does not do it again, and the other end would stay in the call.
    const endsCall = method === "CANCEL" || method === "BYE";
    const mayShed = isNew || (!endsCall && flow.transport !== "MESH");
    if (this.#pending >= pending || !this.#hasRoom() || (mayShed && sheds(work))) {
      counters.add("sip.overload");
      answerStateless(request, path, 503);
      return undefined;
    }
    const Machine = method === "INVITE" ? InviteServerTransaction : NonInviteServerTransaction;
    const machine = new Machine(scheduler.nowMs(), isReliable(flow) ? this.#reliable : this.#unreliable);
    const transaction = new ServerTransaction(key, request, path, machine, this.#surroundings);
    this.#byKey.set(key, transaction);
    this.#pending++;
    if (transaction.isInvite && isReliable(flow)) this.#ringing.add(flow, transaction);
    transaction.start();
    if (internal) return transaction;
    deliver({
      request,
      flow,
      respond: (response) => transaction.respond(response),
      onCancel: (listener) => transaction.onCancel(listener),
    });
    return transaction;
  }

  /**
   * Whether one more can be kept. A client that has no answer retransmits every T2 (timer E): who was silent for two of these after the
   * answer has got it.
   * @see RFC 3261 §17.1.2.2
   */
  #hasRoom(): boolean {
    const { capacity, counters, timers } = this.#components;
    if (this.size < capacity.kept) return true;
    const isForgotten = this.#answers.forgetAfter(2 * timers.t2Ms);
    if (isForgotten) counters.add("sip.forgotten_early");
    return isForgotten;
  }
}

function addressOf({ flow }: Pick<ResponsePath, "flow">): string {
  return flow.transport === "MESH" ? flow.server : flow.address;
}

const LINE_END = "\n";

/** An answer as it is kept: with the address that it has gone to. */
function withAddress(path: ResponsePath, response: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(addressOf(path) + LINE_END), response]);
}

function addressed(answer: Uint8Array): { readonly address: string; readonly response: Uint8Array } {
  const end = answer.indexOf(LINE_END.charCodeAt(0));
  return { address: Buffer.from(answer.subarray(0, end)).toString(), response: answer.subarray(end + 1) };
}

/** Whether a request belongs to what is there already: a dialog, a call that is to end, a publication. */
function continues({ method, headers }: SipRequest): boolean {
  return method === "CANCEL" || hasTag(headers.get("to") ?? "") || headers.has("sip-if-match");
}
