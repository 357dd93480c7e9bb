import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect } from "chai";
import fc from "fast-check";
import { QueueMap } from "../../../node/runtime/queue-map.ts";

describe("the queue map", () => {
  it("does what a list of pairs does", () => {
    const event = fc.record({
      what: fc.constantFrom("set", "set", "shift", "delete"),
      key: fc.nat(8),
      value: fc.nat(100),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), (events) => {
        const map = new QueueMap<number, number>();
        let list: [number, number][] = [];
        for (const { what, key, value } of events) {
          if (what === "shift") expect(map.shift()).to.deep.equal(list.shift());
          else if (what === "delete") {
            expect(map.delete(key)).to.equal(list.some(([known]) => known === key));
            list = list.filter(([known]) => known !== key);
          } else {
            map.set(key, value);
            const known = list.find((entry) => entry[0] === key);
            if (known === undefined) list.push([key, value]);
            else known[1] = value;
          }
          expect([...map.entries()]).to.deep.equal(list);
          expect([map.size, map.has(key), map.get(key)]).to.deep.equal([
            list.length,
            list.some(([known]) => known === key),
            list.find(([known]) => known === key)?.[1],
          ]);
        }
      }),
    );
  });

  it("does not keep what was deleted, though nothing is taken", async () => {
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    const map = new QueueMap<number, object>();
    const values: WeakRef<object>[] = [];
    for (let key = 0; key < 10_000; key++) {
      const value = {};
      values.push(new WeakRef(value));
      map.set(key, value);
      map.delete(key - 100);
    }
    await setImmediate();
    collectGarbage();
    expect(map.size).to.equal(100);
    expect(values.filter((value) => value.deref() !== undefined).length).to.be.lessThan(1000);
  });
});
