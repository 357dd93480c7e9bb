import { parseArgs } from "node:util";
import type { NodeStatus } from "../../node/admin/node-view.ts";
import type { RunningNode } from "../cli/aorta.ts";
import { cpuMs } from "./sip/cpu.ts";
import { AortaSystem } from "./sip/systems.ts";
import { UserAgent } from "./sip/user-agent.ts";

// How a server with many watched users comes back: killed, stopped in order or frozen for longer than its leases. How long it takes until it serves all of
// them again, what that costs, and how many watchers saw `closed` meanwhile.

const USAGE = `Usage: npm run bench:returns -- [options]

  --users N     registered at the first of three servers, each with one watcher (default 20000)
  --watched-at same|other   where the watchers are (default other)
  --how A,B     kill, stop, freeze, one after the other (default kill,stop,freeze)
`;

const FROZEN_MS = 15_000;
const LONGEST_MS = 180_000;
const IN_FLIGHT = 128;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      users: { type: "string", default: "20000" },
      "watched-at": { type: "string", default: "other" },
      how: { type: "string", default: "kill,stop,freeze" },
      help: { type: "boolean", default: false },
    },
  });
  const users = Number(values.users);
  const hows = values.how.split(",");
  if (values.help || !(users >= 1) || hows.some((how) => !(how in RETURNS))) return void process.stdout.write(USAGE);
  const system = new AortaSystem(3, undefined);
  const agent = await UserAgent.open("bench");
  try {
    await system.start();
    const [first, second] = system.ports as [number, number];
    const contact = `Contact: <${agent.contact}>`;
    await all(users, "registered", (i) =>
      agent.ask({
        method: "REGISTER",
        port: first,
        uri: "sip:example.com",
        from: aorOf(i),
        headers: [contact, "Expires: 7200"],
      }),
    );
    const port = values["watched-at"] === "same" ? first : second;
    await all(users, "watched", (i) =>
      agent.ask({
        method: "SUBSCRIBE",
        port,
        uri: aorOf(i),
        from: `sip:w${i}@example.com`,
        to: `<${aorOf(i)}>`,
        headers: [contact, "Event: presence", "Expires: 3600"],
      }),
    );
    for (const how of hows) {
      await sleep(5000);
      let notifies = 0;
      let closed = 0;
      agent.onRequest = (text) => {
        if (!text.startsWith("NOTIFY")) return;
        notifies += 1;
        if (text.includes("<basic>closed")) closed += 1;
      };
      const fromMs = performance.now();
      const node = await RETURNS[how as keyof typeof RETURNS](system);
      const upMs = performance.now();
      const isBack = await served(node, users);
      const seconds = (ms: number): string => `${((ms - fromMs) / 1000).toFixed(1)} s`;
      const backMs = performance.now();
      await sleep(5000);
      const { memory } = await node.get<NodeStatus>("/v1/status");
      const cpu = `${(cpuMs([node.pid]) / 1000).toFixed(1)} s of CPU since its start`;
      const told = `${notifies} NOTIFYs, ${closed} of them closed`;
      const end = isBack ? `all served after ${seconds(backMs)}` : `not all served after ${seconds(backMs)}`;
      console.log(
        `${how}: up after ${seconds(upMs)}, ${end}; ${told}; ${cpu}, ${Math.round(memory.rssBytes / 2 ** 20)} MiB`,
      );
    }
  } finally {
    agent.close();
    await system.stop();
  }
}

/** What is done to the first server; the process that is there afterwards. */
const RETURNS = {
  kill: (system: AortaSystem) => system.restart(0, "SIGKILL"),
  stop: (system: AortaSystem) => system.restart(0, "SIGTERM"),
  async freeze(system: AortaSystem): Promise<RunningNode> {
    const node = system.node(0);
    node.signal("SIGSTOP");
    await sleep(FROZEN_MS);
    node.signal("SIGCONT");
    return node;
  },
};

/** Waits until a server serves so many users, for some minutes at most. */
async function served(node: RunningNode, users: number): Promise<boolean> {
  const deadlineMs = performance.now() + LONGEST_MS;
  while (performance.now() < deadlineMs) {
    const { owned, registrar } = await node.get<NodeStatus>("/v1/status");
    if (registrar.reclaiming === 0 && owned >= users) return true;
    await sleep(200);
  }
  return false;
}

/** Asks for each of some users. @throws {Error} where one is refused */
async function all(
  count: number,
  what: string,
  ask: (i: number) => Promise<{ readonly status: number }>,
): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) {
      const { status } = await ask(i);
      if (status !== 200) throw new Error(`user ${i} could not be ${what}: ${status}`);
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  console.log(`${count} users ${what} in ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
}

function aorOf(i: number): string {
  return `sip:u${i}@example.com`;
}

await main();
