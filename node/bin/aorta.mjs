#!/usr/bin/env node
// The operator's command. It runs on any Node from 20 on: where this one is too old for our code, it hands over to the
// one that the packages bring along; and it makes a fresh clone ready first.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ensure, isNewEnough, nodeForOurCode } from "./ensure.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const main = join(dirname(dirname(here)), "dist/node/cli/main.js");
if (!existsSync(main)) ensure();

if (isNewEnough()) {
  process.setSourceMapsEnabled(true);
  await import(pathToFileURL(main).href);
} else {
  const lifeline = pathToFileURL(join(here, "lifeline.mjs")).href;
  const args = ["--enable-source-maps", "--import", lifeline, main, ...process.argv.slice(2)];
  const command = spawn(nodeForOurCode(), args, { stdio: ["inherit", "inherit", "inherit", "ipc"] });
  // A terminal's Ctrl-C reaches the command by itself; passing it on as well would look like a second, impatient one.
  process.on("SIGINT", () => process.stdin.isTTY || command.kill("SIGINT"));
  for (const signal of ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"]) process.on(signal, () => command.kill(signal));
  command.on("exit", (code, signal) => {
    process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
  });
}
