import { expect } from "chai";
import fc from "fast-check";
import { stormParameters, stormTimeoutMs } from "../../helpers/storm.ts";
import { MessageStorm } from "./message-storm.ts";
import type { Step } from "./storm-steps.ts";
import { stepArb, userStepArb } from "./storm-steps.ts";
import { verdictOn } from "./storm-verdict.ts";

async function judge(steps: readonly Step[]): Promise<void> {
  const storm = new MessageStorm();
  await storm.begin();
  for (const step of steps) await storm.run(step);
  await storm.end(steps.length % 3);
  const faults = verdictOn(storm);
  expect(faults.length, faults[0] ?? "").to.equal(0);
}

describe("messages", function () {
  this.timeout(stormTimeoutMs);

  it("reach a user who moves between servers, registers and unregisters: once, in order, and nobody else", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(userStepArb, { minLength: 1, maxLength: 40, size: "max" }), judge),
      stormParameters(50),
    );
  });

  it("reach their user through a storm in which servers die, leave and lose each other: once, in order, and nobody else", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepArb, { minLength: 1, maxLength: 60, size: "max" }), judge),
      stormParameters(50),
    );
  });
});
