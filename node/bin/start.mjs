// npm start: makes the clone ready, then plays the story of three servers. Options go to the story (--help lists them).
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensure, nodeForOurCode } from "./ensure.mjs";

ensure();
const main = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), "dist/node/demo/main.js");
const story = spawn(nodeForOurCode(), ["--enable-source-maps", main, ...process.argv.slice(2)], { stdio: "inherit" });

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => story.kill(signal));
story.on("exit", (code, signal) => {
  process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
});
