import { expect } from "chai";
import { BALLOT_MAX } from "../../../../dht-schema/ballot.ts";
import { BallotCounter, COUNTER_GROWTH_PER_SECOND } from "../../../../node/directory/core/ballot-counter.ts";

describe("the counter of a server's ballots", () => {
  it("goes above every counter seen", () => {
    const counter = new BallotCounter(0, 10);
    expect(counter.next()).to.equal(11);
    expect(counter.follow(500)).to.equal(true);
    expect(counter.follow(400)).to.equal(true);
    expect(counter.next()).to.equal(501);
  });

  it("follows a leap no faster than counters grow, and a true one all the way after a while", () => {
    const counter = new BallotCounter(0, 0);
    const far = COUNTER_GROWTH_PER_SECOND * 3;
    expect(counter.follow(far)).to.equal(false);
    expect(counter.value).to.equal(COUNTER_GROWTH_PER_SECOND);
    expect(counter.follow(far), "no time has passed").to.equal(false);
    expect(counter.value).to.equal(COUNTER_GROWTH_PER_SECOND);
    counter.pass(1_000);
    expect(counter.follow(far)).to.equal(false);
    counter.pass(2_000);
    expect(counter.follow(far)).to.equal(true);
    expect(counter.next()).to.equal(far + 1);
  });

  it("saves no room from long quiet times", () => {
    const counter = new BallotCounter(0, 0);
    counter.pass(1_000_000_000);
    expect(counter.follow(COUNTER_GROWTH_PER_SECOND + 1)).to.equal(false);
  });

  it("loses no room to a clock that is looked at often", () => {
    const counter = new BallotCounter(0, 0);
    counter.follow(COUNTER_GROWTH_PER_SECOND);
    for (let nowMs = 0; nowMs <= 1_000; nowMs += 0.01) counter.pass(nowMs);
    counter.follow(2 ** 40);
    expect(counter.value).to.be.above(1.99 * COUNTER_GROWTH_PER_SECOND);
  });

  it("ends at the highest that a ballot can have", () => {
    const counter = new BallotCounter(0, BALLOT_MAX.counter - 1);
    expect(counter.next()).to.equal(BALLOT_MAX.counter);
    expect(counter.next()).to.equal(undefined);
  });
});
