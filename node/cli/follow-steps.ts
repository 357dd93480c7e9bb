import { setTimeout } from "node:timers/promises";
import { formatDuration } from "../config/values.ts";
import { OperationalError } from "../runtime/errors.ts";
import { note } from "./terminal.ts";

const POLL_MS = 100;

/**
 * Asks again and again until nothing is waited for any more, and tells on standard error what for.
 * @param step what is waited for, for people; `undefined` when it is over
 * @throws {OperationalError} `NOT_YET` after `timeoutMs`; what is waited for goes on
 */
export async function followSteps<Answer>(
  ask: () => Promise<Answer>,
  step: (answer: Answer) => string | undefined,
  timeoutMs: number,
): Promise<Answer> {
  const startedAtMs = performance.now();
  let told: string | undefined;
  for (;;) {
    const answer = await ask();
    const waiting = step(answer);
    if (waiting === undefined) return answer;
    if (waiting !== told) note(`${waiting} …`);
    told = waiting;
    if (performance.now() - startedAtMs > timeoutMs) {
      throw new OperationalError(
        "NOT_YET",
        `not done within ${formatDuration(timeoutMs)} (${waiting}); it goes on, and the same command waits for it again`,
      );
    }
    await setTimeout(POLL_MS);
  }
}
