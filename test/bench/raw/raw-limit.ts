import { Child, totalCpu } from "../process/child.ts";
import type { Figures, Operation, Plan, System } from "../system.ts";
import { measure } from "../system.ts";
import type { ClientCommands } from "./client.ts";
import type { Framing } from "./record.ts";
import type { ReplicaCommands } from "./replica.ts";

const REPLICAS = 3;
const MAJORITY = 2;

/**
 * What no replicated directory in this runtime can go below: a record sent to three processes over plain TCP and kept in
 * memory, done when two have acknowledged it. No encryption, no test, no second round.
 */
export class RawLimit implements System {
  readonly name = "raw";
  readonly operations: readonly Operation[] = [
    { name: "round-trip", run: (plan) => this.#run(plan, "batched", 1, 1) },
    { name: "write", run: (plan) => this.#run(plan, "batched", REPLICAS, MAJORITY) },
    { name: "write-unbatched", run: (plan) => this.#run(plan, "single", REPLICAS, MAJORITY) },
  ];
  #replicas: Child<ReplicaCommands>[] = [];
  #client: Child<ClientCommands> | undefined;
  readonly #ports: Record<Framing, number[]> = { single: [], batched: [] };
  readonly #handles = new Map<string, number>();

  async start(): Promise<void> {
    const module = new URL("./replica.js", import.meta.url);
    for (let i = 1; i <= REPLICAS; i++) this.#replicas.push(new Child<ReplicaCommands>(`raw replica ${i}`, module));
    this.#client = new Child<ClientCommands>("raw client", new URL("./client.js", import.meta.url));
    for (const framing of ["single", "batched"] as const) {
      this.#ports[framing] = await Promise.all(this.#replicas.map((replica) => replica.call("listen", framing)));
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((child) => child.end()));
  }

  get #processes(): readonly Child<Record<never, never>>[] {
    return this.#client === undefined ? this.#replicas : [this.#client, ...this.#replicas];
  }

  async #run(plan: Plan, framing: Framing, replicas: number, acknowledgements: number): Promise<Figures> {
    const client = this.#client as Child<ClientCommands>;
    const name = `${framing} ${replicas}`;
    let handle = this.#handles.get(name);
    if (handle === undefined) {
      handle = await client.call("connect", { ports: this.#ports[framing].slice(0, replicas), framing });
      this.#handles.set(name, handle);
    }
    // A record takes less than a claim: more of them, for a phase of similar length.
    const longer = { ...plan, sequential: plan.sequential * 2, parallel: plan.parallel * 3 };
    return measure(longer, {
      run: (load) => client.call("write", { handle, acknowledgements, load }),
      cpuMicros: () => totalCpu(this.#processes),
    });
  }
}
