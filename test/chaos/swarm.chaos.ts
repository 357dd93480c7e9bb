import { existsSync, readFileSync } from "node:fs";
import { expect } from "chai";
import type { Figures } from "../../sim/chaos/figures.ts";
import { Aorta, ending } from "../cli/aorta.ts";

/** What `aorta chaos --json` prints. */
interface Report {
  readonly ok: boolean;
  readonly interrupted: boolean;
  readonly findings: readonly { readonly promise: string; readonly what: string }[];
  readonly figures: Figures;
  readonly replay: string;
  readonly report: string;
}

/** Two kills, two freezes, a server wiped and replaced, links cut both ways and one. */
const seed = 223;

describe("chaos on a real swarm", function () {
  this.timeout(240_000);
  const aorta = new Aorta();
  after(() => aorta.clean());

  const command = (name: string, ...more: string[]) => {
    const size = ["--servers", "5", "--minutes", "0.4", "--seed", String(seed)];
    return ["chaos", ...size, "--report", aorta.path(name), "--json", ...more];
  };

  it("leaves every promise kept, while servers die, freeze, are cut off, wiped and replaced", async () => {
    const { code, stdout, stderr } = await aorta.run(command("clean"));
    const { ok, findings, figures, report } = JSON.parse(stdout) as Report;
    expect(findings, stderr).to.deep.equal([]);
    expect([code, ok]).to.deep.equal([0, true]);
    // A busy machine leaves some out.
    expect(Object.keys(figures.faults)).to.have.length.of.at.least(4);
    expect(figures.moves.all).to.be.above(20);
    expect(figures.messages.delivered).to.be.above(50);
    expect(readFileSync(report, "utf8")).to.match(/^<!doctype html>[^]*every promise was kept[^]*<svg /);
    expect(existsSync(aorta.path("clean/s1")), "data of a clean run").to.equal(false);
  });

  it("finds two owners where a clock is wrong; yet epochs grow, and what the stale one says is refused", async () => {
    const { code, stdout, stderr } = await aorta.run(command("wrong", "--wrong-clock", "2"));
    const { ok, findings, replay } = JSON.parse(stdout) as Report;
    const promises = findings.map(({ promise }) => promise);
    expect(promises, stderr).to.include.members(["I2", "linearizability"]);
    for (const kept of ["I1", "I3"]) expect(promises, stderr).not.to.include(kept);
    for (const { what } of findings.filter(({ promise }) => promise === "I2")) {
      expect(what).to.match(/^sip:\w+@example\.com is owned by server \d by \S+ and server \d by \S+$/);
      expect(what, "one of the two").to.contain(" server 2 by ");
    }
    expect([code, ok]).to.deep.equal([1, false]);
    expect(replay).to.equal(`aorta chaos --servers 5 --minutes 0.4 --seed ${seed} --wrong-clock 2`);
    for (const kept of ["plan.json", "report.html", "s2.jsonl", "s2.log", "s2"]) {
      expect(existsSync(aorta.path(`wrong/${kept}`)), kept).to.equal(true);
    }
  });

  it("ends at Ctrl-C, with a report and without leaving a server behind", async () => {
    const child = aorta.spawn(command("interrupted"));
    const ended = ending(child);
    // The first fault has begun.
    child.stderr?.on("data", (text) => /\d s {2}/.test(String(text)) && child.kill("SIGINT"));
    const { code, stdout } = await ended;
    expect(JSON.parse(stdout)).to.include({ ok: true, interrupted: true });
    expect(code).to.equal(130);
    const left = await aorta.run(["status", "--data", aorta.path("interrupted/s1")]);
    expect(left.code).to.equal(1);
  });
});
