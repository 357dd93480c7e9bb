import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Show } from "./show.ts";

const help = `npm start [-- options]

Three Aorta servers of example.com, each its own process, and a story in six steps told by real SIP clients.

  --once             end after the story; the exit status is 0 only if every step succeeded
  --rounds <n>       races in step 5, 1 to 10000 (default 100)
  --sabotage <step>  kill server 2 just before this step, to see that the story notices
  --help             this text
`;

/** One Ctrl-C can arrive several times: from the terminal, from npm, from start.mjs. */
const samePressMs = 1000;

const { help: helpWanted, once, rounds, sabotage } = readArguments();
if (helpWanted) {
  process.stdout.write(help);
} else {
  const folder = await mkdtemp(join(tmpdir(), "aorta-story-"));
  const show = new Show({
    folder,
    once,
    rounds: Number(rounds),
    ...(sabotage !== undefined && { sabotagedStep: Number(sabotage) }),
    style: { colour: process.stdout.isTTY && !process.env["NO_COLOR"] },
    write: (text) => process.stdout.write(`${text}\n`),
  });
  process.on("exit", () => show.abandon());
  let askedMs: number | undefined;
  const stop = (): void => {
    askedMs ??= performance.now();
    if (show.stop() === "stopping" || performance.now() - askedMs < samePressMs) return;
    show.abandon(); // asked again: no more patience
    process.exit(130);
  };
  // SIGHUP: the terminal was closed, and nothing can be printed any more.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stop);
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  process.exitCode = await show.run().finally(() => rm(folder, { recursive: true, force: true }));
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        once: { type: "boolean", default: false },
        rounds: { type: "string", default: "100" },
        sabotage: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.sabotage !== undefined && !/^[1-6]$/.test(values.sabotage))
      throw new Error("--sabotage takes a step, 1 to 6.");
    if (!/^[1-9]\d{0,3}$|^10000$/.test(values.rounds)) throw new Error("--rounds takes a number, 1 to 10000.");
    return values;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${help}`);
    process.exit(2);
  }
}
