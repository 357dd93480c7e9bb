import { expect } from "chai";
import { RosterMoves } from "../../../../node/directory/core/roster-moves.ts";
import { CoreContext } from "../../../helpers/core-context.ts";
import { numbersTo } from "../../../helpers/rosters.ts";

describe("what is moved to a new roster", () => {
  it("is no more at once where the roster changes again before the end", () => {
    const context = new CoreContext({ tuning: { movedAtOnce: 10, movePauseMs: 5 } });
    let moved = 0;
    const moves = new RosterMoves<number>(context, () => void moved++);
    for (const roster of numbersTo(4)) {
      moved = 0;
      moves.begin(roster, numbersTo(1_000).values());
      expect(moved).to.equal(10);
      moves.finish(roster);
      expect([moved, moves.isOver]).to.deep.equal([1_000, true]);
    }
    moved = 0;
    moves.begin(4, numbersTo(1_000).values());
    context.agenda.runDue(9);
    expect(moved).to.equal(20);
    for (let nowMs = 10; !moves.isOver; nowMs++) context.agenda.runDue(nowMs);
    expect(moved).to.equal(1_000);
  });
});
