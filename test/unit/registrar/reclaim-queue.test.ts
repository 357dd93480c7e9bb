import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { ReclaimQueue } from "../../../node/registrar/reclaim-queue.ts";

const [A, B, C] = ["sip:a@x", "sip:b@x", "sip:c@x"] as [Aor, Aor, Aor];

describe("queue of users to be claimed again", () => {
  it("hands out as many at a time as may be in flight, first come, first served", () => {
    const queue = new ReclaimQueue(2);
    for (const aor of [A, B, C]) queue.add(aor);
    expect(queue.take(0)).to.deep.equal([A, B]);
    expect(queue.take(0)).to.deep.equal([]);
    queue.done(A);
    expect(queue.take(0)).to.deep.equal([C]);
    expect(queue.size).to.equal(2);
  });

  it("tries again after a delay that doubles up to half a minute", () => {
    const queue = new ReclaimQueue(1);
    queue.add(A);
    queue.take(0);
    let nowMs = 0;
    for (const delayMs of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
      queue.retry(A, nowMs);
      expect(queue.take(nowMs + delayMs - 1)).to.deep.equal([]);
      nowMs += delayMs;
      expect(queue.take(nowMs)).to.deep.equal([A]);
    }
  });

  it("makes a waiting user ready at once when the user is lost anew", () => {
    const queue = new ReclaimQueue(1);
    queue.add(A);
    queue.take(0);
    queue.retry(A, 0);
    queue.add(A);
    expect(queue.take(0)).to.deep.equal([A]);
  });

  it("does not hand out twice who is in flight", () => {
    const queue = new ReclaimQueue(5);
    queue.add(A);
    queue.take(0);
    queue.add(A);
    expect(queue.take(0)).to.deep.equal([]);
    expect(queue.size).to.equal(1);
  });

  it("forgets who is done, wherever they were", () => {
    const queue = new ReclaimQueue(1);
    queue.add(A);
    queue.add(B);
    queue.take(0);
    queue.retry(A, 0);
    for (const aor of [A, B]) queue.done(aor);
    queue.retry(B, 0);
    expect(queue.size).to.equal(0);
    expect(queue.take(100_000)).to.deep.equal([]);
  });
});
