import { AORTA_CONTACT } from "../federation/aorta-headers.ts";
import { fromDevice, isFlowLost, localFailure } from "../federation/forward.ts";
import { fromServer } from "../federation/route-to-owner.ts";
import type { Counters } from "../runtime/metrics.ts";
import type { Timers } from "../runtime/timers.ts";
import { createResponse } from "../sip/message/build.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import type { Flow, IncomingRequest, PeerReach, SipSessions, SipStack } from "../sip/stack.ts";
import { flowKey } from "../sip/stack.ts";
import type { Ahead } from "./ahead.ts";
import type { OtherEnd, Reached } from "./other-end.ts";
import { routedTo } from "./other-end.ts";
import { followed } from "./passing-on.ts";
import { TimerC } from "./timer-c.ts";

export interface PassageComponents {
  readonly stack: Pick<SipStack, "send"> & Pick<SipSessions, "invite" | "acknowledge">;
  readonly counters: Counters;
  readonly timers: Timers;
  /** A server of the mesh, to which there may be no link for a moment. */
  readonly toServer: (to: Extract<Flow, { transport: "MESH" }>, source: Flow) => Ahead;
  /** Waits for the other end, which a proxy does not reach any more: `undefined` where it is not reached by another way within a moment. */
  readonly untilAt: (end: OtherEnd, lost: Flow, isAnother: (way: Reached) => boolean) => Promise<Reached | undefined>;
}

/** After the one that was recorded: the path that the client has registered by, which may be of the same flow, and the one that it registers by next. */
const WAYS_TRIED = 2;

/**
 * A request within a session on its way through this server. It goes by the way that was recorded or to where its other end is; while nothing has been heard of it, it goes
 * to where the other end has moved as well, beside the way that it has taken; and what a proxy cannot bring to its client goes by the path that this one has registered by since.
 */
export class Passage {
  readonly #components: PassageComponents;
  readonly #incoming: IncomingRequest;
  readonly #request: SipRequest;
  readonly #end: OtherEnd | undefined;
  readonly #cancelled = new AbortController();
  /** Of an INVITE, from when it first goes on. */
  #timerC: TimerC | undefined;
  /** Its caller has not given up, but the other end is given up. */
  #isUnanswered = false;
  #waysLost = 0;

  /**
   * @param request that goes on
   * @param end whom it is for, where it is taken to them if the way that was recorded does not lead there
   */
  constructor(
    incoming: IncomingRequest,
    request: SipRequest,
    end: OtherEnd | undefined,
    components: PassageComponents,
  ) {
    this.#components = components;
    this.#incoming = incoming;
    this.#request = request;
    this.#end = end;
    this.#endByCancel();
  }

  /** While it waits nobody else has it. */
  #endByCancel(): void {
    this.#incoming.onCancel((reason) => {
      this.#cancelled.abort(reason);
      this.refuse(487);
    });
  }

  refuse(status: number): void {
    this.#answer(createResponse(this.#incoming.request, status));
  }

  #answer(response: SipResponse): void {
    if (response.status >= 200) this.#timerC?.end();
    this.#incoming.respond(response);
  }

  /** By the way that was recorded, if that leads to the other end. @param ahead who is next on it */
  goOn(recorded: Flow, ahead: Ahead | undefined): void {
    const go = (to: Flow): void => {
      if (this.#end === undefined || isSameWay(to, recorded)) this.#send(this.#request, to, ahead);
      else this.goTo(to, this.#end, ahead);
    };
    const to = ahead?.flow(recorded) ?? recorded;
    if (to instanceof Promise) void to.then(go);
    else go(to);
  }

  /** To a client of this server, that another server has found. */
  arrive(to: Reached): void {
    this.#send(routedTo(to, this.#request), to);
  }

  /** To where its other end is now, to which the way that was recorded does not lead: to another server as for one device of its user. */
  goTo(to: Reached, end: OtherEnd, ahead?: Ahead): void {
    this.#components.counters.add("session.resumed");
    const request = routedTo(to, this.#request);
    if (to.transport !== "MESH") return this.#send(request, to, ahead);
    const toDevice = end.user && { uri: end.user, headers: request.headers.set(AORTA_CONTACT, request.uri) };
    this.#send({ ...request, ...toDevice }, to, this.#components.toServer(to, this.#incoming.flow));
  }

  #send(request: SipRequest, to: Flow, ahead?: Ahead): void {
    const { stack } = this.#components;
    if (request.method === "ACK") return stack.acknowledge(request, to);
    const isToServer = to.transport === "MESH";
    // The server at the other end has looked at what its client said.
    const relay = (response: SipResponse) => this.#answer(isToServer ? fromServer(response) : fromDevice(response));
    let isPassedBy = false;
    const stopListening = ahead?.listen?.(to, (now) => {
      stopListening?.();
      if (this.#cancelled.signal.aborted || this.#end === undefined) return;
      isPassedBy = true;
      this.goTo(now, this.#end, ahead);
    });
    const reach: PeerReach | undefined = ahead && {
      reachedAgain: async (lost) => {
        const flow = isPassedBy ? undefined : await ahead.again(lost);
        return isPassedBy ? undefined : flow;
      },
    };
    const heard = (response: SipResponse): void => {
      stopListening?.();
      this.#timerC?.again();
      relay(response);
    };
    if (request.method === "INVITE") this.#timerC ??= new TimerC(this.#components.timers, () => this.#giveUp());
    const answer =
      request.method === "INVITE"
        ? stack.invite(request, to, { ...followed(this.#incoming, heard, this.#cancelled), ...reach })
        : stack.send(request, to, reach);
    void answer.then((response) => {
      stopListening?.();
      const failure = localFailure(response);
      const isLost = failure === undefined && !isToServer && isFlowLost(response);
      if (isPassedBy && (failure !== undefined || isLost)) return;
      if (this.#isUnanswered && response.status >= 300) return this.refuse(408);
      if (this.#cancelled.signal.aborted && failure !== undefined) return this.refuse(487);
      switch (failure) {
        case "timed-out":
          return this.refuse(408);
        case "not-sent":
        case "cut-off":
          // RFC 5626 §5.3: the connection of that client is gone. From a server of the mesh the link is.
          return this.refuse(isToServer ? 480 : 430);
        case undefined:
          if (!isLost || this.#end === undefined || this.#waysLost === WAYS_TRIED || this.#cancelled.signal.aborted)
            return relay(response);
          return void this.#goAgain(request, to, this.#end, ahead, () => relay(response));
      }
    });
  }

  #giveUp(): void {
    this.#isUnanswered = !this.#cancelled.signal.aborted;
    this.#cancelled.abort();
  }

  /** A proxy does not reach the client any more by the way that the request has gone: where has it registered since? */
  async #goAgain(
    sent: SipRequest,
    lost: Flow,
    end: OtherEnd,
    ahead: Ahead | undefined,
    otherwise: () => void,
  ): Promise<void> {
    const isAnother = ({ path }: Reached) => path !== undefined && String(path) !== String(sent.headers.all("Route"));
    this.#endByCancel();
    const found = await this.#components.untilAt(end, lost, isAnother);
    if (found === undefined || this.#cancelled.signal.aborted) return otherwise();
    this.#waysLost++;
    this.goTo(found, end, ahead);
  }
}

/** Whether two ways are by the same server, or both to a client of this one. */
function isSameWay(a: Flow, b: Flow): boolean {
  return a.transport === "MESH" || b.transport === "MESH" ? flowKey(a) === flowKey(b) : true;
}
