import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const root = dirname(dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url))))));

interface Run {
  readonly status: number;
  readonly lines: readonly string[];
}

describe("The report of a test run", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "aorta-test-"));
  });

  afterEach(() => rm(folder, { recursive: true }));

  const run = async (tests: string): Promise<Run> => {
    const file = join(folder, "some.test.cjs");
    await writeFile(file, tests);
    const mocha = join(root, "node_modules/mocha/bin/mocha.js");
    const reporter = join(root, ".ci/mocha-totals.cjs");
    const args = [mocha, "--no-config", "--reporter", reporter, "--reporter-option", "lingerMs=300", file];
    return new Promise((resolve) => {
      execFile(process.execPath, args, { cwd: folder, env: { ...process.env, FORCE_COLOR: "0" } }, (error, stdout) => {
        resolve({ status: error === null ? 0 : Number(error.code), lines: stdout.trimEnd().split("\n") });
      });
    });
  };

  it("ends with the totals, and with 0 when all passed", async () => {
    const { status, lines } = await run('it("a", () => {}); it("b", () => {}); it("c");');
    expect(status).to.equal(0);
    expect(lines.slice(-2)).to.deep.equal(["  1 skipped", "2 passed, 0 failed"]);
  });

  it("ends with another status when a test failed", async () => {
    const { status, lines } = await run('it("a", () => {}); it("b", () => { throw new Error("no"); });');
    expect(status).to.equal(1);
    expect(lines.at(-1)).to.equal("1 passed, 1 failed");
  });

  it("says that tests did not run because a hook failed", async () => {
    const { status, lines } = await run(
      'describe("x", () => { before(() => { throw new Error("no"); }); it("a", () => {}); });',
    );
    expect(status).to.equal(1);
    expect(lines.slice(-2)).to.deep.equal([
      "  1 of the failures are of hooks: tests behind them did not run",
      "0 passed, 1 failed",
    ]);
  });

  it("fails a run that leaves something open, and names it", async () => {
    const { status, lines } = await run('it("a", () => { setInterval(() => {}, 1000); });');
    expect(status).to.equal(1);
    expect(lines.slice(-2)).to.deep.equal(["  still open 0.3 s after the last test: Timeout", "1 passed, 1 failed"]);
  });
});
