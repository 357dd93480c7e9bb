import { expect } from "chai";
import { GuessThrottle } from "../../../../node/sip/auth/guess-throttle.ts";

const RULES = { perUser: 3, perSource: 6, firstMs: 1000, longestMs: 8000, forgetMs: 60_000, remembered: 10 };

function setUp() {
  return new GuessThrottle(RULES);
}

describe("the throttle of guessed passwords", () => {
  it("lets a few wrong ones pass, then makes the user's next wait, twice as long each time, up to a bound", () => {
    const throttle = setUp();
    const waits = Array.from({ length: 9 }, () => {
      throttle.wrong("alice", "a", 0);
      return throttle.waitMs("alice", "b", 0);
    });
    expect(waits).to.deep.equal([0, 0, 0, 1000, 2000, 4000, 8000, 8000, 8000]);
    expect(throttle.waitMs("alice", "b", 7999)).to.equal(1);
    expect(throttle.waitMs("alice", "b", 8000)).to.equal(0);
    expect(throttle.waitMs("bob", "b", 0)).to.equal(0);
  });

  it("slows a source that tries one password on many users", () => {
    const throttle = setUp();
    for (let i = 0; i < 7; i++) throttle.wrong(`user ${i}`, "a", 0);
    expect(throttle.waitMs("another", "a", 0)).to.equal(1000);
    expect(throttle.waitMs("another", "b", 0)).to.equal(0);
  });

  it("slows guesses at one user from many sources", () => {
    const throttle = setUp();
    for (let i = 0; i < 4; i++) throttle.wrong("alice", `source ${i}`, 0);
    expect(throttle.waitMs("alice", "another", 0)).to.equal(1000);
  });

  it("keeps nobody waiting where they have shown the right password, whoever guesses elsewhere", () => {
    const throttle = setUp();
    throttle.right("alice", "home", 0);
    for (let i = 0; i < 20; i++) throttle.wrong("alice", "a", 0);
    for (let i = 0; i < 20; i++) throttle.wrong(`user ${i % 3}`, "home", 0);
    expect(throttle.waitMs("alice", "home", 0)).to.equal(0);
    expect(throttle.waitMs("alice", "elsewhere", 0)).to.equal(8000);
    expect(throttle.waitMs("bob", "home", 0)).to.equal(8000);
  });

  it("slows guesses from where the user is known too, after more of them, and the right one in between changes nothing", () => {
    const throttle = setUp();
    throttle.right("alice", "home", 0);
    for (let i = 0; i < 6; i++) throttle.wrong("alice", "home", 0);
    expect(throttle.waitMs("alice", "home", 0)).to.equal(0);
    throttle.right("alice", "home", 0);
    throttle.wrong("alice", "home", 0);
    expect(throttle.waitMs("alice", "home", 0)).to.equal(1000);
    expect(throttle.waitMs("alice", "elsewhere", 0), "the user elsewhere").to.equal(0);
  });

  it("forgets one wrong password in its time", () => {
    const throttle = setUp();
    for (let i = 0; i < 3; i++) throttle.wrong("alice", "a", 0);
    throttle.wrong("alice", "a", RULES.forgetMs);
    expect(throttle.waitMs("alice", "a", RULES.forgetMs)).to.equal(0);
    throttle.wrong("alice", "a", RULES.forgetMs);
    expect(throttle.waitMs("alice", "a", RULES.forgetMs)).to.equal(1000);
  });

  it("remembers no more than it may, however many users and sources are tried", () => {
    const throttle = setUp();
    for (let i = 0; i < 1000; i++) {
      throttle.wrong(`user ${i}`, `source ${i}`, 0);
      throttle.right(`user ${i}`, `source ${i}`, 0);
    }
    expect(throttle.size).to.be.within(1.5 * RULES.remembered, 3 * RULES.remembered);
  });
});
