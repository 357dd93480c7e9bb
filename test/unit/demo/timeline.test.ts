import { stripVTControlCharacters } from "node:util";
import { expect } from "chai";
import fc from "fast-check";
import {
  formatMs,
  quantile,
  renderEvent,
  renderHeading,
  renderTable,
  renderVerdict,
} from "../../../node/demo/timeline.ts";

const plain = { colour: false };
const colourful = { colour: true };

describe("The timeline", () => {
  it("aligns who, what and epoch, whatever their lengths", () => {
    const lines = [
      renderEvent({ atMs: 0, server: "server 1", who: "joe", what: "subscribes", epoch: "1.1.0" }, plain),
      renderEvent({ atMs: 12_345.6, server: "", who: "alice", what: "writes", epoch: "1.12.2" }, plain),
    ];
    expect(lines[0]).to.equal(
      "      +0 ms  server 1  joe    subscribes                                                          epoch 1.1.0",
    );
    expect(lines.map((line) => line.indexOf("epoch"))).to.deep.equal([98, 98]);
    expect(lines.map((line) => line.search(/subscribes|writes/))).to.deep.equal([30, 30]);
  });

  it("leaves no blanks at the end of a line", () => {
    expect(renderEvent({ atMs: 1, server: "", who: "", what: "" }, plain)).to.equal("      +1 ms");
  });

  it("uses colour only where it is told to, and says the same with and without", () => {
    const event = { atMs: 3, server: "server 2", who: "alice", what: "registers", epoch: "1.2.1" };
    for (const render of [
      (style: { colour: boolean }) => renderEvent(event, style),
      (style: { colour: boolean }) => renderHeading(2, "alice registers", style),
      (style: { colour: boolean }) => renderVerdict(true, "held", style),
      (style: { colour: boolean }) => renderTable([{ title: "server", align: "left" }], [["1"]], style),
    ]) {
      expect(render(plain)).not.to.include("\u001b");
      expect(render(colourful)).to.include("\u001b");
      expect(stripVTControlCharacters(render(colourful))).to.equal(render(plain));
    }
  });

  it("tells success from failure without colour too", () => {
    expect(renderVerdict(true, "held", plain)).to.equal("     ✔ held");
    expect(renderVerdict(false, "lost", plain)).to.equal("     ✘ lost");
  });

  it("draws a table with numbers to the right", () => {
    const columns = [
      { title: "owner", align: "left" },
      { title: "rounds", align: "right" },
    ] as const;
    const rows = [
      ["server 1", "7"],
      ["server 2", "93"],
    ];
    expect(renderTable(columns, rows, plain).split("\n")).to.deep.equal([
      "     owner      rounds",
      "     ────────   ──────",
      "     server 1        7",
      "     server 2       93",
    ]);
  });

  it("takes a quantile that at least that share of the values does not exceed", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(), { minLength: 1 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (values, share) => {
          const found = quantile(values, share);
          expect(values).to.include(found);
          expect(values.filter((value) => value <= found).length).to.be.at.least(share * values.length - 1e-9);
          expect(values.filter((value) => value < found).length).to.be.below(share * values.length + 1e-9);
        },
      ),
    );
    expect(() => quantile([], 0.5)).to.throw(RangeError);
  });

  it("shows fractions of milliseconds only where they matter", () => {
    expect([0.04, 3.21, 99.94, 100, 2999.6].map(formatMs)).to.deep.equal([
      "0.0 ms",
      "3.2 ms",
      "99.9 ms",
      "100 ms",
      "3000 ms",
    ]);
  });
});
