import { Command, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../../../config/values.ts";

/** How `aorta chaos` was called. */
export interface ChaosOptions {
  readonly servers: number;
  readonly minutes: number;
  /** A fresh one when absent. */
  readonly seed?: number;
  /** Lease term of the domain, ms. */
  readonly lease: number;
  /** Folder for the report, the journals and the logs; a new temporary one when absent. */
  readonly report?: string;
  /** Server whose clock runs at a quarter of its speed. */
  readonly wrongClock?: number;
  readonly json?: true;
}

const SERVERS_MAX = 20;
const MINUTES_MAX = 120;

/** `aorta chaos` */
export function chaosCommand(): Command {
  return new Command("chaos")
    .description("prove the promises on a real swarm: servers killed, frozen, cut off and wiped while clients move")
    .option("--servers <number>", `how many servers, 3 to ${SERVERS_MAX}`, integer(3, SERVERS_MAX), 7)
    .option("--minutes <number>", "how long there are faults", parseMinutes, 2)
    .option("--seed <number>", "replay the plan of this seed (default a fresh one)", integer(0, 2 ** 31 - 1))
    .addOption(
      new Option("--lease <duration>", "lease term of the domain, 1s to 30s").argParser(parseLease).default(3000, "3s"),
    )
    .option("--report <folder>", "new folder for the report, the journals and the logs (default a temporary one)")
    .option(
      "--wrong-clock <server>",
      "run this server's clock at a quarter of its speed, to see that it is found out",
      integer(1, SERVERS_MAX),
    ) // prettier-ignore
    .option("--json", "print JSON")
    .addHelpText("after", HELP)
    .action(async (options: ChaosOptions) => (await import("./handler.ts")).chaos(options));
}

const HELP = `
Starts real servers and SIP clients on the loopback interface, as processes of their own, and ends them.
The exit code is 0 when every promise was kept, 1 when one was broken; then the seed, the command that
replays it and the folder with all logs are printed. Ctrl-C ends the run early, with a report.

  aorta chaos --servers 7 --minutes 2 --seed 42
  aorta chaos --servers 5 --minutes 0.5 --wrong-clock 2`;

function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected a number from ${min} to ${max}.`);
  };
}

function parseMinutes(text: string): number {
  const minutes = Number(text);
  if (/^\d*\.?\d+$/.test(text) && minutes >= 0.1 && minutes <= MINUTES_MAX) return minutes;
  throw new InvalidArgumentError(`Expected a number from 0.1 to ${MINUTES_MAX}.`);
}

function parseLease(text: string): number {
  const leaseMs = parseDuration(text);
  if (leaseMs !== undefined && leaseMs >= 1000 && leaseMs <= 30_000) return leaseMs;
  throw new InvalidArgumentError("Expected a duration from 1s to 30s, such as 3s.");
}
