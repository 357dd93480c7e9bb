import type { ServerId } from "../../dht-schema/roster.ts";
import type { Flow } from "../sip/stack.ts";
import type { AwayWaits } from "./away-waits.ts";

export interface ServerAheadComponents {
  /** Waits for a moment until there is a link to a server of the domain, and says whether there is. */
  readonly untilLinked: (server: ServerId) => Promise<boolean>;
  readonly waits: AwayWaits;
}

/**
 * The server of the mesh to which a request within a session goes. While there is no link to it, as when it is restarted, the request waits: who hangs up does not
 * do it again, and the other end would stay in the call.
 */
export class ServerAhead {
  readonly #to: Extract<Flow, { transport: "MESH" }>;
  readonly #components: ServerAheadComponents;
  #isRepeated = false;

  constructor(to: Extract<Flow, { transport: "MESH" }>, components: ServerAheadComponents) {
    this.#to = to;
    this.#components = components;
  }

  async flow(): Promise<Flow> {
    await this.#isLinked();
    return this.#to;
  }

  /** Where a request goes on, once, that was on its way when the link broke: to a server that has it, it is a retransmission. */
  async again(): Promise<Flow | undefined> {
    if (this.#isRepeated) return undefined;
    this.#isRepeated = true;
    return (await this.#isLinked()) ? this.#to : undefined;
  }

  async #isLinked(): Promise<boolean> {
    const { waits, untilLinked } = this.#components;
    return (await waits.wait(this.#to, () => untilLinked(this.#to.server))) === true;
  }
}
