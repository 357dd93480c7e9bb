import type { Timers } from "../runtime/timers.ts";
import { isSameFlow } from "../federation/forward.ts";
import type { Flow, SipSessions } from "../sip/stack.ts";
import type { Ahead } from "./ahead.ts";
import type { AwayWaits } from "./away-waits.ts";
import type { MovedClients } from "./moved-clients.ts";
import type { OtherEnd } from "./other-end.ts";
import { connectionOf } from "./reached-again.ts";
import { untilThere } from "./until-there.ts";

export interface ClientAheadComponents {
  readonly stack: Pick<SipSessions, "hasClosed">;
  readonly timers: Timers;
  readonly waits: AwayWaits;
  readonly moved: Pick<MovedClients, "mayBeElsewhere" | "elsewhere" | "listen">;
}

/** The client of this server to which a request within a session goes. */
export class ClientAhead implements Ahead {
  readonly #components: ClientAheadComponents;
  readonly #end: OtherEnd;
  readonly #isNewer: (registered: Flow) => boolean;

  /** @param isNewer whether the client has registered by a flow since the way was recorded */
  constructor(end: OtherEnd, isNewer: (registered: Flow) => boolean, components: ClientAheadComponents) {
    this.#components = components;
    this.#end = end;
    this.#isNewer = isNewer;
  }

  /**
   * Where the request goes instead of `to`, the flow that was recorded: by what the client has registered since, or has registered at all where its connection has closed.
   * A client that is away, and cannot be called, is waited for: it may come to another server, too. It may be at one though its connection is not known to be dead.
   */
  flow(to: Flow): Flow | Promise<Flow> {
    if (to.transport === "MESH") return to;
    const isClosed = this.#components.stack.hasClosed(to);
    const flow = isClosed ? this.#end.hereNow(to) : this.#end.hereNow(to, this.#isNewer);
    if (flow !== undefined) return flow;
    if (isClosed && !to.calledAt) {
      const look = () => this.#end.hereNow(to) ?? this.#end.elsewhere();
      return this.#wait(to, look, (changed) => this.#end.listen(changed)).then((again) => again ?? to);
    }
    const { moved } = this.#components;
    return moved.mayBeElsewhere(this.#end) ? moved.elsewhere(this.#end, to).then((server) => server ?? to) : to;
  }

  listen(to: Flow, moved: (now: Flow) => void): () => void {
    const { stack, moved: clients } = this.#components;
    const wasOpen = !stack.hasClosed(to);
    const here = (): Flow | undefined => {
      const now = this.#end.hereNow(to, this.#isNewer);
      if (now === undefined || isSameFlow(now, to)) return undefined;
      const goesOn = wasOpen && stack.hasClosed(to) && now.transport === to.transport;
      return goesOn ? undefined : now;
    };
    return clients.listen(this.#end, to, here, moved);
  }

  again(closed: Flow): Promise<Flow | undefined> {
    const look = () => {
      const flow = this.#end.hereNow(closed);
      // Where it listens is tried once: after that only the client itself knows when it is there.
      const isNew = connectionOf(flow) !== undefined || connectionOf(closed) !== undefined;
      return isNew && flow?.transport === closed.transport ? flow : undefined;
    };
    return this.#wait(closed, look, (changed) => this.#end.listenHere(changed));
  }

  #wait(
    closed: Flow,
    look: () => Flow | undefined,
    listen: (changed: () => void) => () => void,
  ): Promise<Flow | undefined> {
    const { waits, timers } = this.#components;
    return waits.wait(closed, this.#end.source, () => untilThere(look, listen, timers));
  }
}
