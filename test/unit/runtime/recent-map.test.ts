import { expect } from "chai";
import fc from "fast-check";
import { RecentMap } from "../../../node/runtime/recent-map.ts";

describe("a map of what was used recently", () => {
  const key = fc.integer({ min: 0, max: 12 });
  const step = fc.oneof(
    fc.record({ kind: fc.constant("set" as const), key, value: fc.integer() }),
    fc.record({ kind: fc.constant("get" as const), key }),
    fc.record({ kind: fc.constant("delete" as const), key }),
  );

  it("holds no more than its capacity, always the half used last, and never a value that was replaced or deleted", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 9 }), fc.array(step, { maxLength: 200 }), (capacity, steps) => {
        const map = new RecentMap<number, number>(capacity);
        /** All that was ever set, the one used last at the end. */
        const model = new Map<number, number>();
        for (const { kind, key: at, ...given } of steps) {
          if (kind === "delete") {
            map.delete(at);
            model.delete(at);
          } else {
            const value = kind === "set" ? (given as { value: number }).value : map.get(at);
            if (kind === "set") map.set(at, value!);
            if (value !== undefined) {
              if (kind === "get") expect(value).to.equal(model.get(at));
              model.delete(at);
              model.set(at, value);
            }
          }
          expect(map.size).to.be.at.most(capacity);
          expect(new Map(map.entries()).size).to.equal(map.size);
          for (const [known, value] of map.entries()) expect(value).to.equal(model.get(known));
          const half = Math.floor(capacity / 2);
          // What was deleted makes no room for what is forgotten already.
          if (steps.some((each) => each.kind === "delete")) continue;
          for (const recent of [...model.keys()].slice(-half)) expect(map.has(recent), `${recent}`).to.equal(true);
        }
      }),
    );
  });

  it("tells what newer entries have pushed out, each once", () => {
    const forgotten: number[] = [];
    const map = new RecentMap<number, true>(4, (entries) => forgotten.push(...entries.keys()));
    for (let i = 0; i < 8; i++) map.set(i, true);
    map.get(6);
    expect(forgotten).to.deep.equal([0, 1, 2, 3, 4, 5]);
    expect(Array.from(map.entries(), ([known]) => known)).to.deep.equal([7, 6]);
  });
});
