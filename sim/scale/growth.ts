import type { Aor } from "../../dht-schema/aor.ts";
import { parseAor } from "../../dht-schema/aor.ts";
import { defaultTuning } from "../../node/directory/directory.ts";
import type { Sent } from "./swarm.ts";
import { Swarm } from "./swarm.ts";

/** What one operation of the directory takes, on average over all servers that have a part in it. */
export interface Cost {
  /** Frames, in both directions. */
  readonly frames: number;
  readonly bytes: number;
  /** Of the core and the codec, at all servers together, µs. */
  readonly cpuMicros: number;
  /** From the call to its end, in network delays. */
  readonly delays: number;
}

/** The operations that are measured. */
export const OPERATIONS = ["claim of a free user", "move from a live owner", "lookup", "watch"] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Costs in a domain of some size. */
export interface Growth {
  readonly servers: number;
  readonly costs: Readonly<Record<Operation, Cost>>;
}

/** Operations whose processor time is taken together; of the chunks the median counts, as other programs run here too. */
const CHUNK = 100;
/** Between two operations, ms: so short that renewals in between, which belong to none, hardly count. */
const APART_MS = 0.01;
/** Servers that claim: the others are replicas only, or the renewals of the whole swarm would take hours. */
const CLAIMANTS = 3;
const DELAY_MS = 1;

/** Runs the production core at that many servers in virtual time and measures what each operation takes. */
export function measureGrowth(servers: number, users = 2_000): Growth {
  const operations = new Map<number, number>();
  let frames = 0;
  let bytes = 0;
  let open = 0;
  let delays = 0;
  const ended = (nowMs: number, id: number) => {
    delays += (nowMs - (operations.get(id) as number)) / DELAY_MS;
    open--;
  };
  const swarm = new Swarm({
    servers,
    delayMs: DELAY_MS,
    // So many operations a second that are of no interest to the ceiling.
    tuning: { ...defaultTuning, ceilingStep: 2 ** 30 },
    onEvent: (nowMs, _server, event) => {
      if (event.kind === "claimed" && event.result.kind === "owned") ended(nowMs, event.claim);
      else if (event.kind === "found" && event.result.kind === "owner") ended(nowMs, event.lookup);
      else if (event.kind === "watched") open--;
    },
    onSent: (sent) => {
      if (isUpkeep(sent)) return;
      frames++;
      bytes += sent.bytes;
    },
  });
  let lastId = 0;
  /** At different servers in turn; no two at the same instant, so that nothing shares a frame. */
  const measure = (act: (id: number, server: number, user: number) => void): Cost => {
    frames = bytes = delays = open = 0;
    const chunks: number[] = [];
    let started = process.cpuUsage();
    for (let user = 0; user < users; user++) {
      const id = ++lastId;
      operations.set(id, swarm.nowMs);
      open++;
      act(id, 1 + (user % Math.min(CLAIMANTS, servers)), user);
      swarm.run(APART_MS);
      if ((user + 1) % CHUNK !== 0) continue;
      const { user: own, system } = process.cpuUsage(started);
      chunks.push((own + system) / CHUNK);
      started = process.cpuUsage();
    }
    swarm.run(20 * DELAY_MS);
    const cpuMicros = chunks.sort((a, b) => a - b)[chunks.length >> 1] ?? Number.NaN;
    if (open !== 0) throw new Error(`${open} of ${users} operations did not end as they should`);
    return { frames: frames / users, bytes: bytes / users, cpuMicros, delays: delays / users };
  };
  const claimBy = (shift: number, prefix: string) => (id: number, server: number, user: number) =>
    swarm.act(1 + ((server - 1 + shift) % Math.min(CLAIMANTS, servers)), (core, nowMs) =>
      core.claim(nowMs, id, aorOf(prefix, user), "take-over", nowMs + 12_000),
    );
  // Once for the sessions and for the compiler.
  measure(claimBy(0, "warm"));
  const claim = measure(claimBy(0, "user"));
  const move = measure(claimBy(1, "user"));
  const lookup = measure((id, server, user) =>
    swarm.act(server, (core, nowMs) => core.lookup(nowMs, id, aorOf("user", user), "majority", nowMs + 2_000)),
  );
  const watch = measure((_id, server, user) =>
    swarm.act(server, (core, nowMs) => core.watch(nowMs, aorOf("user", user))),
  );
  return {
    servers,
    costs: { "claim of a free user": claim, "move from a live owner": move, lookup, watch },
  };
}

function isUpkeep({ types }: Sent): boolean {
  return types.every((type) => type === "renew" || type === "renewed");
}

function aorOf(prefix: string, user: number): Aor {
  return parseAor(`sip:${prefix}${user}@example.com`);
}
