import type { Load, Timing } from "../load.ts";
import { runLoad } from "../load.ts";
import { longestGapMs } from "../outage.ts";
import { sharedClockMs } from "../process/commands.ts";
import { serveCommands } from "../process/serve-commands.ts";
import type { PeerName } from "./clusters.ts";
import { peerKinds } from "./clusters.ts";
import type { Ports, Store, Token } from "./store.ts";

/** Keys by number; a run takes fresh ones. */
interface Keys {
  readonly first: number;
  readonly count: number;
}

let peer: { readonly name: PeerName; readonly ports: Ports } | undefined;
let store: Store;
/** What was written to each key, to name it when it is replaced. */
const tokens = new Map<number, Token>();
let moves: Promise<readonly number[]> = Promise.resolve([]);

const keyOf = (number: number): string => `user${number}`;

async function claim(number: number, value: string): Promise<void> {
  const token = await store.create(keyOf(number), value);
  if (token === undefined) throw new Error(`${keyOf(number)} was not free`);
  tokens.set(number, token);
}

async function move(number: number): Promise<void> {
  const token = await store.replace(keyOf(number), tokens.get(number) ?? "", "edge");
  if (token === undefined) throw new Error(`${keyOf(number)} was not replaced`);
}

const commands = {
  async open(of: { readonly name: PeerName; readonly ports: Ports }): Promise<void> {
    peer = of;
    store = await peerKinds[of.name].open(of.ports);
  },
  /** Keys that have another owner, so that they can be moved. */
  async prepare({ first, count }: Keys): Promise<void> {
    await runLoad({ operations: count, inFlight: 64, atMostMs: 60_000 }, (index) => claim(first + index, "other"));
  },
  claim: ({ keys, load }: { keys: Keys; load: Load }): Promise<Timing> =>
    runLoad(load, (index) => claim(keys.first + index, "edge")),
  move: ({ keys, load }: { keys: Keys; load: Load }): Promise<Timing> =>
    runLoad(load, (index) => move(keys.first + index)),
  lookup: ({ keys, load }: { keys: Keys; load: Load }): Promise<Timing> =>
    runLoad(load, async (index) => {
      if ((await store.read(keyOf(keys.first + index))) !== "other") throw new Error("not the owner it has");
    }),
  /** Moves one user after the other, and tells when each was done on the clock that all processes share. */
  async moveTimed({ first, count }: Keys): Promise<readonly number[]> {
    const doneMs: number[] = [];
    for (let index = 0; index < count; index++) {
      await move(first + index);
      doneMs.push(sharedClockMs());
    }
    return doneMs;
  },
  /** Watches all users; what is told of these is kept for `notices`. */
  async watch({ first, count }: Keys): Promise<void> {
    const indices = new Map(Array.from({ length: count }, (_, index) => [keyOf(first + index), index]));
    const toldMs: number[] = [];
    let missing = count;
    let finish = (_told: readonly number[]): void => {};
    moves = new Promise((resolve) => (finish = resolve));
    await store.watch("user", (key, value) => {
      const index = indices.get(key);
      if (index === undefined || value !== "edge" || toldMs[index] !== undefined) return;
      toldMs[index] = sharedClockMs();
      if (--missing === 0) finish(toldMs);
    });
  },
  notices: () => moves,
  /** Claims keys by so many clients of their own at once; on how many keys more than one of them believes that it has it. */
  async race({ keys, claimants }: { keys: Keys; claimants: number }): Promise<number> {
    const { name, ports } = peer as NonNullable<typeof peer>;
    const stores = await Promise.all(Array.from({ length: claimants }, () => peerKinds[name].open(ports)));
    const believers = new Array<number>(keys.count).fill(0);
    await Promise.all(
      stores.flatMap((own, claimant) =>
        believers.map(async (_, index) => {
          const token = await own.create(keyOf(keys.first + index), `claimant${claimant}`);
          if (token !== undefined) believers[index] = (believers[index] as number) + 1;
        }),
      ),
    );
    return believers.filter((count) => count > 1).length;
  },
  /** Claims without pause; the longest time without a success. */
  outage: ({ keys, forMs }: { keys: Keys; forMs: number }): Promise<number> =>
    longestGapMs(forMs, (index) => claim(keys.first + index, "edge")),
};

/** What a client of a peer can be asked. */
export type PeerCommands = typeof commands;

serveCommands(commands);
