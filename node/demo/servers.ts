import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { BindingView, LookupView, NodeStatus, RosterView } from "../admin/node-view.ts";
import { readAdmin } from "./admin-client.ts";
import { freePorts } from "./ports.ts";
import { ServerProcess } from "./server-process.ts";
import { StoryFault } from "./sightings.ts";
import type { OwnerView, StageServer } from "./stage.ts";

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
/** The operator's command, as shown to people. */
export const aortaCommand = "node/bin/aorta.mjs";
/** Ends a server when the story is killed. */
const lifeline = pathToFileURL(join(root, "node/bin/lifeline.mjs")).href;
const host = "127.0.0.1";
const startMs = 30_000;
const pollMs = 25;

/** Users of the story with their passwords. */
export type Users = Readonly<Record<string, string>>;

/** What the three servers have in common. */
export interface ServersOptions {
  readonly domain: string;
  readonly leaseMs: number;
  /** Where each server gets a data folder and a log. */
  readonly folder: string;
  readonly users: Users;
  /** Called when a server ends that ought to run. */
  readonly onDeath: (fault: StoryFault) => void;
}

/** One Aorta server as its own process, run by the same command that an operator uses. */
export class DemoServer implements StageServer {
  readonly number: number;
  readonly title: string;
  readonly name: string;
  readonly host = host;
  readonly sipPort: number;
  readonly wsPort: number;
  readonly meshPort: number;
  readonly dataFolder: string;
  readonly process: ServerProcess;

  constructor(
    number: number,
    ports: readonly [sip: number, ws: number, mesh: number],
    origin: readonly string[],
    options: ServersOptions,
  ) {
    this.number = number;
    this.title = `server ${number}`;
    this.name = `server-${number}`;
    [this.sipPort, this.wsPort, this.meshPort] = ports;
    this.dataFolder = join(options.folder, this.name);
    const launch = [process.execPath, "--import", lifeline, join(root, aortaCommand)];
    const command = [...launch, ...this.restart, ...origin, "--log-level", "warn"];
    this.process = new ServerProcess(this.title, command, `${this.dataFolder}.log`, options.onDeath);
  }

  /** What follows `aorta` to start it again, now that it has a data folder with its keys. */
  get restart(): readonly string[] {
    const listen = (port: number): string => `${host}:${port}`;
    const settings = {
      data: this.dataFolder,
      name: this.name,
      sip: listen(this.sipPort),
      ws: listen(this.wsPort),
      mesh: listen(this.meshPort),
    };
    return ["up", ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])];
  }

  async lookup(aor: string): Promise<OwnerView> {
    const { owner, epoch } = await this.#read<LookupView>(`/v1/lookup/${encodeURIComponent(aor)}`);
    return { ...(owner && { owner: owner.name }), ...(epoch !== undefined && { epoch }) };
  }

  async owns(aor: string): Promise<string | undefined> {
    const { bindings } = await this.#read<{ bindings: BindingView[] }>("/v1/bindings");
    return bindings.find((binding) => binding.aor === aor)?.epoch;
  }

  kill(): Promise<void> {
    return this.process.kill();
  }

  /** Waits until it is in the roster. @throws {StoryFault} with the end of its log */
  untilAdmitted(): Promise<void> {
    return this.#until("join the domain", async () => (await this.#read<NodeStatus>("/v1/status")).state === "running");
  }

  /** Waits until it runs in a domain of that many servers, all linked to it and all voting. @throws {StoryFault} with the end of its log */
  untilRunning(servers: number): Promise<void> {
    return this.#until(`become one of ${servers} servers`, () => this.#runsAmong(servers));
  }

  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + startMs;
    while (!(await holds().catch(() => false))) {
      if (!this.process.isRunning || performance.now() > deadlineMs) {
        const log = (await this.process.logTail(10)).join("\n");
        throw new StoryFault(`${this.title} did not ${what} within ${startMs / 1000} s; its log ends:\n${log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }

  async #runsAmong(servers: number): Promise<boolean> {
    const { state, peers } = await this.#read<NodeStatus>("/v1/status");
    const roster = await this.#read<RosterView>("/v1/roster");
    const voters = roster.servers.filter(({ voter }) => voter).length;
    return state === "running" && peers.up === servers - 1 && voters === servers && !roster.joint;
  }

  #read<T>(path: string): Promise<T> {
    return readAdmin(join(this.dataFolder, "admin.sock"), path);
  }
}

/** Founds the domain on one server, invites the two others, and gives each the same users. */
export class Servers {
  readonly all: DemoServer[] = [];
  readonly #options: ServersOptions;

  constructor(options: ServersOptions) {
    this.#options = options;
  }

  /**
   * @param told called with what has happened
   * @throws {StoryFault} when one of them does not come up
   */
  async start(
    told: (server: DemoServer, what: string) => void,
  ): Promise<readonly [DemoServer, DemoServer, DemoServer]> {
    const { domain, leaseMs, users } = this.#options;
    const sip = await freePorts(5061, 3);
    const ws = await freePorts(8081, 3);
    const mesh = await freePorts(4061, 3);
    const open = (index: number, origin: readonly string[]): DemoServer => {
      const server = new DemoServer(index + 1, [sip[index]!, ws[index]!, mesh[index]!], origin, this.#options);
      this.all.push(server);
      return server;
    };
    const first = open(0, ["--domain", domain, "--lease", `${leaseMs}ms`]);
    await first.untilRunning(1);
    told(first, `founds ${domain}: its key is generated, its roster has one server`);
    const invite = async (): Promise<string> => (await runCli(["invite", "--data", first.dataFolder])).trim();
    const tokens = await Promise.all([invite(), invite()]);
    told(first, "prints two invitations");
    const second = open(1, ["--join", tokens[0]!]);
    await second.untilAdmitted(); // before the third, so that they are numbered in the roster as they are in the story
    const third = open(2, ["--join", tokens[1]!]);
    const joined = async (server: DemoServer): Promise<void> => {
      await server.untilRunning(3);
      told(server, "has joined: linked to both others, and a replica of the directory like them");
    };
    await Promise.all([joined(second), joined(third), first.untilRunning(3)]);
    await Promise.all(this.all.map((server) => this.#addUsers(server)));
    told(first, `learns passwords, as the others do: ${Object.keys(users).join(", ")}`);
    return [first, second, third];
  }

  /** Drains all that run; resolves with those that did not end well. */
  async drain(): Promise<readonly DemoServer[]> {
    const ended = await Promise.all(this.all.map((server) => server.process.drain()));
    return this.all.filter((_, index) => !ended[index]);
  }

  abandon(): void {
    for (const server of this.all) server.process.abandon();
  }

  async #addUsers(server: DemoServer): Promise<void> {
    const { domain, users } = this.#options;
    for (const [user, password] of Object.entries(users)) {
      await runCli(["user", "add", `${user}@${domain}`, "--password", password, "--data", server.dataFolder]);
    }
  }
}

/** Runs the operator's command; its standard output. @throws {StoryFault} with what it said, when it fails */
async function runCli(args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, aortaCommand), ...args]);
    return stdout;
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new StoryFault(`aorta ${args.join(" ")} failed: ${stderr?.trim() || message}`);
  }
}
