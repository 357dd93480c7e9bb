import { expect } from "chai";
import { parseAor } from "../../../../dht-schema/aor.ts";
import { DirectoryCore } from "../../../../node/directory/core/directory-core.ts";
import { testTuning } from "../../../helpers/core-context.ts";
import { numbersTo, testRoster } from "../../../helpers/rosters.ts";

const USERS = numbersTo(20).map((number) => parseAor(`sip:user${number}@example.com`));
/** A lease of the roster is long over. */
const LATER_MS = 60_000;

describe("what a server says to itself", () => {
  it("is looked at some at a time where a lease begins anew, and none of it is left", () => {
    const core = new DirectoryCore(0, {
      self: 1,
      roster: testRoster(1),
      boot: 1,
      ceiling: 0,
      tuning: { ...testTuning, selfMessages: 4 },
      random: () => 0.5,
      steward: false,
    });
    const settle = (nowMs: number): number[] => {
      const turns: number[] = [];
      do {
        core.tick(nowMs);
        turns.push(core.takeOutput().events.filter(({ kind }) => kind === "watched").length);
      } while (core.nextDeadlineMs() <= nowMs);
      return turns;
    };
    for (const aor of USERS) core.watch(0, aor);
    settle(0);
    for (const aor of USERS) expect(core.watched(0, aor)).to.deep.equal({ kind: "nobody" });
    for (const aor of USERS) expect(core.watched(LATER_MS, aor)).to.equal(undefined);
    const turns = settle(LATER_MS);
    expect(turns.length).to.be.greaterThan(USERS.length / 4);
    for (const aor of USERS) expect(core.watched(LATER_MS, aor)).to.deep.equal({ kind: "nobody" });
  });
});
