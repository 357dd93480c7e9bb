import { Child, totalCpu } from "../process/child.ts";
import type { Figures, Operation, Plan, System } from "../system.ts";
import { measure } from "../system.ts";
import type { ClientCommands } from "./client.ts";
import type { Framing, Transport } from "./record.ts";
import type { ReplicaCommands } from "./replica.ts";

const MOST_REPLICAS = 5;

/** How records are sent, to how many replicas; done when a majority of them has acknowledged. */
interface Way {
  readonly transport: Transport;
  readonly framing: Framing;
  readonly replicas: number;
}

/**
 * What no replicated directory in this runtime can go below: a record sent to three processes (or five) over plain TCP and
 * kept in memory, done when a majority has acknowledged it. No encryption, no test, no second round. And the same over
 * libp2p: what is above that is ours.
 */
export class RawLimit implements System {
  readonly name = "raw";
  readonly operations: readonly Operation[] = [
    this.#operation("round-trip", { transport: "tcp", framing: "batched", replicas: 1 }),
    this.#operation("write", { transport: "tcp", framing: "batched", replicas: 3 }),
    this.#operation("write-5", { transport: "tcp", framing: "batched", replicas: 5 }),
    this.#operation("write-unbatched", { transport: "tcp", framing: "single", replicas: 3 }),
    this.#operation("libp2p-round-trip", { transport: "libp2p", framing: "batched", replicas: 1 }),
    this.#operation("libp2p-write", { transport: "libp2p", framing: "batched", replicas: 3 }),
    this.#operation("libp2p-write-5", { transport: "libp2p", framing: "batched", replicas: 5 }),
  ];
  #replicas: Child<ReplicaCommands>[] = [];
  #client: Child<ClientCommands> | undefined;
  readonly #handles = new Map<Way, number>();

  async start(): Promise<void> {
    const module = new URL("./replica.js", import.meta.url);
    for (let i = 1; i <= MOST_REPLICAS; i++)
      this.#replicas.push(new Child<ReplicaCommands>(`raw replica ${i}`, module));
    this.#client = new Child<ClientCommands>("raw client", new URL("./client.js", import.meta.url));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((child) => child.end()));
  }

  get #processes(): readonly Child<Record<never, never>>[] {
    return this.#client === undefined ? this.#replicas : [this.#client, ...this.#replicas];
  }

  #operation(name: string, way: Way): Operation {
    return { name, run: (plan) => this.#run(plan, way) };
  }

  async #run(plan: Plan, way: Way): Promise<Figures> {
    const client = this.#client as Child<ClientCommands>;
    const handle = this.#handles.get(way) ?? (await this.#connect(client, way));
    this.#handles.set(way, handle);
    const acknowledgements = (way.replicas + 1) / 2;
    // A record takes less than a claim: more of them, for a phase of similar length.
    const longer = { ...plan, sequential: plan.sequential * 2, parallel: plan.parallel * 3 };
    return measure(longer, {
      run: (load) => client.call("write", { handle, acknowledgements, load }),
      cpuMicros: () => totalCpu(this.#processes),
    });
  }

  async #connect(client: Child<ClientCommands>, { transport, framing, replicas }: Way): Promise<number> {
    const asked = this.#replicas.slice(0, replicas);
    const addresses = await Promise.all(asked.map((replica) => replica.call("listen", { transport, framing })));
    return client.call("connect", { transport, addresses, framing });
  }
}
