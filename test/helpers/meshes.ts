import type { ServerId } from "../../dht-schema/roster.ts";
import type { MeshOptions } from "../../node/mesh/create-mesh.ts";
import { createMesh } from "../../node/mesh/create-mesh.ts";
import type { MeshEvent } from "../../node/mesh/mesh.ts";
import type { MeshNode } from "../../node/mesh/mesh-node.ts";
import type { Counters } from "../../node/runtime/metrics.ts";
import { createCounters } from "../../node/runtime/metrics.ts";
import type { InviteStore, Settings } from "../../node/storage/ports.ts";
import { memoryInvites, memorySettings } from "./memory-storage.ts";

/** A mesh node with what it is made of, so that a test can restart it and read its counters. */
export interface TestServer {
  readonly mesh: MeshNode;
  readonly settings: Settings;
  readonly invites: InviteStore;
  readonly counters: Counters;
  readonly name: string;
}

/** Real mesh nodes on 127.0.0.1 with storage in memory; `stop` stops all that were made. */
export class TestDomain {
  readonly servers: TestServer[] = [];
  readonly #started: MeshNode[] = [];

  /** A domain of `size` servers, started, every link up. Server 1 holds the domain's key. */
  static async of(size: number, options: Partial<MeshOptions> = {}): Promise<TestDomain> {
    const domain = new TestDomain();
    for (let i = 0; i < size; i++) {
      const { mesh } = i === 0 ? await domain.found(options) : await domain.join(domain.server(0), options);
      await mesh.start();
    }
    await domain.allUp();
    return domain;
  }

  server(index: number): TestServer {
    const server = this.servers[index];
    if (server === undefined) throw new RangeError(`no server ${index}`);
    return server;
  }

  /** Founds the domain; not yet started. */
  found(options: Partial<MeshOptions> = {}): Promise<TestServer> {
    return this.create({ membership: { kind: "found", domain: "example.com" }, ...options });
  }

  /** Joins through `inviter`, with a copy of the domain's key or without; not yet started. */
  join(inviter: TestServer, options: Partial<MeshOptions> = {}, steward = false): Promise<TestServer> {
    const token = inviter.mesh.createInvite({ ttlMs: 60_000, steward });
    return this.create({ membership: { kind: "join", token }, ...options });
  }

  /** The same server once more: settings, invites and name are kept. Stop it first. */
  async restart(old: TestServer, options: Partial<MeshOptions> = {}): Promise<TestServer> {
    const server = await this.create({ settings: old.settings, invites: old.invites, name: old.name, ...options });
    this.servers.splice(this.servers.indexOf(server), 1);
    this.servers[this.servers.indexOf(old)] = server;
    return server;
  }

  async create(options: Partial<MeshOptions>): Promise<TestServer> {
    const settings = options.settings ?? memorySettings();
    const invites = options.invites ?? memoryInvites();
    const counters = options.counters ?? createCounters();
    const name = options.name ?? `server-${this.servers.length + 1}`;
    const mesh = await createMesh({ ...options, settings, invites, counters, name });
    this.#started.push(mesh);
    const server: TestServer = { mesh, settings, invites, counters, name };
    this.servers.push(server);
    return server;
  }

  /** Resolves when every pair has a link, seen from both ends. */
  async allUp(): Promise<void> {
    for (const { mesh } of this.servers) {
      for (const other of this.servers) if (other.mesh !== mesh) await up(mesh, other.mesh.self);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#started.map((mesh) => mesh.stop()));
  }
}

/** Resolves when `mesh` has a link to `server`. */
export async function up(mesh: MeshNode, server: ServerId): Promise<void> {
  await until(mesh, () => mesh.isUp(server), `link to ${server}`);
}

/** Resolves when `mesh` has no link to `server`. */
export async function down(mesh: MeshNode, server: ServerId): Promise<void> {
  await until(mesh, () => !mesh.isUp(server), `end of the link to ${server}`);
}

/** Resolves when an event of the mesh has made `condition` true; rejects after `deadlineMs`. */
export function until(mesh: MeshNode, condition: () => boolean, what: string, deadlineMs = 8000): Promise<void> {
  return new Promise((resolve, reject) => {
    if (condition()) return resolve();
    const timer = setTimeout(() => done(new Error(`no ${what} within ${deadlineMs} ms`)), deadlineMs);
    const off = mesh.on((_event: MeshEvent) => {
      if (condition()) done();
    });
    function done(error?: Error): void {
      clearTimeout(timer);
      off();
      if (error === undefined) resolve();
      else reject(error);
    }
  });
}
