import { expect } from "chai";
import { SaxesParser } from "saxes";
import { measureGrowth } from "../../../sim/scale/growth.ts";
import { measureHotKey } from "../../../sim/scale/hot-key.ts";
import type { Load, Measured } from "../../../sim/scale/model.ts";
import { FLOWS, loadOf, totalOf } from "../../../sim/scale/model.ts";
import { measurePlacement } from "../../../sim/scale/placement.ts";
import { measureStorm } from "../../../sim/scale/storm.ts";
import { svgChart } from "../../../sim/scale/svg-chart.ts";

describe("the cost of an operation", function () {
  this.timeout(60_000);

  it("stays the same from ten members to a hundred, in frames, octets and network delays", () => {
    const [ten, hundred] = [measureGrowth(10, 150), measureGrowth(100, 150)];
    for (const [operation, cost] of Object.entries(ten.costs)) {
      const grown = hundred.costs[operation as keyof typeof hundred.costs];
      // A server that is itself one of the five replicas saves a message; in a larger domain fewer are.
      expect(grown.frames, operation).to.be.within(cost.frames, (cost.frames * 10) / 8);
      expect(grown.bytes, operation).to.be.within(cost.bytes * 0.95, (cost.bytes * 10) / 8);
      expect(grown.delays, operation).to.equal(cost.delays);
    }
  });

  it("is one round trip for a claim of a free user and for a lookup", () => {
    const { costs } = measureGrowth(5, 50);
    expect(costs["claim of a free user"].delays).to.be.closeTo(2, 1e-6);
    expect(costs.lookup.delays).to.be.closeTo(2, 1e-6);
  });
});

describe("a user whom every server watches", () => {
  it("moves with five notices a server, none of them to ask the owner again, and everyone is told", () => {
    for (const servers of [10, 40]) {
      const { notices, fromOne, confirmations } = measureHotKey(servers);
      expect(notices).to.be.at.most(5 * servers);
      expect(fromOne).to.be.below(servers);
      expect(confirmations).to.equal(0);
    }
  });
});

describe("registers", () => {
  it("lie on a hundred servers so that none has more than thrice the mean, and none has nothing", () => {
    const { fullest, emptiest, groups } = measurePlacement(100, 20_000);
    expect(fullest).to.be.within(1, 3);
    expect(emptiest).to.be.above(0.1);
    expect(groups, "distinct groups do not grow with the users").to.be.below(200);
  });
});

describe("the death of a server with many users", function () {
  this.timeout(60_000);

  it("lets all of them back in, none before its lease is out, at a bounded cost each", () => {
    const users = 200;
    const storm = measureStorm({ servers: 10, users, watchers: 1, returnMs: 20_000 });
    const total = (name: "returned" | "claimed" | "toldNobody" | "toldOwner" | "frames") =>
      storm.slices.map((slice) => slice[name]).reduce((a, b) => a + b, 0);
    expect(storm.failed).to.equal(0);
    expect(total("returned")).to.equal(users);
    expect(total("claimed")).to.equal(users);
    expect(total("toldNobody"), "each watcher hears that its user is gone").to.equal(users);
    expect(total("toldOwner"), "and where she is").to.be.at.least(users * 0.9);
    const early = storm.slices.filter(({ fromMs, claimed }) => claimed > 0 && fromMs < 7_000);
    expect(early, "granted while the dead server's leases lived").to.deep.equal([]);
    // Ten for the claim, and some ten for each of at most eight rounds while the lease lives.
    expect(total("frames") / users).to.be.below(100);
  });
});

describe("the scale model", () => {
  const cost = { frames: 10, bytes: 250, cpuMicros: 100, delays: 2 };
  const measured: Measured = {
    costs: { "claim of a free user": cost, "move from a live owner": cost, lookup: cost, watch: cost },
    noticesPerWatcher: 5,
    memory: { register: 240, ownership: 330, watch: 780, watchAtReplica: 280, session: 500, group: 440 },
  };
  const sent = (load: Load, flow: (typeof FLOWS)[number]) => load.flows[flow].framesPerSecond;

  it("says what stays flat with the number of servers, and what does not", async () => {
    const [small, large] = [await loadOf(100, measured), await loadOf(1_000, measured)];
    for (const flow of ["claims and moves", "lookups"] as const) expect(sent(large, flow)).to.equal(sent(small, flow));
    for (const flow of ["watches", "notices"] as const) {
      expect(sent(large, flow)).to.be.within(sent(small, flow), sent(small, flow) * 1.25);
    }
    expect(sent(large, "renewals") / sent(small, "renewals")).to.be.closeTo(999 / 99, 1e-6);
    expect(sent(large, "pings") / sent(small, "pings"), "pings slow down").to.be.below(5);
    expect(large.heapBytes / small.heapBytes).to.be.below(1.2);
  });

  it("lets a longer lease or fewer voters pay for more servers", async () => {
    const all = await loadOf(4_000, measured);
    const longer = await loadOf(4_000, measured, { leaseMs: 40_000 });
    const fewer = await loadOf(4_000, measured, { voters: 1_000 });
    expect(sent(longer, "renewals")).to.be.closeTo(sent(all, "renewals") / 4, 1e-6);
    expect(sent(fewer, "renewals"), "a voter answers every server all the same").to.be.within(
      sent(all, "renewals") / 2,
      sent(all, "renewals") * 0.7,
    );
    expect(totalOf(longer).bytesPerSecond).to.be.below(totalOf(all).bytesPerSecond);
    expect(fewer.heldRegisters).to.equal(4 * all.heldRegisters);
  });
});

describe("a chart", () => {
  it("is well-formed, names its axes and lines, and puts equal ratios at equal distances on a logarithmic axis", () => {
    const svg = svgChart({
      title: "a < b & c",
      x: { title: "servers", scale: "log", from: 1, to: 100 },
      y: { title: "frames", scale: "linear", from: 0, to: 10 },
      series: [
        {
          name: "one",
          points: [
            [1, 0],
            [10, 5],
            [100, 10],
          ],
        },
        {
          name: "two",
          points: [
            [1, 1],
            [100, 1],
          ],
          dashed: true,
        },
      ],
    });
    const texts: string[] = [];
    const lines: string[] = [];
    const parser = new SaxesParser();
    parser.on("text", (text) => void (text.trim() !== "" && texts.push(text)));
    parser.on(
      "opentag",
      ({ name, attributes }) => void (name === "polyline" && lines.push(String(attributes["points"]))),
    );
    parser.write(svg).close();
    expect(texts).to.include.members(["a < b & c", "servers", "frames", "one", "two", "1", "10", "100"]);
    const [low, middle, high] = (lines[0] as string).split(" ").map((point) => point.split(",").map(Number));
    expect(lines).to.have.length(2);
    expect((middle?.[0] ?? 0) - (low?.[0] ?? 0)).to.be.closeTo((high?.[0] ?? 0) - (middle?.[0] ?? 0), 0.2);
    expect((middle?.[1] ?? 0) - (low?.[1] ?? 0)).to.be.closeTo((high?.[1] ?? 0) - (middle?.[1] ?? 0), 0.2);
  });
});
