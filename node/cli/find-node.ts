import { resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { Command, InvalidArgumentError, Option } from "commander";
import { adminSocketOf, DEFAULT_DATA_FOLDER } from "../config/data-folder.ts";
import { parseDuration, parseSocketAddress } from "../config/values.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { AdminEndpoint } from "./admin-client.ts";
import { AdminClient } from "./admin-client.ts";
import { withProgress } from "./terminal.ts";

/** Options of every command that asks a running node. */
export interface NodeOptions {
  readonly data: string;
  readonly admin?: string;
  /** How long to wait for a node that is coming up, ms. */
  readonly wait?: number;
  readonly json?: true;
}

/** Options of a command that changes the roster and waits until that is done. */
export interface ChangeOptions extends NodeOptions {
  /** How long to wait, ms. */
  readonly timeout: number;
}

const POLL_MS = 50;
/** A change waits for two lease terms at most when all goes well; ten minutes are no lease that anybody founds a domain with. */
const CHANGE_TIMEOUT = "2m";

/** A command that asks a running node. */
export function nodeCommand(name: string, summary: string): Command {
  return new Command(name)
    .description(summary)
    .addOption(new Option("--data <folder>", "data folder of the node").env("AORTA_DATA").default(DEFAULT_DATA_FOLDER))
    .option("--admin <address>", "admin socket or loopback address:port of the node, instead of --data")
    .option("--wait <duration>", "wait for the node to come up, as long as this at most", parseWait)
    .option("--json", "print JSON");
}

/** Adds the options of {@link ChangeOptions}. */
export function changeOptions(command: Command): Command {
  const timeout = new Option("--timeout <duration>", "how long to wait until it is done; it goes on after that")
    .argParser(parseWait)
    .default(parseWait(CHANGE_TIMEOUT), CHANGE_TIMEOUT);
  return command.addOption(timeout);
}

/** The options of a command below another one that has the same: what was given before its name counts too. */
export function withParent<Options>(command: Command): Options {
  const options: Record<string, unknown> = { ...command.opts() };
  for (const name of Object.keys(command.parent?.opts() ?? {})) {
    if (command.parent?.getOptionValueSource(name) === "cli" && command.getOptionValueSource(name) !== "cli")
      options[name] = command.parent.getOptionValue(name);
  }
  return options as Options;
}

/**
 * A client of the node that the options choose, at once, or with `--wait` as soon as the node is up.
 * @throws {OperationalError} `NODE_DOWN` when it is not up by then
 */
export async function clientOf(options: NodeOptions): Promise<NodeClient> {
  const client = new NodeClient(options);
  if (options.wait !== undefined) await withProgress("waiting for the node", untilUp(client, options.wait));
  return client;
}

async function untilUp(client: NodeClient, waitMs: number): Promise<void> {
  const deadlineMs = performance.now() + waitMs;
  for (;;) {
    try {
      await client.get("/healthz", Math.max(1, Math.ceil(deadlineMs - performance.now())));
      return;
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
    }
    await setTimeout(POLL_MS);
  }
}

function parseWait(text: string): number {
  const waitMs = parseDuration(text);
  if (waitMs === undefined) throw new InvalidArgumentError("Expected a duration, such as 10s.");
  return waitMs;
}

/** Talks to a running node; when none answers, says which was meant. */
export class NodeClient {
  readonly #client: AdminClient;
  readonly #where: string;

  constructor({ data, admin }: NodeOptions) {
    this.#client = new AdminClient(endpointOf(data, admin));
    this.#where =
      admin === undefined ? `with data folder ${data} (choose another with --data or AORTA_DATA)` : `at ${admin}`;
  }

  /** @throws {OperationalError} `NODE_DOWN`, `NODE_SILENT` @throws {AdminRefusal} */
  get<Answer>(path: string, answerMs?: number): Promise<Answer> {
    return this.#client.call<Answer>("GET", path, undefined, answerMs).catch((error: unknown) => this.#explain(error));
  }

  /** Errors as {@link get}. */
  post<Answer>(path: string, body: object): Promise<Answer> {
    return this.#client.call<Answer>("POST", path, body).catch((error: unknown) => this.#explain(error));
  }

  /** Errors as {@link get}. */
  delete<Answer = void>(path: string): Promise<Answer> {
    return this.#client.call<Answer>("DELETE", path).catch((error: unknown) => this.#explain(error));
  }

  /** Events of a stream, until it ends. Errors as {@link get}. */
  async *events<Event>(path: string, signal: AbortSignal): AsyncGenerator<Event> {
    try {
      yield* this.#client.events<Event>(path, signal);
    } catch (error) {
      this.#explain(error);
    }
  }

  #explain(error: unknown): never {
    const { code = "" } = error as NodeJS.ErrnoException;
    // The last two: a path that no socket can have.
    if (["ENOENT", "ECONNREFUSED", "ENOTDIR", "EINVAL"].includes(code)) {
      throw new OperationalError("NODE_DOWN", `no node is running ${this.#where}`, { cause: error });
    }
    if (code === "ABORT_ERR") {
      throw new OperationalError("NODE_SILENT", `the node ${this.#where} does not answer`, { cause: error });
    }
    if (code === "EACCES") {
      throw new OperationalError("NODE_FOREIGN", `the node ${this.#where} belongs to another user`, { cause: error });
    }
    if (code === "ECONNRESET" || code === "EPIPE") {
      throw new OperationalError("NODE_STOPPED", `the node ${this.#where} stopped`, { cause: error });
    }
    throw error;
  }
}

function endpointOf(data: string, admin: string | undefined): AdminEndpoint {
  if (admin === undefined) return { socketPath: adminSocketOf(resolve(data)) };
  const tcp = parseSocketAddress(admin);
  return tcp === undefined ? { socketPath: resolve(admin) } : { host: tcp.address, port: tcp.port };
}
