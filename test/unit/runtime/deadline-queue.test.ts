import { expect } from "chai";
import fc from "fast-check";
import type { Scheduled } from "../../../node/runtime/deadline-queue.ts";
import { DeadlineQueue } from "../../../node/runtime/deadline-queue.ts";

describe("the deadline queue", () => {
  it("does what a sorted list does", () => {
    const operation = fc.oneof(
      fc.record({
        kind: fc.constant("schedule" as const),
        item: fc.nat(20),
        dueMs: fc.oneof(
          fc.nat(50),
          fc.nat(500).map((tenths) => tenths / 10),
          fc.constant(Number.POSITIVE_INFINITY),
        ),
      }),
      fc.record({ kind: fc.constant("remove" as const), item: fc.nat(20) }),
      fc.record({ kind: fc.constant("take" as const), nowMs: fc.nat(60) }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
        const queue = new DeadlineQueue<Scheduled>();
        const items: Scheduled[] = Array.from({ length: 21 }, () => ({ dueMs: 0, place: -1 }));
        const model = new Map<Scheduled, number>();
        for (const each of operations) {
          if (each.kind === "take") {
            const taken = queue.takeDue(each.nowMs);
            const first = Math.min(...model.values());
            if (taken === undefined) expect(first).to.be.greaterThan(each.nowMs);
            else {
              expect(model.get(taken)).to.equal(first);
              model.delete(taken);
            }
          } else {
            const item = items[each.item] as Scheduled;
            if (each.kind === "remove") {
              queue.remove(item);
              model.delete(item);
            } else {
              queue.schedule(item, each.dueMs);
              if (each.dueMs === Number.POSITIVE_INFINITY) model.delete(item);
              else model.set(item, Math.ceil(each.dueMs));
            }
          }
          expect(queue.size).to.equal(model.size);
          expect(queue.nextMs).to.equal(Math.min(...model.values()));
        }
      }),
    );
  });

  it("keeps few times that nothing waits for, however often items are put off", () => {
    const queue = new DeadlineQueue<Scheduled>();
    const item: Scheduled = { dueMs: 0, place: -1 };
    // Its first time is never reached: what is left of the others has to go otherwise.
    const first: Scheduled = { dueMs: 0, place: -1 };
    queue.schedule(first, 1);
    const timed = (rounds: number) => {
      for (let i = 0; i < rounds; i++) queue.schedule(item, 1_000_000 - (i % 500_000));
      return queue.timesKept;
    };
    expect(timed(10_000)).to.be.lessThan(200);
    expect(queue.size).to.equal(2);
    expect(queue.takeDue(1)).to.equal(first);
  });
});
