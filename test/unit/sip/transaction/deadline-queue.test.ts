import { expect } from "chai";
import fc from "fast-check";
import type { Scheduled } from "../../../../node/sip/transaction/deadline-queue.ts";
import { DeadlineQueue } from "../../../../node/sip/transaction/deadline-queue.ts";

describe("the deadline queue", () => {
  it("does what a sorted list does", () => {
    const operation = fc.oneof(
      fc.record({
        kind: fc.constant("schedule" as const),
        item: fc.nat(20),
        dueMs: fc.oneof(fc.nat(50), fc.constant(Number.POSITIVE_INFINITY)),
      }),
      fc.record({ kind: fc.constant("remove" as const), item: fc.nat(20) }),
      fc.record({ kind: fc.constant("take" as const), nowMs: fc.nat(60) }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
        const queue = new DeadlineQueue<Scheduled>();
        const items: Scheduled[] = Array.from({ length: 21 }, () => ({ dueMs: 0, heapIndex: -1 }));
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
              else model.set(item, each.dueMs);
            }
          }
          expect(queue.size).to.equal(model.size);
          expect(queue.nextMs).to.equal(Math.min(...model.values()));
        }
      }),
    );
  });
});
