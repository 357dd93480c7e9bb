import { expect } from "chai";
import fc from "fast-check";
import { ChangeLog } from "../../../../node/presence/subscription/change-log.ts";

/** What a subscriber who takes every change knows. */
function follow(known: Map<string, string>, log: ChangeLog<[string, string]>, since: number | undefined): void {
  const { full, items } = log.since(since);
  if (full) known.clear();
  for (const [id, value] of items) {
    if (value === "gone") known.delete(id);
    else known.set(id, value);
  }
}

describe("a log of changes", () => {
  it("tells a newcomer all, and others only what they do not have", () => {
    const log = new ChangeLog<string>(10);
    log.set("a", "a1");
    log.set("b", "b1");
    const version = log.version;
    expect(log.since(undefined)).to.deep.equal({ full: true, items: ["a1", "b1"] });
    log.set("a", "a2");
    log.remove("b", (item) => `${item} gone`);
    expect(log.since(version)).to.deep.equal({ full: false, items: ["a2", "b1 gone"] });
    expect(log.since(log.version)).to.deep.equal({ full: false, items: [] });
    expect(log.since(undefined)).to.deep.equal({ full: true, items: ["a2"] });
  });

  it("tells all to who has missed more than it remembers", () => {
    const log = new ChangeLog<string>(2);
    for (const id of ["a", "b", "c", "d"]) log.set(id, id);
    const version = log.version;
    for (const id of ["a", "b", "c"]) log.remove(id, (item) => item);
    expect(log.since(version)).to.deep.equal({ full: true, items: ["d"] });
    expect(log.since(version + 1)).to.deep.equal({ full: false, items: ["b", "c"] });
  });

  it("tells what one document holds: what is new where that is within the bounds, else the newest of all", () => {
    const log = new ChangeLog<string>(10);
    const bounds = { items: 3, bytes: 10, bytesOf: (item: string) => item.length };
    log.set("a", "aaaa");
    log.set("b", "bbbb");
    const version = log.version;
    expect(log.told(undefined, bounds)).to.deep.equal({ full: true, items: ["aaaa", "bbbb"] });
    log.set("c", "cccc");
    expect(log.told(undefined, bounds)).to.deep.equal({ full: true, items: ["bbbb", "cccc"] });
    expect(log.told(version, bounds)).to.deep.equal({ full: false, items: ["cccc"] });
    for (const id of ["d", "e", "f"]) log.set(id, id);
    expect(log.told(version, bounds)).to.deep.equal({ full: true, items: ["d", "e", "f"] });
    log.set("g", "g".repeat(11));
    expect(log.told(version, bounds)).to.deep.equal({ full: true, items: [] });
  });

  it("leads every subscriber to the same state, however often each of them looks", () => {
    const step = fc.record({
      id: fc.constantFrom("a", "b", "c", "d"),
      value: fc.constantFrom("gone", "1", "2"),
      looks: fc.array(fc.nat(2), { maxLength: 2 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const log = new ChangeLog<[string, string]>(3);
        const subscribers = [0, 1, 2].map(() => ({
          known: new Map<string, string>(),
          since: undefined as number | undefined,
        }));
        const truth = new Map<string, string>();
        const look = (index: number): void => {
          const subscriber = subscribers[index]!;
          follow(subscriber.known, log, subscriber.since);
          subscriber.since = log.version;
        };
        for (const { id, value, looks } of steps) {
          if (value === "gone") {
            truth.delete(id);
            log.remove(id, () => [id, "gone"]);
          } else {
            truth.set(id, value);
            log.set(id, [id, value]);
          }
          looks.forEach(look);
        }
        [0, 1, 2].forEach(look);
        for (const { known } of subscribers) expect(known).to.deep.equal(truth);
      }),
    );
  });
});
