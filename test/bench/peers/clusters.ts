import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Daemon, eventually, freePorts } from "./daemon.ts";
import { EtcdConnection, leads, openEtcd } from "./etcd-store.ts";
import { createBucket, NatsConnection, openNats } from "./nats-store.ts";
import { openRedis, RedisConnection } from "./redis-store.ts";
import type { Ports, Store } from "./store.ts";

/** Three processes of a store on this machine, the leader first. */
export interface Cluster {
  readonly ports: Ports;
  readonly daemons: readonly Daemon[];
}

/** A store that Aorta is compared with. */
export interface PeerKind {
  readonly program: string;
  /** What a reader has to know of how it is run. */
  readonly how: string;
  start(program: string, folder: string): Promise<Cluster>;
  open(ports: Ports): Promise<Store>;
}

const SIZE = 3;
const READY_MS = 20_000;

export type PeerName = "etcd" | "nats" | "redis";

export const peerKinds: Readonly<Record<PeerName, PeerKind>> = {
  etcd: {
    program: "etcd",
    how: "etcd, 3 members, log in memory (tmpfs), put-if-absent and compare-and-set transactions, linearizable reads",
    start: startEtcd,
    open: openEtcd,
  },
  nats: {
    program: "nats-server",
    how: "NATS JetStream key-value, 3 replicas in memory, reads from any replica",
    start: startNats,
    open: openNats,
  },
  redis: {
    program: "redis-server",
    how: "Redis, a primary and 2 replicas, SET NX and WAIT 1, nothing on disk, no failover; it does not agree, it copies",
    start: startRedis,
    open: openRedis,
  },
};

/** Starts processes, ends them again when they do not become ready. */
async function ready<T>(daemons: readonly Daemon[], what: string, ask: () => Promise<T | undefined>): Promise<T> {
  try {
    return await eventually(what, READY_MS, ask);
  } catch (error) {
    await Promise.all(daemons.map((daemon) => daemon.kill()));
    throw new Error(`${what}: ${daemons.map(({ output }) => output).join("\n")}`, { cause: error });
  }
}

function leaderFirst<T>(all: readonly T[], leader: number): T[] {
  return [all[leader] as T, ...all.filter((_, index) => index !== leader)];
}

async function startEtcd(program: string, folder: string): Promise<Cluster> {
  const all = await freePorts(2 * SIZE);
  const ports = all.slice(0, SIZE);
  const url = (port: number | undefined) => `http://127.0.0.1:${port}`;
  const members = ports.map((_, index) => `m${index}=${url(all[SIZE + index])}`).join();
  const daemons = ports.map(
    (port, index) =>
      new Daemon(program, [
        ...["--name", `m${index}`, "--data-dir", join(folder, `etcd-${index}`)],
        ...["--listen-client-urls", url(port), "--advertise-client-urls", url(port)],
        ...["--listen-peer-urls", url(all[SIZE + index]), "--initial-advertise-peer-urls", url(all[SIZE + index])],
        ...["--initial-cluster", members, "--initial-cluster-state", "new"],
        ...["--logger", "zap", "--log-level", "error"],
      ]),
  );
  const leader = await ready(daemons, "a leader of etcd", async () => {
    const answers = await Promise.all(ports.map((port) => leads(new EtcdConnection(port))));
    return answers.includes(undefined) || !answers.includes(true) ? undefined : answers.indexOf(true);
  });
  return { ports: leaderFirst(ports, leader), daemons: leaderFirst(daemons, leader) };
}

async function startNats(program: string, folder: string): Promise<Cluster> {
  const all = await freePorts(2 * SIZE);
  const ports = all.slice(0, SIZE);
  const routes = all.slice(SIZE).map((port) => `nats://127.0.0.1:${port}`);
  const daemons = await Promise.all(
    ports.map(async (port, index) => {
      const file = join(folder, `nats-${index}.conf`);
      const lines = [
        `listen: "127.0.0.1:${port}"`,
        `server_name: m${index}`,
        `jetstream { store_dir: "${join(folder, `nats-${index}`)}", max_memory_store: 1GB }`,
        `cluster { name: bench, listen: "127.0.0.1:${all[SIZE + index]}", routes: [${routes.join(", ")}] }`,
      ];
      await writeFile(file, `${lines.join("\n")}\n`);
      return new Daemon(program, ["-c", file]);
    }),
  );
  const name = await ready(daemons, "a stream of NATS", async () => {
    return createBucket(await NatsConnection.open(ports[0] as number));
  });
  const leader = Number(name.slice(1));
  return { ports: leaderFirst(ports, leader), daemons: leaderFirst(daemons, leader) };
}

async function startRedis(program: string, folder: string): Promise<Cluster> {
  const ports = await freePorts(SIZE);
  const daemons = await Promise.all(
    ports.map(async (port, index) => {
      const own = join(folder, `redis-${index}`);
      await mkdir(own);
      const copy = index === 0 ? [] : ["--replicaof", `127.0.0.1 ${ports[0]}`];
      const quick = ["--repl-diskless-sync-delay", "0", "--save", "", "--appendonly", "no"];
      return new Daemon(program, ["--port", String(port), "--bind", "127.0.0.1", "--dir", own, ...quick, ...copy]);
    }),
  );
  await ready(daemons, "two replicas of Redis", async () => {
    const connection = await RedisConnection.open(ports[0] as number);
    const info = String(await connection.send([["INFO", "replication"]])[0]);
    return info.match(/state=online/g)?.length === SIZE - 1 ? true : undefined;
  });
  return { ports, daemons };
}
