import { CommanderError } from "commander";
import { endingOf, exitCode } from "./exit-code.ts";
import { createProgram } from "./program.ts";
import { note } from "./terminal.ts";

// A reader that has seen enough (`aorta bindings | head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(exitCode.ok);
});

try {
  await createProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has told what is wrong, or printed the help or version that was asked for.
    process.exitCode = error.exitCode === 0 ? exitCode.ok : exitCode.usage;
  } else {
    const { code, message } = endingOf(error);
    note(`aorta: ${message}`);
    // At once: what a failed start has left open would keep the process for a while.
    process.exit(code);
  }
}
