import { expect } from "chai";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { version } from "../../node/runtime/version.ts";
import { Aorta, until } from "./aorta.ts";

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const launcher = join(root, "node/bin/aorta.mjs");
const run = promisify(execFile);

/** A Node of this machine that is too old for our code and new enough for the launcher. */
async function oldNode(): Promise<string | undefined> {
  const folders = (process.env["PATH"] ?? "").split(":").filter((folder) => !folder.includes("node_modules"));
  for (const folder of folders) {
    const file = join(folder, "node");
    const found = await run(file, ["--version"]).then(
      ({ stdout }) => Number(/^v(\d+)/.exec(stdout)?.[1]),
      () => 0,
    );
    if (found === 20 || found === 21) return file;
  }
  return undefined;
}

describe("the launcher of the aorta command", function () {
  this.timeout(30_000);

  it("runs the command, and passes on its exit code", async () => {
    expect((await run(process.execPath, [launcher, "--version"])).stdout).to.equal(`${version}\n`);
    const failed = await run(process.execPath, [launcher, "nonsense"]).catch((error: unknown) => error);
    expect(failed).to.include({ code: 2 });
  });

  it("hands over to the Node of the packages when it is started by one that is too old", async function () {
    const old = await oldNode();
    if (old === undefined) this.skip();
    expect((await run(old, [launcher, "--version"])).stdout).to.equal(`${version}\n`);
    const failed = await run(old, [launcher, "nonsense"]).catch((error: unknown) => error);
    expect(failed).to.include({ code: 2 });
  });

  it("passes SIGHUP on to a node, and leaves none behind when it is killed", async function () {
    const old = await oldNode();
    if (old === undefined) this.skip();
    const aorta = new Aorta();
    try {
      const listeners = ["--sip", "127.0.0.1:0", "--mesh", "127.0.0.1:0"];
      const up = ["up", "--domain", "example.com", "--data", aorta.path("node"), "--log-level", "silent", ...listeners];
      const launched = spawn(old, [launcher, ...up], { stdio: ["ignore", "pipe", "pipe"] });
      await once(createInterface(launched.stdout), "line");
      launched.kill("SIGHUP");
      const [told] = (await once(createInterface(launched.stderr), "line")) as [string];
      expect(told).to.include("nothing to read again");
      launched.kill("SIGKILL");
      const status = await until(
        () => aorta.run(["status", "--data", aorta.path("node")]),
        ({ code }) => code !== 0,
      );
      expect(status.stderr).to.include("no node is running");
    } finally {
      await aorta.clean();
    }
  });
});
