import { expect } from "chai";
import { parseAor } from "../../../../dht-schema/aor.ts";
import type { Epoch } from "../../../../dht-schema/ballot.ts";
import type { OwnerState } from "../../../../node/directory/core/context.ts";
import { EpochChecker } from "../../../../sim/checkers/epochs.ts";
import type { Believer } from "../../../../sim/checkers/exclusivity.ts";
import { ExclusivityChecker } from "../../../../sim/checkers/exclusivity.ts";
import { FencingChecker } from "../../../../sim/checkers/fencing.ts";
import { Violation } from "../../../../sim/checkers/violation.ts";
import { checkFresh, WatchChecker } from "../../../../sim/checkers/watches.ts";

const ALICE = parseAor("sip:alice@example.com");
const epoch = (counter: number, member = 1): Epoch => ({ version: 1, counter, member });
const owner = (counter: number, member = 1): OwnerState => ({ kind: "owner", epoch: epoch(counter, member) });

/** The invariant that is broken, or `kept`. */
function broken(check: () => void): string {
  try {
    check();
    return "kept";
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return error.invariant;
  }
}

describe("the checker of epochs (I1)", () => {
  const [one, other] = [{}, {}];

  it("wants each claim to win by a greater epoch than every earlier one", () => {
    const checker = new EpochChecker(false);
    expect(broken(() => checker.claimed(0, one, ALICE, epoch(5), undefined))).to.equal("kept");
    expect(broken(() => checker.claimed(1, other, ALICE, epoch(6, 2), undefined))).to.equal("kept");
    expect(broken(() => checker.claimed(2, one, ALICE, epoch(4), undefined))).to.equal("I1");
  });

  it("counts once an epoch that a process is told again, and lets no other process win it", () => {
    const checker = new EpochChecker(false);
    checker.claimed(0, one, ALICE, epoch(5), undefined);
    expect(broken(() => checker.claimed(1, one, ALICE, epoch(5), undefined))).to.equal("kept");
    expect(broken(() => checker.claimed(2, other, ALICE, epoch(5), undefined))).to.equal("I1");
  });

  it("with wrong clocks lets claims that overlap win in either order, and no others", () => {
    const checker = new EpochChecker(true);
    const before = checker.highest(ALICE);
    checker.claimed(0, one, ALICE, epoch(6), before);
    expect(broken(() => checker.claimed(1, other, ALICE, epoch(5, 2), before))).to.equal("kept");
    expect(broken(() => checker.claimed(2, other, ALICE, epoch(4, 2), checker.highest(ALICE)))).to.equal("I1");
  });
});

describe("the checker of exclusivity (I2)", () => {
  class Server implements Believer {
    readonly number: number;
    untilMs = 0;
    constructor(number: number) {
      this.number = number;
    }
    believes(nowMs: number): Epoch | undefined {
      return nowMs < this.untilMs ? epoch(this.number, this.number) : undefined;
    }
  }

  for (const way of ["after a step", "looking at all"] as const) {
    it(`finds two servers that believe at once, ${way}`, () => {
      const checker = new ExclusivityChecker();
      const [a, b] = [new Server(1), new Server(2)];
      const look = (nowMs: number, server: Server) => {
        if (way === "looking at all") return checker.lookAtAll(nowMs, [ALICE], [a, b]);
        const believed = server.believes(nowMs);
        if (believed !== undefined) checker.believed(nowMs, ALICE, believed, server);
      };
      a.untilMs = 10;
      expect(broken(() => look(0, a))).to.equal("kept");
      expect(broken(() => look(5, a))).to.equal("kept");
      b.untilMs = 20;
      expect(broken(() => look(9, b))).to.equal("I2");
      expect(broken(() => look(11, b))).to.equal("kept");
      expect(broken(() => look(12, a))).to.equal("kept");
    });
  }
});

describe("the checker of fencing (I3)", () => {
  it("lets nobody act by a lower epoch than it was shown, and forgets with the process", () => {
    const checker = new FencingChecker();
    const [life, next] = [{}, {}];
    checker.shown(life, ALICE, epoch(5));
    expect(broken(() => checker.acted(0, life, ALICE, epoch(5), "a message"))).to.equal("kept");
    expect(broken(() => checker.acted(0, life, ALICE, epoch(4), "a message"))).to.equal("I3");
    expect(broken(() => checker.acted(0, next, ALICE, epoch(4), "a message"))).to.equal("kept");
    expect(
      broken(() => checker.acted(0, next, ALICE, epoch(3), "a message")),
      "it acted by a higher one",
    ).to.equal("I3");
  });
});

describe("the checker of watches (I4)", () => {
  it("wants what is told never to go back, unless the watch begins anew", () => {
    const checker = new WatchChecker();
    const watcher = { life: {}, number: 3 };
    checker.told(0, watcher, ALICE, owner(5));
    expect(broken(() => checker.told(1, watcher, ALICE, { kind: "missed" }))).to.equal("kept");
    expect(broken(() => checker.told(2, watcher, ALICE, owner(5)))).to.equal("kept");
    expect(broken(() => checker.told(3, watcher, ALICE, owner(4)))).to.equal("I4");
    checker.unwatched(watcher.life, ALICE);
    expect(broken(() => checker.told(4, watcher, ALICE, owner(4)))).to.equal("kept");
  });

  it("gives a watch that was told something wrong some time to be told right, or that it may have missed changes", () => {
    const truth = { server: 2, epoch: epoch(7, 2), sinceMs: 100 };
    const fresh = (nowMs: number, state: OwnerState, atMs: number) =>
      broken(() => checkFresh(nowMs, 3, ALICE, { state, atMs }, truth, 50));
    expect(fresh(1_000, owner(7, 2), 0)).to.equal("kept");
    expect(fresh(1_000, { kind: "missed" }, 0)).to.equal("kept");
    expect(fresh(150, owner(5, 1), 0), "it changed 50 ms ago").to.equal("kept");
    expect(fresh(151, owner(5, 1), 0)).to.equal("I4");
    expect(fresh(1_000, { kind: "nobody" }, 950), "it was told 50 ms ago").to.equal("kept");
    expect(fresh(1_001, { kind: "nobody" }, 950)).to.equal("I4");
  });
});
