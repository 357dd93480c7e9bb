import { ConfigurationError, OperationalError } from "../../../runtime/errors.ts";
import type { ChaosOptions } from "./options.ts";

/** The simulator's side of the command; the same file exports it, and nothing of it ships with a node. */
interface ChaosRunner {
  /** Resolves with the exit code. */
  runCommand(options: ChaosOptions): Promise<number>;
}

const runner = new URL("../../../../sim/chaos/command.js", import.meta.url);

/** Runs chaos on a real swarm. @throws {ConfigurationError} {OperationalError} `NO_SIMULATOR` where only the node is installed */
export async function chaos(options: ChaosOptions): Promise<void> {
  if (options.wrongClock !== undefined && options.wrongClock > options.servers) {
    throw new ConfigurationError("NO_SUCH_SERVER", `--wrong-clock ${options.wrongClock}: there are ${options.servers} servers`); // prettier-ignore
  }
  let found: ChaosRunner;
  try {
    found = (await import(runner.href)) as ChaosRunner;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new OperationalError("NO_SIMULATOR", "chaos belongs to the simulator, which is not installed here", {
      cause,
    });
  }
  // At once: what libraries of the clients still wait for is of no interest.
  process.exit(await found.runCommand(options));
}
