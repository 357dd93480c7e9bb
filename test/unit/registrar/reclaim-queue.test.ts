import { expect } from "chai";
import fc from "fast-check";
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

  it("makes all who wait ready when the directory may be there again", () => {
    const queue = new ReclaimQueue(3);
    for (const aor of [A, B]) queue.add(aor);
    for (const aor of queue.take(0)) queue.retry(aor, 0);
    queue.add(C);
    expect(queue.take(0)).to.deep.equal([C]);
    queue.hasten();
    expect(queue.take(0)).to.deep.equal([A, B]);
  });

  it("does what a slow one does, whatever comes", () => {
    const [add, take, retry, done] = ["add", "take", "retry", "done"] as const;
    const event = fc.record({
      what: fc.constantFrom(add, add, take, retry, done),
      who: fc.integer({ min: 0, max: 5 }),
      ms: fc.constantFrom(0, 400, 1000, 5000),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 80 }), (events) => {
        const queue = new ReclaimQueue(2);
        let ready: { aor: Aor; attempts: number }[] = [];
        let flying: { aor: Aor; attempts: number }[] = [];
        let waiting: { aor: Aor; attempts: number; dueMs: number }[] = [];
        let nowMs = 0;
        for (const { what, who, ms } of events) {
          const aor = `sip:${who}@x` as Aor;
          const isOther = (each: { aor: Aor }) => each.aor !== aor;
          nowMs += ms;
          if (what === "add") {
            queue.add(aor);
            if (![...ready, ...flying].every(isOther)) continue;
            waiting = waiting.filter(isOther);
            ready.push({ aor, attempts: 0 });
          } else if (what === "retry") {
            queue.retry(aor, nowMs);
            const attempts = flying.find((each) => !isOther(each))?.attempts;
            if (attempts === undefined) continue;
            flying = flying.filter(isOther);
            waiting.push({ aor, attempts: attempts + 1, dueMs: nowMs + Math.min(1000 * 2 ** attempts, 30_000) });
          } else if (what === "done") {
            queue.done(aor);
            [ready, flying, waiting] = [ready.filter(isOther), flying.filter(isOther), waiting.filter(isOther)];
          } else {
            // Of those that are due together, the order is nobody's business.
            const taken = queue.take(nowMs);
            const due = waiting.filter(({ dueMs }) => dueMs <= nowMs);
            waiting = waiting.filter(({ dueMs }) => dueMs > nowMs);
            const room = 2 - flying.length;
            const first = ready.slice(0, room);
            const rest = taken.slice(first.length);
            expect(taken.slice(0, first.length)).to.deep.equal(first.map((each) => each.aor));
            expect(rest).to.have.length(Math.min(room - first.length, due.length));
            expect(due.map((each) => each.aor)).to.include.members([...rest]);
            const all = [...ready, ...due];
            flying.push(...all.filter((each) => taken.includes(each.aor)));
            ready = all.filter((each) => !taken.includes(each.aor));
            // Known again in the queue's own order.
            if (due.length > 1 && ready.length > 0) return;
          }
          expect(queue.size).to.equal(ready.length + flying.length + waiting.length);
        }
      }),
    );
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
