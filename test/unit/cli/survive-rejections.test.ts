import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect } from "chai";

/** A program that does something between being made to survive and its end. */
async function program(
  what: string,
): Promise<{ readonly code: unknown; readonly stdout: string; readonly stderr: string }> {
  const at = (path: string) => JSON.stringify(new URL(`../../../node/${path}`, import.meta.url).href);
  const lines = [
    `import { surviveRejections } from ${at("cli/commands/up/survive-rejections.js")};`,
    `import { createLogger } from ${at("runtime/logger.js")};`,
    'surviveRejections(process, createLogger("info"));',
    what,
    "setTimeout(() => console.log('alive'), 20);",
  ];
  return promisify(execFile)(process.execPath, ["--input-type=module", "--eval", lines.join("\n")]).then(
    (ending) => ({ code: 0, ...ending }),
    (error: { code: unknown; stdout: string; stderr: string }) => error,
  );
}

describe("a fault of the program", () => {
  it("behind an await is in the log, a few lines a second, and nothing ends", async () => {
    const { code, stdout, stderr } = await program(
      "for (let i = 0; i < 20; i++) Promise.reject(new Error('fault ' + i));",
    );
    expect([code, stdout]).to.deep.equal([0, "alive\n"]);
    const lines = stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { level: number; msg: string; err: Error });
    expect(lines).to.have.length(5);
    expect(lines[0]).to.deep.include({ level: 50, msg: "a fault of this program" });
    expect(lines[0]!.err.message).to.equal("fault 0");
  });

  it("elsewhere ends the process", async () => {
    const { code, stdout, stderr } = await program("queueMicrotask(() => { throw new Error('fault'); });");
    expect([code, stdout]).to.deep.equal([1, ""]);
    expect(stderr).to.include("fault");
  });
});
