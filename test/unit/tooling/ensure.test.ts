import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const root = dirname(dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url))))));

const lock = {
  packages: {
    "": { name: "clone" },
    "node_modules/needed": { version: "1.2.3" },
    "node_modules/for-another-platform": { version: "4.5.6", optional: true },
  },
};
const installed = { packages: { "node_modules/needed": { version: "1.2.3" } } };

/** A clone with a lock file, an `npm` that notes its calls and installs, and a compiler that notes its. */
class Clone {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<Clone> {
    const clone = new Clone(await mkdtemp(join(tmpdir(), "aorta-test-")));
    await clone.write("package-lock.json", JSON.stringify(lock));
    await mkdir(join(clone.folder, "node/bin"), { recursive: true });
    await cp(join(root, "node/bin/ensure.mjs"), join(clone.folder, "node/bin/ensure.mjs"));
    await clone.write("packed/tsc", 'require("node:fs").appendFileSync("calls", "tsc\\n");');
    await clone.write("packed/lock", JSON.stringify(installed));
    await clone.npmThat(
      "mkdir -p node_modules/typescript/bin && cp packed/tsc node_modules/typescript/bin/tsc && " +
        "cp packed/lock node_modules/.package-lock.json",
    );
    return clone;
  }

  async npmThat(script: string): Promise<void> {
    await this.write("path/npm", `#!/bin/sh\necho "npm $*" >> calls\n${script}\n`);
    await chmod(join(this.folder, "path/npm"), 0o755);
  }

  async write(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.folder, path)), { recursive: true });
    await writeFile(join(this.folder, path), text);
  }

  /** Runs ensure.mjs; the calls that it made, its status and what it said. */
  async ensure(): Promise<{ calls: string[]; status: number; said: string }> {
    await rm(join(this.folder, "calls"), { force: true });
    const env = { ...process.env, PATH: `${join(this.folder, "path")}${delimiter}${process.env["PATH"]}` };
    const ran = await new Promise<{ status: number; said: string }>((resolve) => {
      execFile(process.execPath, ["node/bin/ensure.mjs"], { cwd: this.folder, env }, (error, _stdout, said) =>
        resolve({ status: error === null ? 0 : Number(error.code), said }),
      );
    });
    const calls = await readFile(join(this.folder, "calls"), "utf8").catch(() => "");
    return { ...ran, calls: calls.split("\n").filter((line) => line !== "") };
  }
}

describe("Making a clone ready", () => {
  let clone: Clone;

  beforeEach(async () => {
    clone = await Clone.create();
  });

  afterEach(() => rm(clone.folder, { recursive: true }));

  it("installs and compiles at first, and afterwards only compiles", async () => {
    const first = await clone.ensure();
    expect(first.calls).to.deep.equal(["npm ci --include=dev --loglevel=error", "tsc"]);
    expect(first.said).to.include("installing packages");
    const second = await clone.ensure();
    expect(second).to.deep.equal({ calls: ["tsc"], status: 0, said: "" });
  });

  it("installs again when the lock file asks for another version", async () => {
    await clone.ensure();
    await clone.write("package-lock.json", JSON.stringify(lock).replace("1.2.3", "1.2.4"));
    expect((await clone.ensure()).calls).to.include("npm ci --include=dev --loglevel=error");
  });

  it("installs again when an earlier install was cut short", async () => {
    await clone.ensure();
    await clone.write("node_modules/.package-lock.json", '{"packages": {"node_mod');
    expect((await clone.ensure()).calls).to.include("npm ci --include=dev --loglevel=error");
  });

  it("leaves packages that are linked from elsewhere alone, and says that they differ", async () => {
    await clone.ensure();
    await cp(join(clone.folder, "node_modules"), join(clone.folder, "elsewhere"), { recursive: true });
    await rm(join(clone.folder, "node_modules"), { recursive: true });
    await symlink("elsewhere", join(clone.folder, "node_modules"));
    await clone.write("package-lock.json", JSON.stringify(lock).replace("1.2.3", "1.2.4"));
    const { calls, said } = await clone.ensure();
    expect(calls).to.deep.equal(["tsc"]);
    expect(said).to.include("differs from package-lock.json");
  });

  it("deletes what was compiled from a source that is gone, and nothing else", async () => {
    await clone.write("test/kept.test.ts", "");
    for (const file of [
      "test/kept.test.js",
      "test/kept.test.js.map",
      "test/gone.test.js",
      "test/gone.test.js.map",
      "vectors.json",
    ]) {
      await clone.write(`dist/${file}`, "");
    }
    await clone.ensure();
    const left = (file: string): boolean => existsSync(join(clone.folder, "dist", file));
    expect(["test/kept.test.js", "test/kept.test.js.map", "vectors.json"].every(left)).to.equal(true);
    expect(["test/gone.test.js", "test/gone.test.js.map"].some(left)).to.equal(false);
  });

  it("ends with 1 and says what to do when npm fails", async () => {
    await clone.npmThat("exit 7");
    const { calls, status, said } = await clone.ensure();
    expect({ calls, status }).to.deep.equal({ calls: ["npm ci --include=dev --loglevel=error"], status: 1 });
    expect(said).to.include('then run "npm ci"');
  });
});
