import type { DirectoryTuning } from "../../node/directory/core/context.ts";
import { Directory } from "../../node/directory/directory.ts";
import type { MeshOptions } from "../../node/mesh/create-mesh.ts";
import type { Clock } from "../../node/runtime/clock.ts";
import { systemClock } from "../../node/runtime/clock.ts";
import { silentLogger } from "../../node/runtime/logger.ts";
import type { TestServer } from "./meshes.ts";
import { TestDomain, until } from "./meshes.ts";

/** A server with its directory. */
export interface DirectoryServer extends TestServer {
  readonly directory: Directory;
}

/** Directories on real mesh nodes on 127.0.0.1: real TCP, Noise, yamux. */
export class TestDirectories {
  readonly domain: TestDomain;
  readonly servers: DirectoryServer[] = [];
  readonly #tuning: Partial<DirectoryTuning>;
  readonly #clockOf: (index: number) => Clock;

  private constructor(domain: TestDomain, tuning: Partial<DirectoryTuning>, clockOf: (index: number) => Clock) {
    this.domain = domain;
    this.#tuning = tuning;
    this.#clockOf = clockOf;
  }

  /** A domain of `size` servers that all vote. */
  static async of(
    size: number,
    options: {
      readonly leaseMs?: number;
      readonly meshOf?: (index: number) => Partial<MeshOptions>;
      readonly clockOf?: (index: number) => Clock;
      /** Whether every server gets a copy of the domain's key. */
      readonly stewards?: boolean;
    } = {},
  ): Promise<TestDirectories> {
    const directories = new TestDirectories(
      new TestDomain(),
      { promoteAfterMs: 100, stewardMs: 50 },
      options.clockOf ?? (() => systemClock),
    );
    const founder = await directories.domain.found({
      membership: { kind: "found", domain: "example.com", leaseMs: options.leaseMs ?? 2_000 },
      ...options.meshOf?.(0),
    });
    await directories.add(founder);
    for (let i = 1; i < size; i++) {
      await directories.add(await directories.domain.join(founder, options.meshOf?.(i), options.stewards));
    }
    await directories.domain.allUp();
    await directories.allVote();
    return directories;
  }

  /** Starts a server's directory and links. */
  async add(server: TestServer): Promise<DirectoryServer> {
    const components = { ...server, clock: this.#clockOf(this.servers.length), logger: silentLogger };
    const directory = new Directory({ boot: server.mesh.boot, tuning: this.#tuning }, components);
    directory.start();
    server.mesh.serveBindings(directory);
    await server.mesh.start();
    const added = { ...server, directory };
    this.servers.push(added);
    return added;
  }

  server(index: number): DirectoryServer {
    const server = this.servers[index];
    if (server === undefined) throw new RangeError(`no server ${index}`);
    return server;
  }

  /** Resolves when every server knows a stable roster in which all vote. */
  async allVote(): Promise<void> {
    for (const { mesh } of this.servers) {
      const complete = () => {
        const { servers, voters, oldVoters } = mesh.roster();
        return oldVoters.length === 0 && voters.length === servers.length && servers.length === this.servers.length;
      };
      await until(mesh, complete, "stable roster of all servers");
    }
  }

  /** The servers that say, at this instant, that they own the AoR. */
  ownersOf(aor: Parameters<Directory["owned"]>[0]): DirectoryServer[] {
    return this.servers.filter(({ directory }) => directory.owned(aor) !== undefined);
  }

  async stop(): Promise<void> {
    for (const { directory } of this.servers) directory.stop();
    await this.domain.stop();
  }
}
