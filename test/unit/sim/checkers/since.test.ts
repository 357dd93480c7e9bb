import { expect } from "chai";
import { parseAor } from "../../../../dht-schema/aor.ts";
import { SinceChecker } from "../../../../sim/checkers/since.ts";

const ALICE = parseAor("sip:alice@example.com");
const epoch = (counter: number, member: number) => ({ version: 1, counter, member });
const claim = { server: 1, since: epoch(3, 1) };

/** Server 1 has owned, and then server 2, which asked for it at 10 ms. */
function owned(replicasForget = false): SinceChecker {
  const checker = new SinceChecker(replicasForget);
  checker.owned(ALICE, 1, epoch(3, 1), 0);
  checker.owned(ALICE, 2, epoch(5, 2), 10);
  return checker;
}

describe("the checker of claims since an epoch", () => {
  it("sees one that is won though another server has owned later", () => {
    expect(() => owned().won(20, ALICE, claim)).to.throw("server 1 took sip:alice@example.com back since 1.3.1");
  });

  it("allows it where no other has since, or its own server has after that", () => {
    const checker = owned();
    checker.won(20, ALICE, { server: 1, since: epoch(6, 1) });
    checker.won(20, ALICE, { server: 2, since: epoch(3, 1) });
    checker.owned(ALICE, 1, epoch(7, 1), 15);
    checker.won(20, ALICE, claim);
  });

  it("excuses what a replica may have forgotten, and nothing that was asked for after that", () => {
    const checker = owned();
    checker.forgot(11);
    checker.won(20, ALICE, claim);
    checker.owned(ALICE, 2, epoch(9, 2), 30);
    expect(() => checker.won(40, ALICE, claim)).to.throw("by 1.9.2");
    owned(true).won(20, ALICE, claim);
  });

  it("does not take an epoch that is told again for one that was asked for later", () => {
    const checker = owned();
    checker.forgot(11);
    checker.owned(ALICE, 2, epoch(5, 2), 15);
    checker.won(20, ALICE, claim);
  });

  it("sees one superseded by what is not later, by its own server, or by one that never claimed", () => {
    const checker = owned();
    checker.superseded(20, ALICE, claim, epoch(5, 2), true);
    for (const [by, hasClaimed] of [
      [epoch(2, 2), true],
      [epoch(5, 1), true],
      [epoch(5, 3), false],
    ] as const) {
      expect(() => checker.superseded(20, ALICE, claim, by, hasClaimed)).to.throw("was superseded by");
    }
  });
});
