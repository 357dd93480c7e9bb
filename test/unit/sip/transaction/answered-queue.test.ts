import { expect } from "chai";
import type { Answered } from "../../../../node/sip/transaction/answered-queue.ts";
import { AnsweredQueue } from "../../../../node/sip/transaction/answered-queue.ts";

class Item implements Answered {
  readonly answeredAtMs: number;
  ended = false;
  nextAnswered: this | undefined;

  constructor(answeredAtMs: number) {
    this.answeredAtMs = answeredAtMs;
  }
}

describe("the queue of what was answered", () => {
  it("gives the oldest that is still kept, if it is old enough", () => {
    const queue = new AnsweredQueue<Item>();
    const items = [1, 2, 3].map((atMs) => new Item(atMs));
    for (const item of items) queue.push(item);
    expect(queue.oldest(0)).to.equal(undefined);
    expect(queue.oldest(1)).to.equal(items[0]);
    items[1]!.ended = true;
    queue.skipEnded();
    expect(queue.oldest(9)).to.equal(items[0]);
    items[0]!.ended = true;
    queue.skipEnded();
    expect(queue.oldest(2)).to.equal(undefined);
    expect(queue.oldest(9)).to.equal(items[2]);
  });

  it("holds nothing that has ended, and goes on after it was empty", () => {
    const queue = new AnsweredQueue<Item>();
    const [first, second] = [new Item(1), new Item(2)];
    queue.push(first);
    queue.push(second);
    for (const item of [first, second]) item.ended = true;
    queue.skipEnded();
    expect(first.nextAnswered, "what would keep the second in memory").to.equal(undefined);
    const third = new Item(3);
    queue.push(third);
    expect(queue.oldest(3)).to.equal(third);
  });
});
