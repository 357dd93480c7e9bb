import { parseAor } from "../../dht-schema/aor.ts";
import { Swarm } from "./swarm.ts";

/** What one move of a user takes whom every server watches. */
export interface HotKey {
  readonly servers: number;
  /** Frames with notices, from all replicas. */
  readonly notices: number;
  /** Of the replica that sends most. */
  readonly fromOne: number;
  readonly bytes: number;
  /** Frames by which watchers ask the owner, because not enough replicas had told the same in time. */
  readonly confirmations: number;
  /** From the end of the claim until the last watcher knows, in network delays. */
  readonly delays: number;
}

/** Lets a user whom all servers watch move once. */
export function measureHotKey(servers: number): HotKey {
  const aor = parseAor("sip:star@example.com");
  const notices = new Map<number, number>();
  let bytes = 0;
  let confirmations = 0;
  let claimedMs = Infinity;
  let toldMs = 0;
  let mover = 0;
  const knows = new Set<number>();
  const swarm = new Swarm({
    servers,
    delayMs: 1,
    onEvent: (nowMs, server, event) => {
      if (event.kind === "claimed") claimedMs = nowMs;
      else if (event.kind === "watched" && event.state.kind === "owner" && event.state.epoch.member === mover) {
        knows.add(server);
        toldMs = nowMs;
      }
    },
    onSent: ({ from, types, bytes: sent }) => {
      if (types.includes("confirm") || types.includes("confirmed")) confirmations++;
      if (!types.includes("notice")) return;
      notices.set(from, (notices.get(from) ?? 0) + 1);
      bytes += sent;
    },
  });
  const claim = (server: number) => {
    mover = server;
    knows.clear();
    swarm.act(server, (core, nowMs) => core.claim(nowMs, server, aor, "take-over", nowMs + 12_000));
    swarm.run(500);
  };
  for (let server = 1; server <= servers; server++) swarm.act(server, (core, nowMs) => core.watch(nowMs, aor));
  swarm.run(500);
  claim(1);
  notices.clear();
  bytes = confirmations = 0;
  claim(2);
  if (knows.size !== servers) throw new Error(`${servers - knows.size} watchers were not told of the move`);
  const counts = [...notices.values()];
  return {
    servers,
    notices: counts.reduce((a, b) => a + b, 0),
    fromOne: Math.max(...counts),
    bytes,
    confirmations,
    delays: toldMs - claimedMs,
  };
}
