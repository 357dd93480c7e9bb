import { lstatSync, unlinkSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import type { FastifyInstance } from "fastify";
import type { SocketAddress } from "../config/values.ts";
import { formatSocketAddress } from "../config/values.ts";
import { ConfigurationError, OperationalError } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import { createAdminApi } from "./admin-api.ts";
import type { NodeView } from "./node-view.ts";

export interface AdminServerOptions {
  readonly view: NodeView;
  readonly logger: Logger;
  /** Path of the unix socket; only its owner may connect. */
  readonly socket: string;
  /** Loopback address where the API can be read, but nothing changed: whoever is on this machine can connect there. */
  readonly tcp?: SocketAddress;
}

/** The admin API where operators reach it. */
export interface AdminServer {
  /** @throws {ConfigurationError} `ADMIN_SOCKET_IN_USE`, `ADMIN_SOCKET_UNUSABLE` @throws {OperationalError} `PORT_IN_USE` */
  start(): Promise<void>;
  /** Ends watches and requests under way. Idempotent. */
  stop(): Promise<void>;
  /** The TCP address bound, when there is one. */
  listening(): SocketAddress | undefined;
}

/** The admin API of a node on a unix socket, and on TCP if wanted. */
export function createAdminServer({ view, logger, socket, tcp }: AdminServerOptions): AdminServer {
  const open: FastifyInstance[] = [];
  let bound: SocketAddress | undefined;

  async function stop(): Promise<void> {
    bound = undefined;
    await Promise.all(open.splice(0).map((api) => api.close()));
  }

  return {
    async start() {
      if (open.length > 0) return;
      try {
        await removeStale(socket);
        const full = createAdminApi(view, { logger, readOnly: false });
        open.push(full);
        await listenPrivately(full, socket);
        if (tcp === undefined) return;
        const readOnly = createAdminApi(view, { logger, readOnly: true });
        open.push(readOnly);
        await readOnly.listen({ host: tcp.address, port: tcp.port }).catch((cause: unknown) => {
          const { code, message } = cause as NodeJS.ErrnoException;
          if (code !== "EADDRINUSE")
            throw new ConfigurationError(
              "ADMIN_UNUSABLE",
              `cannot listen on --admin ${formatSocketAddress(tcp)}: ${message}`,
              { cause },
            );
          throw new OperationalError(
            "PORT_IN_USE",
            `--admin ${formatSocketAddress(tcp)} is in use by another program`,
            { cause },
          );
        });
        const { address, port } = readOnly.server.address() as AddressInfo;
        bound = { address, port };
      } catch (error) {
        await stop();
        throw error;
      }
    },
    stop,
    listening: () => bound,
  };
}

/** Listens on a unix socket that was never, not even for a moment, open to others. */
async function listenPrivately(api: FastifyInstance, path: string): Promise<void> {
  const umask = process.umask(0o177);
  try {
    await api.listen({ path });
  } catch (cause) {
    throw new ConfigurationError(
      "ADMIN_SOCKET_UNUSABLE",
      `cannot make the admin socket ${path}: ${(cause as Error).message}`,
      { cause },
    );
  } finally {
    process.umask(umask);
  }
}

/** Removes the socket of a node that was killed. What is no socket, or somebody listens on, stays. */
async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket())
    throw new ConfigurationError(
      "ADMIN_SOCKET_UNUSABLE",
      `${path} exists and is no socket; choose another --admin-socket`,
    );
  if (await answers(path))
    throw new ConfigurationError("ADMIN_SOCKET_IN_USE", `another node listens on the admin socket ${path}`);
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
