// npm start: makes the clone ready, then plays the story of three servers. Options go to the story (--help lists them).
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensure, nodeForOurCode } from "./ensure.mjs";

ensure();
const main = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), "dist/node/demo/main.js");
const story = spawn(nodeForOurCode(), ["--enable-source-maps", main, ...process.argv.slice(2)], { stdio: "inherit" });

// A terminal's Ctrl-C reaches the story by itself; passing it on as well would look like a second, impatient one.
process.on("SIGINT", () => process.stdin.isTTY || story.kill("SIGINT"));
process.on("SIGTERM", () => story.kill("SIGTERM"));
story.on("exit", (code, signal) => {
  process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
});
