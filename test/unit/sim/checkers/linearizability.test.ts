import { expect } from "chai";
import fc from "fast-check";
import type { Epoch } from "../../../../dht-schema/ballot.ts";
import type { Action, Operation } from "../../../../sim/checkers/linearizability.ts";
import { judgeHistory } from "../../../../sim/checkers/linearizability.ts";

const epoch = (counter: number, member: number): Epoch => ({ version: 1, counter, member });
const between = (startMs: number, endMs: number, server: number, action: Action): Operation => ({
  startMs,
  endMs,
  server,
  action,
});
const won = (startMs: number, endMs: number, server: number, counter: number) =>
  between(startMs, endMs, server, { kind: "claim", epoch: epoch(counter, server) });
const unknown = (startMs: number, server: number) =>
  between(startMs, Infinity, server, { kind: "claim", epoch: undefined });
const ended = (startMs: number, endMs: number, server: number, counter: number) =>
  between(startMs, endMs, server, { kind: "end", epoch: epoch(counter, server) });
const found = (startMs: number, endMs: number, server: number | "nobody") =>
  between(startMs, endMs, 9, { kind: "lookup", found: server });

const isLinearizable = (...operations: Operation[]) => judgeHistory(operations) === "fits";

describe("a history of one user that fits into an order", () => {
  it("may be empty", () => {
    expect(isLinearizable()).to.equal(true);
  });

  it("has one owner after the other, with rising epochs", () => {
    expect(isLinearizable(won(0, 10, 1, 1), ended(20, 25, 1, 1), won(15, 30, 2, 2), found(31, 35, 2))).to.equal(true);
  });

  it("may have a lookup see what a claim does that is still under way, or what was before it", () => {
    expect(isLinearizable(won(0, 10, 1, 1), found(5, 6, 1), found(5, 6, "nobody"))).to.equal(true);
  });

  it("may have a server found that is about to own or has just ceased to, while nobody does", () => {
    expect(isLinearizable(found(0, 1, 2), won(2, 3, 2, 1), ended(4, 5, 2, 1), found(6, 7, 2))).to.equal(true);
  });

  it("may have the same epoch told again to who asks while owning", () => {
    expect(isLinearizable(won(0, 10, 1, 1), won(0, 12, 1, 1), won(20, 20, 1, 1))).to.equal(true);
  });

  it("may have an owner go on under a higher epoch of its own", () => {
    expect(isLinearizable(won(0, 1, 1, 1), won(5, 5, 1, 7), ended(8, 9, 1, 7), found(10, 11, "nobody"))).to.equal(true);
  });

  it("may have a lease end at any instant between being seen alive and being seen over", () => {
    expect(isLinearizable(won(0, 1, 1, 1), ended(10, 90, 1, 1), found(15, 16, 1), won(20, 40, 2, 2))).to.equal(true);
  });

  it("may or may not have a claim of unknown outcome take effect, however late", () => {
    expect(isLinearizable(unknown(0, 1), found(50, 51, "nobody"))).to.equal(true);
    expect(isLinearizable(unknown(0, 1), found(50, 51, 1), found(60, 61, 1))).to.equal(true);
    expect(isLinearizable(unknown(0, 1), found(50, 51, "nobody"), found(90, 91, 1))).to.equal(true);
  });
});

describe("a history of one user that fits into no order", () => {
  it("has two servers win without the first one stopping", () => {
    expect(judgeHistory([won(0, 10, 1, 1), won(20, 30, 2, 2)])).to.have.property(
      "wrong",
      "server 2 claimed and won 1.2.2 from 20.000 to 30.000 ms: before it server 1 owned by 1.1.1, " +
        "and meanwhile there was nothing else",
    );
  });

  it("has a lower epoch won after a higher one", () => {
    expect(isLinearizable(won(0, 1, 1, 5), ended(2, 3, 1, 5), won(4, 5, 2, 4))).to.equal(false);
  });

  it("has one epoch won by two servers that overlap", () => {
    expect(isLinearizable(won(0, 10, 1, 1), won(0, 10, 2, 1))).to.equal(false);
  });

  it("says nobody while one server owned all the while", () => {
    expect(isLinearizable(won(0, 10, 1, 1), found(11, 20, "nobody"), ended(21, 22, 1, 1))).to.equal(false);
  });

  it("finds one server while another owned all the while", () => {
    expect(isLinearizable(won(0, 10, 1, 1), found(11, 20, 2))).to.equal(false);
  });

  it("finds a former owner after the next one won", () => {
    const moved = [won(0, 1, 1, 1), ended(2, 3, 1, 1), won(2, 5, 2, 2)];
    expect(isLinearizable(...moved, found(2, 6, 1))).to.equal(true);
    expect(isLinearizable(...moved, found(6, 7, 1))).to.equal(false);
  });

  it("has an owner stop that never won", () => {
    expect(isLinearizable(ended(0, 1, 1, 1))).to.equal(false);
  });

  it("has two lookups, one after the other, see a move the wrong way round", () => {
    const move = [won(0, 1, 1, 1), ended(10, 20, 1, 1), won(10, 20, 2, 2)];
    expect(isLinearizable(...move, found(11, 12, 1), found(13, 14, 2))).to.equal(true);
    expect(isLinearizable(...move, found(11, 12, "nobody"), found(13, 14, 1), found(15, 16, 2))).to.equal(true);
    expect(isLinearizable(...move, found(21, 22, "nobody"))).to.equal(false);
  });
});

/** The obvious way: every order that time allows. */
function isLinearizableByTrying(operations: readonly Operation[]): boolean {
  const go = (left: readonly Operation[], prefix: readonly Operation[]): boolean => {
    if (left.every(({ endMs }) => endMs === Infinity)) return true;
    const firstEndMs = Math.min(...left.map(({ endMs }) => endMs));
    return left.some(
      (next) =>
        next.startMs <= firstEndMs &&
        fits([...prefix, next]) &&
        go(
          left.filter((other) => other !== next),
          [...prefix, next],
        ),
    );
  };
  return go(operations, []);
}

/** Whether operations in this order, each after the other, are linearizable: as a history without overlaps. */
function fits(operations: readonly Operation[]): boolean {
  const apart = operations.map((operation, at) => ({ ...operation, startMs: at * 2, endMs: at * 2 + 1 }));
  return judgeHistory(apart) === "fits";
}

describe("the search for an order", () => {
  const operation = fc
    .record({
      startMs: fc.integer({ min: 0, max: 12 }),
      lengthMs: fc.integer({ min: 0, max: 8 }),
      server: fc.integer({ min: 1, max: 2 }),
      kind: fc.constantFrom("won", "ended", "found", "nobody", "unknown"),
      counter: fc.integer({ min: 1, max: 3 }),
    })
    .map(({ startMs, lengthMs, server, kind, counter }) => {
      const endMs = startMs + lengthMs;
      if (kind === "won") return won(startMs, endMs, server, counter);
      if (kind === "ended") return ended(startMs, endMs, server, counter);
      if (kind === "unknown") return unknown(startMs, server);
      return found(startMs, endMs, kind === "found" ? server : "nobody");
    });

  it("finds one where trying every order does, and only there", () => {
    let linearizable = 0;
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 6 }), (operations) => {
        const expected = isLinearizableByTrying(operations);
        if (expected) linearizable++;
        expect(judgeHistory(operations) === "fits").to.equal(expected);
      }),
      { numRuns: 1_000 },
    );
    expect(linearizable, "the histories must not all be bad").to.be.within(50, 950);
  });

  it("follows a long history with twenty lookups under way at any time", () => {
    const operations: Operation[] = [];
    for (let at = 0; at < 3_000; at++) {
      const ms = at * 10;
      operations.push(won(ms, ms + 4, (at % 3) + 1, at + 1), ended(ms + 5, ms + 9, (at % 3) + 1, at + 1));
      operations.push(found(ms, ms + 100, "nobody"), found(ms, ms + 100, (at % 3) + 1));
    }
    expect(judgeHistory(operations)).to.equal("fits");
  }).timeout(30_000);

  it("is given up where there are too many ways to follow, and says so", () => {
    const operations = Array.from({ length: 16 }, (_, at) => won(0, 1_000, 1, at + 1));
    operations.push(...Array.from({ length: 16 }, () => unknown(0, 2)));
    expect(judgeHistory([...operations, won(1_100, 1_200, 2, 100)])).to.equal("undecided");
  }).timeout(30_000);
});
