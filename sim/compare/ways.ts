import { publicKeyFromRaw } from "@libp2p/crypto/keys";
import { peerIdFromPublicKey } from "@libp2p/peer-id";
import type { Aor } from "../../dht-schema/aor.ts";
import { kadIdOfAor } from "../../dht-schema/record-key.ts";
import { compareDistance } from "../../dht-schema/replica-group.ts";
import type { Roster } from "../../dht-schema/roster.ts";
import { kadMembers } from "../../dht-schema/roster.ts";
import type { Agenda } from "../../node/directory/core/agenda.ts";
import { defaultTuning } from "../../node/directory/directory.ts";
import { SimulatedClock } from "../clock.ts";
import type { Network } from "../network.ts";
import type { Random } from "../random.ts";
import type { DatabaseDisk, DatabaseMessage, DatabaseSettings } from "./database.ts";
import { Database, DATABASE, DatabaseClient } from "./database.ts";
import type { DhtMessage, DhtSettings } from "./dht-put.ts";
import { DhtPut } from "./dht-put.ts";
import type { ForkingMessage } from "./forking.ts";
import { Forking } from "./forking.ts";
import { OurServer, purposeOf, wayEvent } from "./ours.ts";
import type { ProcessClock, ProcessWorld } from "./process.ts";
import { Process, ProcessServer } from "./process.ts";
import type { Machine, Purpose, Surroundings, WayEvent, WayServer } from "./way.ts";

/** The ways that are compared, as a reader is told of them. */
export const WAYS = {
  "dht-put": "kad-dht `put`, read back",
  "dht-settle": "kad-dht `put`, 2 s to settle, read back",
  forking: "forking, no owner",
  database: "central database, CAS",
  aorta: "Aorta",
} as const;
export type WayName = keyof typeof WAYS;

/** What a run gives to a way. */
export interface Stage {
  readonly agenda: Agenda;
  readonly network: Network;
  readonly random: Random;
  readonly servers: readonly number[];
  /** A message arrived. */
  count(purpose: Purpose): void;
  event(nowMs: number, server: number, event: WayEvent): void;
}

/** What can be killed and stopped. */
export type Machinery = Pick<WayServer, "number" | "isUp" | "isPaused" | "crash" | "pause" | "resume">;

/** The servers of a run, and the database where there is one; not started. */
export interface Cast {
  readonly servers: readonly WayServer[];
  readonly database: (Machinery & { start(nowMs: number): void }) | undefined;
}

const LEASE_MS = 10_000;
/** Every clock may be wrong by as much: what the lease of the database and ours allow for. */
const DRIFT_PPM = 10_000;
/** How far servers that keep time by NTP are apart, at most. */
const SKEW_MS = 10;

/** Makes the servers of a way. */
export function castOf(way: WayName, stage: Stage): Cast {
  const clocks = new Map(
    [DATABASE, ...stage.servers].map((number) => {
      const rate = 1 + stage.random.between(-DRIFT_PPM, DRIFT_PPM) / 1e6;
      return [number, { startMs: stage.random.between(0, 1e6), rate }];
    }),
  );
  const clockOf = (number: number) => clocks.get(number) as ProcessClock;
  switch (way) {
    case "dht-put":
      return dht(stage, clockOf, 0);
    case "dht-settle":
      return dht(stage, clockOf, 2_000);
    case "forking":
      return forking(stage, clockOf);
    case "database":
      return database(stage, clockOf);
    case "aorta":
      return aorta(stage, clockOf);
  }
}

function dht(stage: Stage, clockOf: (number: number) => ProcessClock, settleMs: number): Cast {
  const members = kadMembers(rosterOf(stage.servers), stage.servers);
  const known = new Map<Aor, readonly number[]>();
  const byDistance = (aor: Aor) => {
    let sorted = known.get(aor);
    if (sorted === undefined) {
      const key = kadIdOfAor(aor);
      sorted = members.toSorted((a, b) => compareDistance(key, a.kadId, b.kadId)).map(({ number }) => number);
      known.set(aor, sorted);
    }
    return sorted;
  };
  const settings: DhtSettings = {
    k: 20,
    alpha: 10,
    timeoutMs: 1_000,
    settleMs,
    retryMs: defaultTuning.attemptMs,
    pollMs: 30_000,
    nearest: (self, aor) => byDistance(aor).filter((number) => number !== self),
  };
  return weaker<DhtMessage>(stage, clockOf, (nowMs, surroundings) => new DhtPut(nowMs, surroundings, settings));
}

function forking(stage: Stage, clockOf: (number: number) => ProcessClock): Cast {
  return weaker<ForkingMessage>(stage, clockOf, (nowMs, surroundings) => {
    const { startMs, rate } = clockOf(surroundings.self);
    const skewMs = (surroundings.self % 3) * SKEW_MS - SKEW_MS;
    const wallMs = (localMs: number) => (localMs - startMs) / rate + skewMs / 2;
    return new Forking(nowMs, surroundings, { requestMs: 2_000, wallMs });
  });
}

function database(stage: Stage, clockOf: (number: number) => ProcessClock): Cast {
  const settings: DatabaseSettings = {
    leaseMs: LEASE_MS,
    driftPpm: DRIFT_PPM,
    retryMs: defaultTuning.attemptMs,
    claimMs: LEASE_MS + 2_000,
    lookupMs: 2_000,
  };
  const disk: DatabaseDisk = { rows: new Map(), sessions: new Map(), lastSession: 0, starts: 0 };
  const world = worldOf<DatabaseMessage>(stage, (nowMs, from, to, message) => {
    if (to === DATABASE) machine.run(nowMs, (peer, localMs) => peer.receive(localMs, from, message));
    else byNumber.get(to)?.run(nowMs, (peer, localMs) => peer.receive(localMs, from, message));
  });
  const machine = new Process<DatabaseMessage, Database>(
    {
      number: DATABASE,
      clock: clockOf(DATABASE),
      make: (nowMs, surroundings) => new Database(nowMs, surroundings, settings, disk),
    },
    world,
  );
  const byNumber = processes<DatabaseMessage>(
    stage,
    clockOf,
    (nowMs, surroundings) => new DatabaseClient(nowMs, surroundings, settings),
    world,
  );
  return { servers: [...byNumber.values()], database: machine };
}

function aorta(stage: Stage, clockOf: (number: number) => ProcessClock): Cast {
  const roster = rosterOf(stage.servers);
  const { agenda, network, random } = stage;
  const servers = stage.servers.map((number) => {
    const { rate, startMs } = clockOf(number);
    const clock = new SimulatedClock(startMs, rate);
    const init = { number, roster, tuning: defaultTuning, steward: false, clock };
    return new OurServer(init, {
      agenda,
      network,
      random,
      sent: () => {},
      deliver: (nowMs, from, to, wire) => {
        stage.count(purposeOf(wire));
        servers[to - 1]?.receive(nowMs, from, wire);
      },
      stepped: () => {},
      event: (nowMs, node, event) => {
        const told = wayEvent(event);
        if (told !== undefined) stage.event(nowMs, node.number, told);
      },
    });
  });
  return { servers, database: undefined };
}

function weaker<M extends { readonly purpose: Purpose }>(
  stage: Stage,
  clockOf: (number: number) => ProcessClock,
  make: (nowMs: number, surroundings: Surroundings<M>) => Machine<M>,
): Cast {
  const world = worldOf<M>(stage, (nowMs, from, to, message) =>
    byNumber.get(to)?.run(nowMs, (machine, localMs) => machine.receive(localMs, from, message)),
  );
  const byNumber = processes(stage, clockOf, make, world);
  return { servers: [...byNumber.values()], database: undefined };
}

function worldOf<M extends { readonly purpose: Purpose }>(
  stage: Stage,
  deliver: (nowMs: number, from: number, to: number, message: M) => void,
): ProcessWorld<M> {
  return {
    ...stage,
    deliver: (nowMs, from, to, message) => {
      stage.count(message.purpose);
      deliver(nowMs, from, to, message);
    },
    event: (nowMs, server, event) => stage.event(nowMs, server, event),
  };
}

function processes<M extends { readonly purpose: Purpose }>(
  stage: Stage,
  clockOf: (number: number) => ProcessClock,
  make: (nowMs: number, surroundings: Surroundings<M>) => Machine<M>,
  world: ProcessWorld<M>,
): Map<number, ProcessServer<M>> {
  return new Map(
    stage.servers.map((number) => [number, new ProcessServer<M>({ number, clock: clockOf(number), make }, world)]),
  );
}

/** A stable roster in which all vote. */
function rosterOf(numbers: readonly number[]): Roster {
  const servers = numbers.map((number) => {
    const id = peerIdFromPublicKey(publicKeyFromRaw(new Uint8Array(32).fill(number))).toString();
    return { number, id, name: `s${number}`, addresses: [] };
  });
  return {
    domain: "example.com",
    version: 1,
    revision: 1,
    leaseMs: LEASE_MS,
    driftPpm: DRIFT_PPM,
    steward: 1,
    lastNumber: numbers.length,
    leaving: [],
    gone: [],
    servers,
    voters: [...numbers],
    oldVoters: [],
  };
}
