import { expect } from "chai";
import { Turns } from "../../../node/messaging/turns.ts";

const KEY = "joe bob";

describe("messages of one sender on their way to one recipient", () => {
  it("leave in the order in which they came, in whichever they are ready", () => {
    const turns = new Turns();
    const left: number[] = [];
    const [one, two, three] = [turns.begin(KEY), turns.begin(KEY), turns.begin(KEY)];
    three.leave(() => left.push(3));
    two.leave(() => left.push(2));
    expect(left).to.deep.equal([]);
    one.leave(() => left.push(1));
    expect(left).to.deep.equal([1, 2, 3]);
  });

  it("do not wait for one that is dealt with, nor for those of others", () => {
    const turns = new Turns();
    const left: number[] = [];
    const [one, two] = [turns.begin(KEY), turns.begin(KEY)];
    turns.begin("joe carol").leave(() => left.push(0));
    two.leave(() => left.push(2));
    expect(left).to.deep.equal([0]);
    one.end();
    expect(left).to.deep.equal([0, 2]);
  });

  it("stay while one before them has come back, and leave behind it where they have come back too", () => {
    const turns = new Turns();
    const left: string[] = [];
    const [one, two, three] = [turns.begin(KEY), turns.begin(KEY), turns.begin(KEY)];
    one.leave(() => left.push("1"));
    two.leave(() => left.push("2"));
    two.back();
    one.back();
    three.leave(() => left.push("3"));
    two.leave(() => left.push("2 again"));
    expect(left).to.deep.equal(["1", "2"]);
    one.leave(() => left.push("1 again"));
    expect(left).to.deep.equal(["1", "2", "1 again", "2 again", "3"]);
  });

  it("are known to be dealt with when all before are, too", async () => {
    const turns = new Turns();
    const [one, two, three] = [turns.begin(KEY), turns.begin(KEY), turns.begin(KEY)];
    let isKnown = false;
    void three.earlier?.then(() => (isKnown = true));
    two.end();
    await Promise.resolve();
    expect(isKnown).to.equal(false);
    one.end();
    expect(three.earlier).to.equal(undefined);
    await Promise.resolve();
    expect(isKnown).to.equal(true);
    three.end();
    expect(one.earlier).to.equal(undefined);
    expect(turns.begin(KEY).earlier).to.equal(undefined);
  });
});
