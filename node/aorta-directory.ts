import type { ComponentLogger, PrivateKey, Startable } from "@libp2p/interface";
import { serviceCapabilities, serviceDependencies } from "@libp2p/interface";
import type { Aor } from "../dht-schema/aor.ts";
import type { Epoch } from "../dht-schema/ballot.ts";
import type { Roster, ServerId } from "../dht-schema/roster.ts";
import { Directory } from "./directory/directory.ts";
import type {
  ClaimOptions,
  ClaimOutcome,
  Location,
  Locator,
  OwnerChange,
  OwnershipLost,
  OwnerWatch,
} from "./federation/locator.ts";
import type { Membership } from "./mesh/create-mesh.ts";
import { createGuestMesh } from "./mesh/create-mesh.ts";
import { loadPeerKey } from "./mesh/identity.ts";
import type { PeerStatus } from "./mesh/mesh.ts";
import type { GuestComponents } from "./mesh/mesh-host.ts";
import type { MeshNode } from "./mesh/mesh-node.ts";
import { systemClock } from "./runtime/clock.ts";
import { assert } from "./runtime/errors.ts";
import type { Logger } from "./runtime/logger.ts";
import { silentLogger } from "./runtime/logger.ts";
import type { Counters } from "./runtime/metrics.ts";
import { createCounters } from "./runtime/metrics.ts";
import { software } from "./runtime/version.ts";
import type { Storage } from "./storage/ports.ts";
import { openMemoryStorage, openStorage } from "./storage/storage.ts";

/** How a directory on somebody's libp2p node is made. */
export interface AortaDirectoryInit {
  /** What people call this server; unique in the domain. */
  readonly name: string;
  /** How to get into a domain at the first start; ignored where `data` holds a domain already. */
  readonly membership?: Membership;
  /**
   * Folder for what has to survive a restart: key, roster, boot number, ballot ceiling. Give the node its key from there with {@link directoryKey}.
   * Without a folder nothing survives: let libp2p make a fresh key, and the process comes back as another server.
   */
  readonly data?: string;
  /** More addresses of servers, for when those in the roster are out of date. */
  readonly bootstrap?: readonly string[];
  /** @default the node's own logger, as `aorta:directory` */
  readonly logger?: Logger;
  readonly counters?: Counters;
}

/** What an {@link aortaDirectory} uses of the libp2p node it is a service of. */
export interface AortaDirectoryComponents extends GuestComponents {
  readonly logger: ComponentLogger;
  readonly addressManager: GuestComponents["addressManager"] & { getListenAddrs(): readonly unknown[] };
}

/** The directory of a domain, in a libp2p node of your own: who owns a name, agreed by all, one owner at a time. */
export interface AortaDirectory extends Locator {
  /** The roster in force. */
  roster(): Roster;
  /** The other servers, and whether there is a link to each. */
  peers(): readonly PeerStatus[];
  /** The names that this server owns at this instant. */
  bindings(): Iterable<{ readonly aor: Aor; readonly epoch: Epoch; readonly ownedForMs: number }>;
  /**
   * A token that lets one server join, once.
   * @param options.ttlMs how long it is good, at most 30 days. @default one hour
   * @throws {OperationalError} `NOT_A_STEWARD` on any server but the roster's steward
   */
  createInvite(options?: { readonly ttlMs?: number }): string;
  /**
   * The present state of a name as soon as it is known, then every change, until the signal or the service stops it, or this server is taken out of
   * the domain. Who takes long over one gets the latest next: only what was overtaken meanwhile is left out.
   */
  changes(aor: Aor, options?: { readonly signal?: AbortSignal }): AsyncGenerator<OwnerChange, void, undefined>;
}

/**
 * The directory as a service of a libp2p node:
 *
 * ```ts
 * const node = await createLibp2p({
 *   addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
 *   transports: [tcp()],
 *   connectionEncrypters: [noise()],
 *   streamMuxers: [yamux()],
 *   services: { directory: aortaDirectory({ name: "one", membership: { kind: "found", domain: "example.com" } }) },
 * });
 * await node.services.directory.claim(parseAor("sip:alice@example.com"), { mode: "if-free" });
 * ```
 *
 * It is a guest: connections are the node's, and whoever the node lets in may connect. Its protocols (`/aorta/…`) answer only to the
 * servers of the domain's roster, and to who shows an invite while one is open. A link that goes silent or breaks a rule takes its
 * connection with it. It starts when the node listens, and fails the node's start when the domain cannot be entered.
 * @throws {ConfigurationError} {OperationalError} from the node's `start`: as `createMesh` and `openStorage`; `BAD_KEY`, `OTHER_KEY`
 */
export function aortaDirectory(init: AortaDirectoryInit): (components: AortaDirectoryComponents) => AortaDirectory {
  return (components) => new DirectoryService(init, components);
}

/** The key that belongs to a data folder, made at the first call: for `createLibp2p({ privateKey })`. @throws as `openStorage` */
export async function directoryKey(data: string): Promise<PrivateKey> {
  const storage = openStorage(data, { logger: silentLogger });
  try {
    return await loadPeerKey(storage.settings);
  } finally {
    storage.close();
  }
}

/** What there is while the service runs. */
interface Running {
  readonly mesh: MeshNode;
  readonly directory: Directory;
  /** Aborted by the stop, or when this server is none of the domain any more. */
  readonly stopping: AbortController;
}

const NOT_RUNNING = "the directory is not running";
const INVITE_TTL_MS = 3_600_000;
/** How long the node may take to listen before the directory starts anyway, ms. */
const LISTEN_MS = 2_000;

class DirectoryService implements AortaDirectory, Startable {
  readonly [Symbol.toStringTag] = "@aorta/directory";
  readonly [serviceCapabilities] = ["@aorta/directory"];
  /** Without a handshake that proves peer ids there would be no telling who is a server. */
  readonly [serviceDependencies] = ["@libp2p/connection-encryption", "@libp2p/stream-multiplexing"];
  readonly self: ServerId;
  readonly #init: AortaDirectoryInit;
  readonly #components: AortaDirectoryComponents;
  readonly #logger: Logger;
  readonly #counters: Counters;
  readonly #lostListeners = new Set<(lost: OwnershipLost) => void>();
  /** Kept from one start to the next, so that what is in memory survives a stop. */
  #memory: Storage | undefined;
  #storage: Storage | undefined;
  #running: Running | undefined;
  #listening: Promise<void> = Promise.resolve();

  constructor(init: AortaDirectoryInit, components: AortaDirectoryComponents) {
    this.#init = init;
    this.#components = components;
    this.#logger = init.logger ?? loggerOf(components.logger);
    this.#counters = init.counters ?? createCounters();
    this.self = components.peerId.toString() as ServerId;
  }

  /** The node begins to listen when all its services have started. */
  start(): void {
    this.#listening = untilListening(this.#components);
  }

  async afterStart(): Promise<void> {
    if (this.#running !== undefined) return;
    // Others are told where it listens; and a node whose start failed earlier would not close what it opens after.
    await this.#listening;
    const { name, membership, bootstrap, data } = this.#init;
    const storage = (this.#storage =
      data === undefined ? this.#memorized() : openStorage(data, { logger: this.#logger }));
    const shared = { clock: systemClock, logger: this.#logger, counters: this.#counters };
    const { settings, invites } = storage;
    const mesh = await createGuestMesh(
      {
        ...shared,
        settings,
        invites,
        name,
        software,
        ...(membership && { membership }),
        ...(bootstrap && { bootstrap }),
      },
      this.#components,
    );
    const directory = new Directory({ boot: mesh.boot }, { ...shared, mesh, settings });
    directory.onLost((lost) => {
      for (const listener of this.#lostListeners) listener(lost);
    });
    const stopping = new AbortController();
    this.#running = { mesh, directory, stopping };
    // It is no longer a server of the domain: nobody would tell it of changes.
    mesh.on(({ kind }) => {
      if (kind === "removed" || kind === "outdated") stopping.abort();
    });
    directory.start();
    await mesh.start();
  }

  /** Lets go of every name while the others can still be told. */
  async beforeStop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    running?.stopping.abort();
    running?.directory.stop();
    await running?.mesh.stop();
    if (this.#storage !== this.#memory) this.#storage?.close();
    this.#storage = undefined;
  }

  stop(): void {}

  owned(aor: Aor): Epoch | undefined {
    return this.#running?.directory.owned(aor);
  }

  ownedSince(aor: Aor): Epoch | undefined {
    return this.#running?.directory.ownedSince(aor);
  }

  async claim(aor: Aor, options: ClaimOptions): Promise<ClaimOutcome> {
    return this.#running?.directory.claim(aor, options) ?? { kind: "unavailable", reason: NOT_RUNNING };
  }

  async release(aor: Aor): Promise<void> {
    await this.#running?.directory.release(aor);
  }

  async locate(aor: Aor, options?: { readonly certain?: boolean; readonly signal?: AbortSignal }): Promise<Location> {
    return this.#running?.directory.locate(aor, options) ?? { kind: "unavailable", reason: NOT_RUNNING };
  }

  watch(aor: Aor, listener: (change: OwnerChange) => void): OwnerWatch {
    return this.#up().directory.watch(aor, listener);
  }

  async *changes(
    aor: Aor,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<OwnerChange, void, undefined> {
    const { directory, stopping } = this.#up();
    const ended = signal === undefined ? stopping.signal : AbortSignal.any([signal, stopping.signal]);
    let latest: OwnerChange | undefined;
    let wake = () => {};
    const wakeUp = () => wake();
    const watch = directory.watch(aor, (change) => {
      latest = change;
      wake();
    });
    ended.addEventListener("abort", wakeUp);
    try {
      while (!ended.aborted) {
        const change: OwnerChange | undefined = latest;
        latest = undefined;
        if (change !== undefined) yield change;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      ended.removeEventListener("abort", wakeUp);
      watch.close();
    }
  }

  onLost(listener: (lost: OwnershipLost) => void): () => void {
    this.#lostListeners.add(listener);
    return () => this.#lostListeners.delete(listener);
  }

  newestEpoch(aor: Aor): Epoch | undefined {
    return this.#running?.directory.newestEpoch(aor);
  }

  observeEpoch(aor: Aor, epoch: Epoch): boolean {
    return this.#up().directory.observeEpoch(aor, epoch);
  }

  forwardingNote(aor: Aor): { readonly server: ServerId; readonly epoch: Epoch } | undefined {
    return this.#running?.directory.forwardingNote(aor);
  }

  roster(): Roster {
    return this.#up().mesh.roster();
  }

  peers(): readonly PeerStatus[] {
    return this.#up().mesh.peers();
  }

  bindings(): Iterable<{ readonly aor: Aor; readonly epoch: Epoch; readonly ownedForMs: number }> {
    return this.#running?.directory.bindings() ?? [];
  }

  createInvite({ ttlMs = INVITE_TTL_MS }: { readonly ttlMs?: number } = {}): string {
    return this.#up().mesh.createInvite({ ttlMs, steward: false });
  }

  #up(): Running {
    assert(this.#running !== undefined, NOT_RUNNING);
    return this.#running;
  }

  #memorized(): Storage {
    return (this.#memory ??= openMemoryStorage());
  }
}

/** Resolves when the node listens on all its addresses, or has had the time to: where IPv6 is not there, it goes on without. */
function untilListening({ addressManager, events }: AortaDirectoryComponents): Promise<void> {
  let missing = addressManager.getListenAddrs().length;
  if (missing === 0) return Promise.resolve();
  return new Promise((resolve) => {
    const heard = () => {
      if (--missing === 0) done();
    };
    const done = () => {
      clearTimeout(timer);
      events.removeEventListener("transport:listening", heard);
      resolve();
    };
    const timer = setTimeout(done, LISTEN_MS);
    events.addEventListener("transport:listening", heard);
  });
}

/** The node's logger in the shape that our parts log to. */
function loggerOf(logger: ComponentLogger): Logger {
  const log = logger.forComponent("aorta:directory");
  const wrap = (bound: object): Logger => ({
    debug: (fields, message) => log.trace("%s %o", message, { ...bound, ...fields }),
    info: (fields, message) => log("%s %o", message, { ...bound, ...fields }),
    warn: (fields, message) => log.error("%s %o", message, { ...bound, ...fields }),
    error: (fields, message) => log.error("%s %o", message, { ...bound, ...fields }),
    child: (fields) => wrap({ ...bound, ...fields }),
  });
  return wrap({});
}
