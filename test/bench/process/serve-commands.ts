import { writeFile } from "node:fs/promises";
import { Session } from "node:inspector/promises";
import type { Commands, Memory, Reply, Request } from "./commands.ts";
import { sharedClockMs } from "./commands.ts";

/** What every process of the benchmark can be asked. */
const common = {
  cpuMicros(): number {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  memory(): Memory {
    // The first collection runs finalizers that let go of more.
    for (let i = 0; i < 2; i++) globalThis.gc?.();
    const { heapUsed, rss } = process.memoryUsage();
    return { heap: heapUsed, rss };
  },
  clock: sharedClockMs,
  async startProfile(): Promise<void> {
    profiler = new Session();
    profiler.connect();
    await profiler.post("Profiler.enable");
    await profiler.post("Profiler.setSamplingInterval", { interval: 200 });
    await profiler.post("Profiler.start");
  },
  async endProfile(file: string): Promise<void> {
    const ended = await profiler?.post("Profiler.stop");
    profiler?.disconnect();
    profiler = undefined;
    await writeFile(file, JSON.stringify(ended?.profile));
  },
};

let profiler: Session | undefined;

/** What every process of the benchmark can be asked. */
export type CommonCommands = typeof common;

/** Makes this process answer its parent, and end with it. */
export function serveCommands(own: Commands): void {
  const commands: Commands = { ...own, ...common };
  process.on("message", async ({ id, command, argument }: Request) => {
    let reply: Reply;
    try {
      reply = { id, value: await commands[command]?.(argument) };
    } catch (error) {
      reply = { id, error: String((error as Error).stack) };
    }
    process.send?.(reply);
  });
  process.on("disconnect", () => process.exit(0));
}
