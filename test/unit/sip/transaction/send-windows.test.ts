import { expect } from "chai";
import fc from "fast-check";
import { Scheduler } from "../../../../node/runtime/scheduler.ts";
import type { Place } from "../../../../node/sip/transaction/send-windows.ts";
import { SendWindows } from "../../../../node/sip/transaction/send-windows.ts";
import { VirtualTime } from "../../../helpers/virtual-time.ts";

const RULES = { requests: 3, holdMs: 20 };

function setUp() {
  const time = new VirtualTime();
  const windows = new SendWindows(new Scheduler(time, time), RULES);
  const sent: number[] = [];
  const places: Place[] = [];
  const enter = (destination: string, ...numbers: number[]) => {
    for (const number of numbers) places[number] = windows.enter(destination, () => sent.push(number));
  };
  return { time, windows, sent, places, enter };
}

describe("windows of requests to one destination", () => {
  it("let as many go as fit, and the next when one is answered, first come, first served", () => {
    const { windows, sent, places, enter } = setUp();
    enter("a", 1, 2, 3, 4, 5);
    expect(sent).to.deep.equal([1, 2, 3]);
    expect(windows.waiting).to.equal(2);
    places[2]?.leave();
    places[2]?.leave();
    expect(sent).to.deep.equal([1, 2, 3, 4]);
    places[1]?.leave();
    expect(sent).to.deep.equal([1, 2, 3, 4, 5]);
    expect(windows.waiting).to.equal(0);
  });

  it("do not make one destination wait for another", () => {
    const { sent, enter } = setUp();
    enter("a", 1, 2, 3, 4);
    enter("b", 5, 6, 7);
    expect(sent).to.deep.equal([1, 2, 3, 5, 6, 7]);
  });

  it("open again in time for who answers nothing", async () => {
    const { time, sent, enter, places } = setUp();
    enter("a", 1, 2, 3, 4, 5, 6, 7);
    await time.advance(RULES.holdMs - 1);
    expect(sent).to.have.length(3);
    await time.advance(1);
    expect(sent).to.have.length(6);
    // An answer to what took no room any more makes none.
    places[1]?.leave();
    expect(sent).to.have.length(6);
    await time.advance(RULES.holdMs);
    expect(sent).to.have.length(7);
  });

  it("do not send what has been taken back while it waited", () => {
    const { windows, sent, places, enter } = setUp();
    enter("a", 1, 2, 3, 4, 5);
    places[4]?.leave();
    expect(windows.waiting).to.equal(1);
    places[1]?.leave();
    expect(sent).to.deep.equal([1, 2, 3, 5]);
  });

  it("let any number go that fail at once, as where the machine has lost its address", async () => {
    const { time, windows, sent, enter, places } = setUp();
    enter("a", 1, 2, 3);
    for (let number = 4; number < 10_000; number++)
      places[number] = windows.enter("a", () => {
        sent.push(number);
        places[number]?.leave();
      });
    places[1]?.leave();
    expect(sent).to.have.length(9_999);
    expect(sent).to.deep.equal(sent.toSorted((a, b) => a - b));
    await time.advance(RULES.holdMs);
    places[2]?.leave();
    places[3]?.leave();
    expect([windows.waiting, windows.destinations]).to.deep.equal([0, 0]);
  });

  it("send each request once and in order, keep to their size, and are forgotten when nothing is on its way", async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("enter"), at: fc.constantFrom("a", "b") }),
      fc.record({ kind: fc.constant("leave"), at: fc.nat({ max: 40 }) }),
      fc.record({ kind: fc.constant("advance"), at: fc.constantFrom(1, 20, 50) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        const { time, windows, sent, places, enter } = setUp();
        const destinationOf: string[] = [];
        const left = new Set<number>();
        for (const { kind, at } of steps) {
          if (kind === "enter") {
            destinationOf.push(at as string);
            enter(at as string, destinationOf.length - 1);
          } else if (kind === "leave") {
            left.add(at as number);
            places[at as number]?.leave();
          } else await time.advance(at as number);
          expect(new Set(sent).size).to.equal(sent.length);
        }
        for (const destination of ["a", "b"]) {
          const mine = sent.filter((number) => destinationOf[number] === destination);
          expect(mine).to.deep.equal(mine.toSorted((x, y) => x - y));
        }
        await time.advance(10_000);
        const missing = destinationOf.map((_, number) => number).filter((number) => !sent.includes(number));
        for (const number of missing) expect(left.has(number), `${number} was never sent`).to.equal(true);
        for (const place of places) place?.leave();
        expect([windows.waiting, windows.destinations]).to.deep.equal([0, 0]);
      }),
      { numRuns: 200 },
    );
  });
});
