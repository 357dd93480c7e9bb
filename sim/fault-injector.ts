import type { Cluster } from "./cluster.ts";
import type { RunMix } from "./faults.ts";
import { PERFECT_NETWORK } from "./network.ts";
import type { NodeWorld, SimulatedNode } from "./simulated-node.ts";

/** One direction of a link. */
type Direction = readonly [from: number, to: number];

/** Does to a cluster what a mix says, until {@link FaultInjector.heal}. */
export class FaultInjector {
  readonly counts: Record<string, number> = {};
  readonly #world: NodeWorld;
  readonly #cluster: Cluster;
  readonly #size: number;
  readonly #mix: RunMix;
  readonly #onFault: (nowMs: number, what: string) => void;
  readonly #partitions = new Set<readonly Direction[]>();

  constructor(
    world: NodeWorld,
    cluster: Cluster,
    init: { readonly size: number; readonly mix: RunMix; readonly onFault: (nowMs: number, what: string) => void },
  ) {
    this.#world = world;
    this.#cluster = cluster;
    this.#size = init.size;
    this.#mix = init.mix;
    this.#onFault = init.onFault;
  }

  /** @param repeat does something again and again with a mean time between, as long as faults are on */
  start(repeat: (meanMs: number, act: (nowMs: number) => void) => void): void {
    const mix = this.#mix;
    this.#world.network.faults = mix.network;
    repeat(mix.crashEveryMs, (nowMs) => this.#crash(nowMs));
    repeat(mix.pauseEveryMs, (nowMs) => this.#pause(nowMs));
    repeat(mix.partitionEveryMs, (nowMs) => this.#partition(nowMs));
    repeat(mix.rosterEveryMs, (nowMs) => this.#changeMembers(nowMs));
    repeat(mix.clockEveryMs, (nowMs) => this.#disturbClock(nowMs));
  }

  /** Everything works again, except what wrong clocks have already done. */
  heal(nowMs: number): void {
    this.#world.network.faults = PERFECT_NETWORK;
    for (const partition of this.#partitions) this.#mend(nowMs, partition);
    this.#cluster.heal(nowMs);
  }

  #count(nowMs: number, kind: string, what: string): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    this.#onFault(nowMs, `${kind} ${what}`);
  }

  #crash(nowMs: number): void {
    const { random, agenda } = this.#world;
    const node = this.#cluster.pick();
    if (!node.isUp) return;
    const downMs = random.between(1, random.chance(0.3) ? 100 : this.#mix.downMs);
    this.#count(nowMs, "crash", `of ${node.number} for ${downMs.toFixed(0)} ms`);
    this.#cluster.crash(nowMs, node);
    agenda.add(nowMs + downMs, (atMs) => this.#cluster.start(atMs, node));
  }

  #pause(nowMs: number): void {
    const { random, agenda } = this.#world;
    const node = this.#cluster.pick();
    if (!node.isRunning) return;
    const pausedMs = random.between(1, 3 * this.#mix.leaseMs);
    this.#count(nowMs, "pause", `of ${node.number} for ${pausedMs.toFixed(0)} ms`);
    node.pause();
    const { life } = node;
    agenda.add(nowMs + pausedMs, (atMs) => {
      if (node.life === life) node.resume(atMs);
    });
  }

  #partition(nowMs: number): void {
    const { random, agenda, network } = this.#world;
    const kind = random.pick(["split", "isolate", "one-way", "patchy"] as const);
    const numbers = this.#cluster.nodes.map(({ number }) => number);
    const partition = kind === "patchy" ? this.#somePairs(numbers) : this.#sides(kind, numbers);
    for (const [from, to] of partition) network.cut(from, to);
    this.#partitions.add(partition);
    const cutMs = random.between(10, this.#mix.cutMs);
    const links = partition.map(([from, to]) => `${from}→${to}`).join(" ");
    this.#count(nowMs, kind, `cut for ${cutMs.toFixed(0)} ms: ${links}`);
    agenda.add(nowMs + cutMs, (atMs) => this.#mend(atMs, partition));
  }

  /** Two sides, or one server and the others; `one-way`: only what the one side sends is lost. */
  #sides(kind: "split" | "isolate" | "one-way", numbers: readonly number[]): Direction[] {
    const { random } = this.#world;
    const isolated = random.pick(numbers);
    const side = new Set(numbers.filter((number) => (kind === "isolate" ? number === isolated : random.chance(0.5))));
    return numbers.flatMap((from) =>
      numbers
        .filter((to) => side.has(from) !== side.has(to) && !(kind === "one-way" && side.has(to)))
        .map((to) => [from, to] as const),
    );
  }

  /** Links here and there: two servers that do not reach each other may both reach a third. */
  #somePairs(numbers: readonly number[]): Direction[] {
    const { random } = this.#world;
    const share = random.pick([0.2, 0.5]);
    return numbers.flatMap((a) =>
      numbers.flatMap((b): Direction[] =>
        a < b && random.chance(share)
          ? [
              [a, b],
              [b, a],
            ]
          : [],
      ),
    );
  }

  #mend(nowMs: number, partition: readonly Direction[]): void {
    if (!this.#partitions.delete(partition)) return;
    for (const [from, to] of partition) {
      const isWhole = this.#world.network.mend(from, to);
      const [a, b] = [this.#cluster.node(from), this.#cluster.node(to)];
      // Both directions of a split are mended here: one link comes up.
      const isSecond = from > to && partition.some(([other, own]) => other === to && own === from);
      if (isWhole && !isSecond && a !== undefined && b !== undefined) this.#cluster.link(nowMs, a, b);
    }
  }

  /** An operator takes a server out, or another one joins: in place of one that left, or of one whose disk was lost. */
  #changeMembers(nowMs: number): void {
    const { random } = this.#world;
    const cluster = this.#cluster;
    if (!cluster.founder.isRunning) return;
    const staying = cluster.members();
    if (staying.length < this.#size && random.chance(0.7)) {
      this.#count(nowMs, "join", "");
      cluster.join(nowMs);
    } else if (staying.length > 2) {
      const goes = random.pick(staying.filter((node) => node !== cluster.founder)) as SimulatedNode;
      const isWiped = this.#mayLose(goes) && random.chance(0.3);
      this.#count(nowMs, isWiped ? "wipe" : "leave", `of ${goes.number}`);
      cluster.leave(nowMs, goes.number);
      // Never to come back: the steward has to notice by itself that it is gone.
      if (isWiped) cluster.remove(nowMs, goes);
    }
  }

  /** One disk at a time, and never a majority of the voters: nothing can go on after that. */
  #mayLose({ number }: SimulatedNode): boolean {
    const { roster } = this.#cluster.founder;
    if (roster.leaving.length > 0 || roster.oldVoters.length > 0) return false;
    return roster.voters.length > 2 || !roster.voters.includes(number);
  }

  #disturbClock(nowMs: number): void {
    const { random } = this.#world;
    const node = this.#cluster.pick();
    const rate = random.pick([0, 0.01, 0.3, 1, 1, 3, 20]);
    const aheadMs = random.chance(0.3) ? random.between(0, 3 * this.#mix.leaseMs) : 0;
    this.#count(nowMs, "clock", `of ${node.number} at rate ${rate}, ${aheadMs.toFixed(0)} ms ahead`);
    node.disturbClock(nowMs, rate, aheadMs);
  }
}
