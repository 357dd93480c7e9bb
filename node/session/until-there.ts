import { limits } from "../runtime/limits.ts";
import type { Timers } from "../runtime/timers.ts";
import type { Flow } from "../sip/stack.ts";

/**
 * Waits for who is away: clients whose network has changed register within a second or two, and a server that is restarted is back as soon. `undefined` where nobody comes
 * within a moment.
 * @param look where they are reached now; asked once, and whenever that may have changed
 * @param listen calls its argument when that may be; returns how to end that
 */
export async function untilThere(
  look: () => Flow | undefined,
  listen: (changed: () => void) => () => void,
  timers: Timers,
): Promise<Flow | undefined> {
  const { promise, resolve } = Promise.withResolvers<Flow | undefined>();
  const lookAgain = (): void => {
    const flow = look();
    if (flow !== undefined) resolve(flow);
  };
  const stopListening = listen(lookAgain);
  const forget = timers.after(limits.session.awayMs, () => resolve(undefined));
  // The registrar may hear that the flow has closed right after this.
  queueMicrotask(lookAgain);
  const flow = await promise;
  stopListening();
  forget();
  return flow;
}
