import type { AdminServer } from "./admin/admin-server.ts";
import { createAdminServer } from "./admin/admin-server.ts";
import { createLiveView } from "./admin/live-view.ts";
import type { NodeState, NodeView } from "./admin/node-view.ts";
import type { NodeConfig } from "./config/node-config.ts";
import type { Departed } from "./departure.ts";
import { Departure } from "./departure.ts";
import type { SocketAddress } from "./config/values.ts";
import { formatDuration } from "./config/values.ts";
import { Directory } from "./directory/directory.ts";
import type { OwnershipLost, OwnershipWon } from "./federation/locator.ts";
import type { Membership } from "./mesh/create-mesh.ts";
import { createMesh } from "./mesh/create-mesh.ts";
import type { TransportFactory } from "./mesh/host.ts";
import type { MeshNode } from "./mesh/mesh-node.ts";
import type { Clock } from "./runtime/clock.ts";
import { systemClock } from "./runtime/clock.ts";
import { assert, ConfigurationError } from "./runtime/errors.ts";
import type { Logger } from "./runtime/logger.ts";
import { createLogger } from "./runtime/logger.ts";
import { createCounters } from "./runtime/metrics.ts";
import { software } from "./runtime/version.ts";
import type { SipSide } from "./sip-side.ts";
import { createSipSide } from "./sip-side.ts";
import type { Storage } from "./storage/ports.ts";
import { openStorage } from "./storage/storage.ts";

/** One server of a domain. */
export interface AortaNode {
  /**
   * Brings all parts up, or none. Idempotent.
   * @throws {ConfigurationError} {OperationalError} whatever a part cannot start with
   */
  start(): Promise<void>;
  /** Drains: takes no new work, lets go of its users so that others can claim them at once, says goodbye, closes. Idempotent. */
  stop(): Promise<void>;
  /**
   * Reads again what may change while the node runs: TLS certificates. Nothing else does. When they cannot be used, those of before stay.
   * @throws {ConfigurationError} why not; or unless the node is running
   */
  reload(): void;
  /** What operators see. @throws unless the node is running */
  view(): NodeView;
  /** Resolves when the running node is no longer in the roster of its domain: it serves nobody, and there is nothing left but to stop it. @throws unless the node is running */
  departed(): Promise<Departed>;
}

export interface AortaNodeOptions {
  /** @default JSON lines on standard error at the configured level */
  readonly logger?: Logger;
  /** @default the clocks of this machine */
  readonly clock?: Clock;
  /** What carries the connections to the other servers. @default TCP */
  readonly meshTransport?: TransportFactory;
  /** Follows what this server owns; called in the same turn of the event loop in which that changes. */
  readonly onOwnership?: (change: OwnershipChange) => void;
}

/** This server began to own a user, or no longer does. */
export type OwnershipChange = ({ readonly kind: "won" } & OwnershipWon) | ({ readonly kind: "lost" } & OwnershipLost);

type Life =
  | { readonly kind: "idle" }
  | { readonly kind: "starting"; readonly done: Promise<Running> }
  | { readonly kind: "running"; readonly running: Running }
  | { readonly kind: "stopping"; readonly done: Promise<void> };

/** A node that is up. */
interface Running {
  readonly view: NodeView;
  reload(): void;
  readonly departed: Promise<Departed>;
  stop(): Promise<void>;
}

/** A node that is not started yet; it can be started again after a stop. */
export function createAortaNode(config: NodeConfig, options: AortaNodeOptions = {}): AortaNode {
  let life: Life = { kind: "idle" };

  return {
    async start() {
      if (life.kind === "stopping") await life.done;
      if (life.kind === "running") return;
      if (life.kind === "idle") life = { kind: "starting", done: bringUp(config, options) };
      const { done } = life as Life & { kind: "starting" };
      try {
        const running = await done;
        if (life.kind === "starting") life = { kind: "running", running };
      } catch (error) {
        if (life.kind === "starting") life = { kind: "idle" };
        throw error;
      }
    },
    async stop() {
      if (life.kind === "idle") return;
      if (life.kind !== "stopping") {
        const up = life.kind === "running" ? Promise.resolve(life.running) : life.done;
        const down = up.then(
          (running) => running.stop(),
          () => {}, // It never came up: whoever started it has the error.
        );
        const done = down.finally(() => {
          life = { kind: "idle" };
        });
        life = { kind: "stopping", done };
      }
      await life.done;
    },
    reload() {
      assert(life.kind === "running", "the node is not running");
      life.running.reload();
    },
    view() {
      assert(life.kind === "running", "the node is not running");
      return life.running.view;
    },
    departed() {
      assert(life.kind === "running", "the node is not running");
      return life.running.departed;
    },
  };
}

/** The parts that are up, so that they can be stopped in another order than they were started in. */
interface Parts {
  storage?: Storage;
  mesh?: MeshNode;
  directory?: Directory;
  sip?: SipSide;
  admin?: AdminServer;
}

/** Starts every part in order: from the disk up to the operators. */
async function bringUp(config: NodeConfig, options: AortaNodeOptions): Promise<Running> {
  const { logger = createLogger(config.logLevel), clock = systemClock, meshTransport, onOwnership } = options;
  const parts: Parts = {};
  let state: NodeState = "starting";
  const stop = async () => {
    state = "draining";
    await takeDown(parts, logger);
  };
  try {
    const counters = createCounters();
    const storage = (parts.storage = openStorage(config.dataFolder, {
      logger,
      ...(config.historyBytes !== undefined && { historyBytesMax: config.historyBytes }),
    }));

    const mesh = (parts.mesh = await createMesh({
      settings: storage.settings,
      invites: storage.invites,
      name: config.name,
      ...withMembership(config),
      listen: config.mesh.map(multiaddrOf),
      announce: config.announce,
      mdns: config.mdns,
      bootstrap: config.bootstrap,
      observers: config.observers,
      ...(meshTransport !== undefined && { transport: meshTransport }),
      software,
      clock,
      logger: logger.child({ part: "mesh" }),
      counters,
    }));
    checkLease(config, mesh.roster().leaseMs);
    checkName(config, mesh);
    const departure = new Departure(mesh, logger);

    const directory = (parts.directory = new Directory(
      { boot: mesh.boot, ...(config.voters !== undefined && { tuning: { votersTarget: config.voters } }) },
      { mesh, settings: storage.settings, clock, logger: logger.child({ part: "directory" }), counters },
    ));
    departure.report(directory);
    mesh.serveBindings(directory);
    if (onOwnership !== undefined) {
      directory.onWon((won) => onOwnership({ kind: "won", ...won }));
      directory.onLost((lost) => onOwnership({ kind: "lost", ...lost }));
    }

    const sip = (parts.sip = createSipSide({
      config,
      domain: mesh.roster().domain,
      mesh,
      directory,
      storage,
      clock,
      logger,
      counters,
    }));

    // Every receiver is set by now: nothing that a peer sends is lost.
    directory.start();
    await mesh.start();
    await sip.start();
    departure.serve(sip);

    const view = createLiveView({
      mesh,
      directory,
      users: storage.users,
      lists: sip.lists,
      storageProblem: () => storage.problem(),
      counters,
      clock,
      departure,
      state: () => state,
      sip,
    });
    const admin = (parts.admin = createAdminServer({
      view,
      logger: logger.child({ part: "admin" }),
      socket: config.adminSocket,
      ...(config.adminTcp !== undefined && { tcp: config.adminTcp }),
    }));
    await admin.start();

    state = "running";
    const { server, domain } = view.status();
    logger.info({ name: server.name, domain, boot: mesh.boot }, "node is up");
    return { view, reload: () => sip.reload(), stop, departed: departure.over };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Users are let go of while their servers can still be told; operators can look on until the end. A part that fails
 * to stop does not keep the others from it.
 */
async function takeDown({ sip, directory, mesh, admin, storage }: Parts, logger: Logger): Promise<void> {
  const steps: readonly (() => void | Promise<void>)[] = [
    () => sip?.drain(),
    () => directory?.letGo(),
    () => directory?.stop(),
    () => sip?.stop(),
    () => mesh?.stop(),
    () => admin?.stop(),
    () => storage?.close(),
  ];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      logger.error({ err: error }, "a part could not be stopped");
    }
  }
}

function withMembership({ domain, joinToken, leaseMs }: NodeConfig): { readonly membership?: Membership } {
  if (joinToken !== undefined) return { membership: { kind: "join", token: joinToken } };
  if (domain === undefined) return {};
  return { membership: { kind: "found", domain, ...(leaseMs !== undefined && { leaseMs }) } };
}

/** The term is the domain's: an option that would change it must not be passed over in silence. */
function checkLease({ leaseMs }: NodeConfig, domainLeaseMs: number): void {
  if (leaseMs === undefined || leaseMs === domainLeaseMs) return;
  throw new ConfigurationError(
    "OTHER_LEASE",
    `the domain was founded with a lease of ${formatDuration(domainLeaseMs)}, not ${formatDuration(leaseMs)}: leave --lease out`,
  );
}

/** A server keeps the name that it entered the domain with: under another one, this is the folder of another server. */
function checkName({ name, isNameChosen, dataFolder }: NodeConfig, mesh: MeshNode): void {
  const { domain, servers } = mesh.roster();
  const present = servers.find(({ id }) => id === mesh.self)?.name;
  if (isNameChosen !== true || present === undefined || present === name) return;
  throw new ConfigurationError(
    "OTHER_NAME",
    `${dataFolder} is the folder of ${present}, a server of ${domain}, not of ${name}: choose another --data, or leave --name out`,
  );
}

function multiaddrOf({ address, port }: SocketAddress): string {
  return `/${address.includes(":") ? "ip6" : "ip4"}/${address}/tcp/${port}`;
}
