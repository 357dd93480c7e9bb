import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parseAor } from "../../dht-schema/aor.ts";
import type { DirectoryMessage } from "../../dht-schema/directory-messages.ts";
import { decodeBatch, encodeBatch } from "../../dht-schema/directory-messages.ts";
import { DirectoryCore } from "../../node/directory/core/directory-core.ts";
import { Quorums } from "../../node/directory/core/quorum.ts";
import { defaultTuning } from "../../node/directory/directory.ts";
import { Swarm, swarmRoster } from "./swarm.ts";

/** Heap that one item of a kind holds, octets, in the production core after a collection of garbage. */
export interface Memory {
  /** A register with an owner, at a replica; 5 of them for each user of the domain. */
  readonly register: number;
  /** A user owned, at the owner. */
  readonly ownership: number;
  /** A user watched, at the server that watches. */
  readonly watch: number;
  /** The same at a replica, where 20 servers watch each user; 5 of them for each user watched by a server. */
  readonly watchAtReplica: number;
  /** A session at a replica; as many as servers. */
  readonly session: number;
  /** A replica group in use; about as many as voters. */
  readonly group: number;
}

const ITEMS = 20_000;
const SERVERS = 1_000;
/** Servers that watch the same user: as the model has it in a large domain. */
const WATCHERS = 20;

function aorOf(item: number) {
  return parseAor(`sip:user${item}@example.com`);
}

/** Measures each kind in a core of its own. */
export function measureMemory(): Memory {
  const replica = () => newCore(5);
  const renew = (core: DirectoryCore, from: number) => receive(core, from, [{ type: "renew", op: 1, boot: 1 }]);
  const register = perItem(ITEMS, replica, (core) => {
    renew(core, 2);
    for (let item = 0; item < ITEMS; item++) {
      const ballot = { version: 1, counter: item + 1, member: 2 };
      receive(core, 2, [{ type: "accept", op: item + 1, aor: aorOf(item), ballot, boot: 1, incarnation: 1 }]);
    }
  });
  const watchAtReplica = perItem(
    ITEMS,
    () => newCore(WATCHERS + 1),
    (core) => {
      for (let server = 2; server <= WATCHERS + 1; server++) {
        renew(core, server);
        for (let item = 0; item < ITEMS / WATCHERS; item++) {
          receive(core, server, [{ type: "watch", aor: aorOf(item), order: 1 }]);
        }
      }
    },
  );
  const session = perItem(
    SERVERS,
    () => newCore(SERVERS),
    (core) => {
      for (let server = 2; server <= SERVERS; server++) renew(core, server);
    },
  );
  // A swarm of seven, in which the last two are no replicas: what they hold is the owner's and the watcher's alone.
  const act = (swarm: Swarm, what: (item: number) => void) => {
    for (let item = 0; item < ITEMS; item++) {
      what(item);
      if (item % 100 === 99) swarm.run(3);
    }
    swarm.run(1_000);
  };
  const claim = (swarm: Swarm) =>
    act(swarm, (item) =>
      swarm.act(6, (core, nowMs) => core.claim(nowMs, item, aorOf(item), "take-over", nowMs + 12_000)),
    );
  const client = (left: number, fill: (swarm: Swarm) => void) =>
    perItem(
      ITEMS,
      () => new Swarm({ servers: 7, voters: 5, tuning: { ceilingStep: 2 ** 30 } }),
      (swarm) => {
        claim(swarm);
        fill(swarm);
        for (let server = 1; server <= 7; server++) if (server !== left) swarm.kill(server);
        // Past the time at which they would have woken: until then they are held.
        swarm.run(1_000);
      },
    );
  const ownership = client(6, () => undefined);
  const watch = client(7, (swarm) =>
    act(swarm, (item) => swarm.act(7, (core, nowMs) => core.watch(nowMs, aorOf(item)))),
  );
  const group = perItem(
    SERVERS,
    () => new Quorums(swarmRoster(SERVERS)),
    (quorums) => {
      for (let item = 0; item < ITEMS; item++) quorums.of(aorOf(item));
    },
  );
  return { register, ownership, watch, watchAtReplica, session, group };
}

/** Octets of heap that `fill` adds, for each item. */
function perItem<T>(items: number, make: () => T, fill: (target: T) => void): number {
  // Once in small, so that what is compiled and cached is not counted.
  const target = make();
  const before = heapBytes();
  fill(target);
  const after = heapBytes();
  // Used once more, so that it is not collected before it was measured.
  if (target === undefined) throw new Error("nothing was made");
  return (after - before) / items;
}

function heapBytes(): number {
  for (let round = 0; round < 3; round++) collectGarbage();
  return process.memoryUsage().heapUsed;
}

let collector: (() => void) | undefined;

function collectGarbage(): void {
  if (collector === undefined) {
    setFlagsFromString("--expose-gc");
    collector = runInNewContext("gc") as () => void;
  }
  collector();
}

function newCore(servers: number): DirectoryCore {
  const roster = swarmRoster(servers);
  const tuning = { ...defaultTuning, ceilingStep: 2 ** 30 };
  const core = new DirectoryCore(0, {
    self: 1,
    boot: 1,
    roster,
    ceiling: 0,
    tuning,
    random: () => 0.5,
    steward: false,
  });
  core.takeOutput();
  core.ceilingStored(2 ** 30);
  return core;
}

/** As it comes from the wire, so that no string is shared with the sender. */
function receive(core: DirectoryCore, from: number, messages: readonly DirectoryMessage[]): void {
  core.receive(1, from, decodeBatch(encodeBatch({ rosterVersion: 1, messages })));
  core.takeOutput();
}
