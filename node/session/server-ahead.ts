import type { ServerId } from "../../dht-schema/roster.ts";
import type { Timers } from "../runtime/timers.ts";
import type { Flow } from "../sip/stack.ts";
import type { Ahead } from "./ahead.ts";
import type { AwayWaits } from "./away-waits.ts";
import type { OtherEnd } from "./other-end.ts";
import { untilThere } from "./until-there.ts";

export interface ServerAheadComponents {
  readonly isMember: (server: ServerId) => boolean;
  readonly isLinked: (server: ServerId) => boolean;
  /** Waits for a moment until there is a link to a server of the domain, and says whether there is. */
  readonly untilLinked: (server: ServerId) => Promise<boolean>;
  readonly timers: Timers;
  readonly waits: AwayWaits;
}

/** All that have left, or that only a Route names, wait as one. */
const NO_MEMBER: Flow = { transport: "MESH", server: "" as ServerId };

/**
 * The server of the mesh to which a request within a session goes. While there is no link to it, as when it is restarted, the request waits: who hangs up does not
 * do it again, and the other end would stay in the call. If the client at the other end comes to another server meanwhile, or is there already, it goes there.
 */
export class ServerAhead implements Ahead {
  readonly #to: Extract<Flow, { transport: "MESH" }>;
  readonly #source: Flow;
  readonly #end: OtherEnd | undefined;
  readonly #components: ServerAheadComponents;
  #isRepeated = false;

  /**
   * @param source where the request came from
   * @param end the client at the other end, where the way says who that is
   */
  constructor(
    to: Extract<Flow, { transport: "MESH" }>,
    source: Flow,
    end: OtherEnd | undefined,
    components: ServerAheadComponents,
  ) {
    this.#to = to;
    this.#source = source;
    this.#end = end;
    this.#components = components;
  }

  async flow(): Promise<Flow> {
    if (this.#components.isLinked(this.#to.server)) return this.#to;
    return (await this.#wait(this.#end)) ?? this.#to;
  }

  /** Once: to a server that has the request, it is a retransmission. */
  async again(): Promise<Flow | undefined> {
    if (this.#isRepeated) return undefined;
    this.#isRepeated = true;
    return this.#wait();
  }

  /** @param end to which the request may go by another server as well */
  #wait(end?: OtherEnd): Promise<Flow | undefined> {
    const { waits, timers, untilLinked, isMember } = this.#components;
    let isLinked = false;
    const listen = (changed: () => void): (() => void) => {
      void untilLinked(this.#to.server).then((isUp) => {
        isLinked = isUp;
        changed();
      });
      return end?.listen(changed) ?? (() => {});
    };
    const look = () => (isLinked ? this.#to : (end?.here() ?? end?.elsewhere(this.#to.server)));
    const whom = isMember(this.#to.server) ? this.#to : NO_MEMBER;
    return waits.wait(whom, this.#source, () => untilThere(look, listen, timers));
  }
}
