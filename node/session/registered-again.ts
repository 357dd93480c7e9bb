import type { Timers } from "../runtime/timers.ts";
import type { Flow, SipSessions } from "../sip/stack.ts";
import type { AwayWaits } from "./away-waits.ts";
import type { GoneElsewhere } from "./gone-elsewhere.ts";
import type { OtherEnd } from "./other-end.ts";
import { connectionOf } from "./reached-again.ts";
import { untilThere } from "./until-there.ts";

export interface RegisteredAgainComponents {
  readonly stack: Pick<SipSessions, "hasClosed">;
  readonly timers: Timers;
  readonly waits: AwayWaits;
  readonly gone: Pick<GoneElsewhere, "mayBe" | "server" | "listen">;
}

/** The client of this server to which a request within a session goes. */
export class RegisteredAgain {
  readonly #components: RegisteredAgainComponents;
  readonly #end: OtherEnd;
  readonly #towards: "caller" | "callee";

  constructor(end: OtherEnd, towards: "caller" | "callee", components: RegisteredAgainComponents) {
    this.#components = components;
    this.#end = end;
    this.#towards = towards;
  }

  /**
   * Where the request goes instead of `to`, the flow that was recorded. Who was called was called where they had registered, so what they have registered since is newer. Who
   * has called may have called from where they have not registered yet, so their registration counts only when their connection has closed.
   * A client that is away, and cannot be called, is waited for: it may come to another server, too. It may be at one though its connection is not known to be dead.
   */
  flow(to: Flow): Flow | Promise<Flow> {
    if (to.transport === "MESH") return to;
    const isClosed = this.#components.stack.hasClosed(to);
    const flow = this.#towards === "callee" || isClosed ? this.#end.here() : undefined;
    if (flow !== undefined) return flow;
    if (isClosed && !to.calledAt) {
      const look = () => this.#end.here() ?? this.#end.elsewhere();
      return this.#wait(to, look, (changed) => this.#end.listen(changed)).then((again) => again ?? to);
    }
    const { gone } = this.#components;
    return gone.mayBe(this.#end) ? gone.server(this.#end, to).then((server) => server ?? to) : to;
  }

  /** Tells where the client has gone while a request is on its way to it. Returns how to end that. */
  listen(to: Flow, gone: (elsewhere: Flow) => void): () => void {
    return this.#components.gone.listen(this.#end, to, gone);
  }

  /** Where a request goes on that was on its way over a connection when that closed. */
  again(closed: Flow): Promise<Flow | undefined> {
    const look = () => {
      const flow = this.#end.here();
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
    return waits.wait(closed, () => untilThere(look, listen, timers));
  }
}
