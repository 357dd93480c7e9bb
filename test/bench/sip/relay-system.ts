import { Child } from "../process/child.ts";
import type { RelayCommands } from "../raw/relay.ts";
import type { SipSystem } from "./systems.ts";

/**
 * What no SIP server in this runtime can go below: datagrams that are passed on to the one device there is, unread; and over a libp2p
 * stream from one process to another, as between Aorta's servers. Of a REGISTER five fields are copied into its answer.
 */
export class RelaySystem implements SipSystem {
  readonly name: string;
  readonly title: string;
  readonly hasPresence = false;
  readonly #servers: 1 | 2;
  #relays: Child<RelayCommands>[] = [];
  ports: readonly number[] = [];

  constructor(servers: 1 | 2) {
    this.name = `relay-${servers}`;
    this.title = servers === 1 ? "datagrams relayed" : "datagrams relayed × 2, libp2p";
    this.#servers = servers;
  }

  get pids(): number[] {
    return this.#relays.flatMap(({ pid }) => pid ?? []);
  }

  async start(): Promise<void> {
    const module = new URL("../raw/relay.js", import.meta.url);
    for (let i = 1; i <= this.#servers; i++) this.#relays.push(new Child<RelayCommands>(`relay ${i}`, module));
    const opened = await Promise.all(this.#relays.map((relay) => relay.call("open")));
    this.ports = opened.map(({ port }) => port);
    if (this.#servers === 2) await this.#relays[1]!.call("connect", opened[0]!.address);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#relays.splice(0).map((relay) => relay.end()));
  }
}
