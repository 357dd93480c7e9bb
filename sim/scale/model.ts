import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { parseAor } from "../../dht-schema/aor.ts";
import type { DirectoryMessage } from "../../dht-schema/directory-messages.ts";
import { encodeBatch } from "../../dht-schema/directory-messages.ts";
import { encodePing, frameHeaderBytes } from "../../dht-schema/link-frames.ts";
import { signRoster } from "../../dht-schema/roster.ts";
import { Liveness, pingPace } from "../../node/mesh/liveness.ts";
import { limits } from "../../node/runtime/limits.ts";
import type { Cost, Operation } from "./growth.ts";
import type { Memory } from "./memory.ts";
import { swarmRoster } from "./swarm.ts";

/** What the users of a domain do, in the busy hour. */
export interface Habits {
  readonly usersPerServer: number;
  /** Of one user and hour: registers at another server; is found free and claimed; is looked up by who does not watch her. */
  readonly movesPerHour: number;
  readonly claimsPerHour: number;
  readonly lookupsPerHour: number;
  /** People that a user watches; each is anyone in the domain. */
  readonly buddies: number;
  /** How often each watch is begun anew: a log-in. */
  readonly watchesPerHour: number;
}

/** A domain of people who work: they log in twice in the busy hour, walk to another site once, and write to ten whom they do not watch. */
export const HABITS: Habits = {
  usersPerServer: 10_000,
  movesPerHour: 1,
  claimsPerHour: 2,
  lookupsPerHour: 10,
  buddies: 20,
  watchesPerHour: 2,
};

/** Octets that a frame takes besides itself when it travels alone: Noise 18, yamux 12, TCP and IP 52. */
export const ENVELOPE_BYTES = 82;

/** A flow of frames that a server sends: renewals those of a voter, the others the mean. */
export interface Flow {
  readonly framesPerSecond: number;
  /** As it travels, envelopes included. */
  readonly bytesPerSecond: number;
}

/** The kinds of traffic between servers that the directory and its links cause. */
export const FLOWS = ["renewals", "pings", "claims and moves", "lookups", "watches", "notices"] as const;
export type FlowName = (typeof FLOWS)[number];

/** What one server of a domain sends, holds and is told. */
export interface Load {
  readonly servers: number;
  readonly voters: number;
  readonly users: number;
  readonly leaseMs: number;
  readonly flows: Readonly<Record<FlowName, Flow>>;
  /** Heap for the directory, octets: of a server that votes. */
  readonly heapBytes: number;
  readonly heldRegisters: number;
  readonly watchedUsers: number;
  readonly sessions: number;
  readonly links: number;
  readonly rosterBytes: number;
  /** A link that is idle is looked after by as many frames a second and server. */
  readonly pingsPerLink: number;
}

/** What was measured, from which the loads are computed. */
export interface Measured {
  readonly costs: Readonly<Record<Operation, Cost>>;
  /** Frames with notices that one move causes for each server that watches. */
  readonly noticesPerWatcher: number;
  readonly memory: Memory;
}

/** Loads of one server, by closed form over what was measured. */
export async function loadOf(
  servers: number,
  measured: Measured,
  options: { readonly voters?: number; readonly leaseMs?: number; readonly habits?: Habits } = {},
): Promise<Load> {
  const { costs, memory, noticesPerWatcher } = measured;
  const { voters = servers, leaseMs = 10_000, habits = HABITS } = options;
  const users = servers * habits.usersPerServer;
  const perSecond = (perHour: number) => (perHour * habits.usersPerServer) / 3_600;
  const flow = (framesPerSecond: number, bytesEach: number): Flow => ({
    framesPerSecond,
    bytesPerSecond: framesPerSecond * (bytesEach + ENVELOPE_BYTES),
  });
  const operations = (operation: Operation, aSecond: number): Flow => {
    const { frames, bytes } = costs[operation];
    return flow(aSecond * frames, bytes / frames);
  };
  // Every server has users on every voter: it renews at all of them, and a voter answers all servers.
  const renewalsPerSecond = 4_000 / leaseMs;
  const asked = (voters - (voters === servers ? 1 : 0)) * renewalsPerSecond;
  const answered = (servers - 1) * renewalsPerSecond;
  // Who watches a user: the servers of those who have her as a buddy.
  const watchers = servers * (1 - (1 - 1 / servers) ** habits.buddies);
  const watchedUsers = Math.min(users, habits.usersPerServer * watchers);
  const pingsPerLink = pingFrames(servers) / 2;
  const registers = (5 * users) / voters;
  return {
    servers,
    voters,
    users,
    leaseMs,
    flows: {
      renewals: flow(asked + answered, (renewBytes.renew + renewBytes.renewed) / 2),
      pings: flow(pingsPerLink * (servers - 1), pingBytes),
      "claims and moves": sum(
        operations("claim of a free user", perSecond(habits.claimsPerHour)),
        operations("move from a live owner", perSecond(habits.movesPerHour)),
      ),
      lookups: operations("lookup", perSecond(habits.lookupsPerHour)),
      watches: operations("watch", perSecond(habits.watchesPerHour) * Math.min(habits.buddies, watchers)),
      notices: flow(
        perSecond(habits.movesPerHour + 2 * habits.claimsPerHour) * watchers * noticesPerWatcher,
        renewBytes.notice,
      ),
    },
    heapBytes:
      registers * memory.register +
      habits.usersPerServer * memory.ownership +
      watchedUsers * memory.watch +
      ((5 * watchedUsers * servers) / voters) * memory.watchAtReplica +
      servers * memory.session +
      1.1 * voters * memory.group,
    heldRegisters: registers,
    watchedUsers,
    sessions: voters,
    links: servers - 1,
    rosterBytes: await rosterBytes(servers),
    pingsPerLink,
  };
}

function sum(a: Flow, b: Flow): Flow {
  return {
    framesPerSecond: a.framesPerSecond + b.framesPerSecond,
    bytesPerSecond: a.bytesPerSecond + b.bytesPerSecond,
  };
}

/** All flows of a server together. */
export function totalOf({ flows }: Load): Flow {
  return FLOWS.map((name) => flows[name]).reduce(sum);
}

/** Octets of a frame with one message, as the real codec writes it: numbers as they are after some days. */
export function frameBytes(message: DirectoryMessage): number {
  const { length } = encodeBatch({ rosterVersion: 3, messages: [message] });
  return length + frameHeaderBytes(length);
}

const aor = parseAor("sip:firstname.lastname@example.com");
const ballot = { version: 3, counter: 5_000_000, member: 700 };
const session = 40 * 2 ** 30 + 1_000;
const renewBytes = {
  renew: frameBytes({ type: "renew", op: 5_000_000, boot: 40 }),
  renewed: frameBytes({ type: "renewed", op: 5_000_000, session, incarnation: 40, notices: 100_000 }),
  notice: frameBytes({
    type: "notice",
    aor,
    session,
    sequence: 100_000,
    accepted: { ballot, boot: 40, validForMs: 9_000 },
  }),
};
const pingBody = encodePing({ token: 1_000_000, rosterVersion: 3, rosterRevision: 900, rosterDigest: 2 ** 40 }).length;
const pingBytes = pingBody + frameHeaderBytes(pingBody);

/** Octets of a signed roster of that many servers. */
async function rosterBytes(servers: number): Promise<number> {
  const key = await generateKeyPairFromSeed("Ed25519", new Uint8Array(32));
  // The format ends at 4,096 servers; what more would take follows from what those take.
  const size = Math.min(servers, 4_000);
  return ((await signRoster(swarmRoster(size), key)).length / size) * servers;
}

/** PINGs and PONGs a second on an idle link, both ways together: two real ends, ticked as the mesh does. */
function pingFrames(servers: number): number {
  const seconds = 600;
  const pace = pingPace(servers - 1);
  const ends = [new Liveness(0), new Liveness(50)] as const;
  let frames = 0;
  for (let nowMs = 0; nowMs < seconds * 1_000; nowMs += limits.mesh.tickMs / 2) {
    const [end, other] = (nowMs / (limits.mesh.tickMs / 2)) % 2 === 0 ? ends : [ends[1], ends[0]];
    if (end.tick(nowMs, pace) !== "ping") continue;
    // The PONG is back before anything else happens.
    const token = end.pinged(nowMs);
    other.heard(nowMs);
    end.heard(nowMs);
    end.ponged(token, nowMs);
    frames += 2;
  }
  return frames / seconds;
}
