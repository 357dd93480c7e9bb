import { expect } from "chai";
import fc from "fast-check";
import { OctetQueue } from "../../../node/runtime/octet-queue.ts";

describe("the octet queue", () => {
  it("does what a list of keys and octets does", () => {
    const event = fc.record({
      what: fc.constantFrom("push", "push", "shift", "clear"),
      times: fc.nat(400),
      // Now and then as large as what they are put in, or larger.
      octets: fc.oneof(fc.nat(2000), fc.nat(600_000)),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        const queue = new OctetQueue();
        let list: { key: string; untilMs: number; octets: Uint8Array }[] = [];
        let keys = 0;
        for (const { what, times, octets } of events) {
          if (what === "clear") {
            queue.clear();
            list = [];
          } else {
            for (let i = 0; i < times; i++) {
              if (what === "shift") {
                queue.shift();
                list.shift();
                continue;
              }
              const key = `z9hG4bK-é-${keys++}`;
              const some = new Uint8Array(i % 50 === 0 ? octets : 7).fill(keys);
              queue.push(key, 5000 + keys, some);
              list.push({ key, untilMs: 5000 + keys, octets: some });
            }
          }
          expect([queue.size, queue.oldestUntilMs]).to.deep.equal([list.length, list[0]?.untilMs ?? Infinity]);
          for (const { key, octets: expected } of [...list.slice(0, 3), ...list.slice(-3)]) {
            expect(Buffer.compare(queue.get(key) as Uint8Array, expected)).to.equal(0);
          }
          const there = new Set(list.map(({ key }) => key));
          for (let n = Math.max(0, keys - 500); n < keys + 2; n++) {
            const key = `z9hG4bK-é-${n}`;
            expect(queue.get(key) !== undefined, key).to.equal(there.has(key));
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it("gives copies, which later entries do not change", () => {
    const queue = new OctetQueue();
    queue.push("a", 1, Buffer.from("first"));
    const given = queue.get("a") as Uint8Array;
    queue.shift();
    queue.push("b", 2, Buffer.from("other"));
    expect(Buffer.from(given).toString()).to.equal("first");
  });

  it("does not keep more memory than what is in it needs, however much has passed", () => {
    const queue = new OctetQueue();
    const some = new Uint8Array(50_000);
    const before = process.memoryUsage().arrayBuffers;
    for (let n = 0; n < 20_000; n++) {
      queue.push(String(n), n, some);
      if (queue.size > 20) queue.shift();
    }
    // A thousand million octets have passed, of which the collector may not yet have taken all.
    expect(process.memoryUsage().arrayBuffers - before).to.be.lessThan(500_000_000);
    expect(queue.size).to.equal(20);
  });
});
