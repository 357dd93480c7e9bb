import { parseAor } from "../../dht-schema/aor.ts";
import { defaultTuning } from "../../node/directory/directory.ts";
import { Random } from "../random.ts";
import { Swarm } from "./swarm.ts";

/** The storm after a server died. */
export interface StormInit {
  readonly servers: number;
  /** Users of the server that dies. */
  readonly users: number;
  /** Servers that watch each of them. */
  readonly watchers: number;
  /** Within so long after the death their clients register elsewhere, each at a random instant, ms. */
  readonly returnMs: number;
}

/** What happened in one slice of time after the death, at all servers together. */
export interface Slice {
  readonly fromMs: number;
  /** Frames and messages of the directory, without renewals. */
  readonly frames: number;
  readonly messages: number;
  /** Users that clients brought back, claims that ended, watchers told of "nobody" and of a new owner: then they subscribe. */
  readonly returned: number;
  readonly claimed: number;
  readonly toldNobody: number;
  readonly toldOwner: number;
}

/** A storm as it was seen. */
export interface Storm extends StormInit {
  readonly sliceMs: number;
  readonly slices: readonly Slice[];
  /** Messages sent by the busiest server in its busiest slice. */
  readonly busiestMessages: number;
  /** From death until every watcher knew that its user was nowhere, or where; and until all users were served again. */
  readonly allToldMs: number;
  readonly allServedMs: number;
  /** Claims that ended without the user. */
  readonly failed: number;
  /** Processor time of the cores and the codec, all servers together, s. */
  readonly cpuSeconds: number;
}

const SLICE_MS = 250;
/** Claims are as fast as they come: what is measured begins with the death. */
const SETTLE_MS = 5_000;

/** Kills a server with many users and watches what the production cores do about it. */
export function measureStorm(init: StormInit): Storm {
  const { servers, users, watchers, returnMs } = init;
  const random = new Random(7);
  const aors = Array.from({ length: users }, (_, index) => parseAor(`sip:user${index}@example.com`));
  const slices: { -readonly [K in keyof Slice]: Slice[K] }[] = [];
  const sentBy = new Map<number, number>();
  let busiestMessages = 0;
  let diedMs = Infinity;
  let allToldMs = 0;
  let allServedMs = 0;
  let failed = 0;
  const at = (nowMs: number) => {
    const index = Math.floor((nowMs - diedMs) / SLICE_MS);
    while (slices.length <= index) {
      const fromMs = slices.length * SLICE_MS;
      slices.push({ fromMs, frames: 0, messages: 0, returned: 0, claimed: 0, toldNobody: 0, toldOwner: 0 });
      sentBy.clear();
    }
    return slices[index] as (typeof slices)[number];
  };
  const swarm = new Swarm({
    servers,
    delayMs: 1,
    tuning: { ...defaultTuning, ceilingStep: 2 ** 30 },
    onEvent: (nowMs, _server, event) => {
      if (nowMs < diedMs) return;
      if (event.kind === "watched" && event.state.kind !== "missed") {
        if (event.state.kind === "owner") at(nowMs).toldOwner++;
        else {
          at(nowMs).toldNobody++;
          allToldMs = nowMs - diedMs;
        }
      } else if (event.kind === "claimed" && event.result.kind === "owned") {
        at(nowMs).claimed++;
        allServedMs = nowMs - diedMs;
      } else if (event.kind === "claimed") failed++;
    },
    onSent: ({ atMs, from, types }) => {
      if (atMs < diedMs) return;
      const messages = types.filter((type) => type !== "renew" && type !== "renewed").length;
      if (messages === 0) return;
      const slice = at(atMs);
      slice.frames++;
      slice.messages += messages;
      sentBy.set(from, (sentBy.get(from) ?? 0) + messages);
      busiestMessages = Math.max(busiestMessages, sentBy.get(from) as number);
    },
  });
  const alive = () => 1 + Math.floor(random.next() * (servers - 1));
  for (const [index, aor] of aors.entries()) {
    swarm.act(servers, (core, nowMs) => core.claim(nowMs, index + 1, aor, "take-over", nowMs + 12_000));
    // A hundred at a time: the swarm's own claims are not the storm.
    if (index % 100 === 99) swarm.run(2);
  }
  swarm.run(SETTLE_MS);
  for (const [index, aor] of aors.entries()) {
    for (let watcher = 0; watcher < watchers; watcher++) swarm.act(alive(), (core, nowMs) => core.watch(nowMs, aor));
    if (index % 100 === 99) swarm.run(2);
  }
  swarm.run(SETTLE_MS);
  swarm.kill(servers);
  diedMs = swarm.nowMs;
  const started = process.cpuUsage();
  for (const [index, aor] of aors.entries()) {
    swarm.at(diedMs + random.between(0, returnMs), (nowMs) => {
      at(nowMs).returned++;
      swarm.act(alive(), (core) => core.claim(nowMs, index + 1, aor, "take-over", nowMs + 12_000));
    });
  }
  swarm.run(Math.max(returnMs, 10_000) + 15_000);
  const { user, system } = process.cpuUsage(started);
  return {
    ...init,
    sliceMs: SLICE_MS,
    slices,
    busiestMessages,
    allToldMs,
    allServedMs,
    failed,
    cpuSeconds: (user + system) / 1e6,
  };
}
