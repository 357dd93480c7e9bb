import { spawnSync } from "node:child_process";
import { expect } from "chai";
import { openFilesIn, openFilesMax } from "../../../node/runtime/open-files.ts";

describe("how many files may be open", () => {
  it("is what the system says", function () {
    const { status, stdout } = spawnSync("sh", [
      "-c",
      `ulimit -n 200 && "$0" --input-type=module -e "$1"`,
      process.execPath,
      `
      const { openFilesMax } = await import(${JSON.stringify(new URL("../../../node/runtime/open-files.js", import.meta.url).href)});
      console.log(openFilesMax());
    `,
    ]);
    if (status !== 0) this.skip();
    expect(String(stdout).trim()).to.equal("200");
    expect(openFilesMax()).to.be.greaterThan(0);
  });

  it("is infinite where there is no bound, or none is told", () => {
    expect(openFilesIn({ userLimits: { open_files: { soft: "unlimited", hard: "unlimited" } } })).to.equal(Infinity);
    expect(openFilesIn({})).to.equal(Infinity);
  });
});
