import type { Aor } from "../../dht-schema/aor.ts";
import type { RegisteredContacts, Registration } from "../registrar/registered-contacts.ts";
import { limits } from "../runtime/limits.ts";
import type { Timers } from "../runtime/timers.ts";
import type { Flow } from "../sip/stack.ts";

export interface UntilRegisteredComponents {
  readonly contacts: Pick<RegisteredContacts, "contactsOf" | "onRegistration">;
  readonly timers: Timers;
}

/**
 * Waits for a device whose connection has closed to be there again: clients whose network has changed register within a second or two. `undefined` where it does not
 * come within a moment.
 * @param isIts whether a registration may be its own
 * @param look where it is reached now; asked after each such registration, and once before
 */
export async function untilRegistered(
  isIts: (aor: Aor, registration: Registration) => boolean,
  look: () => Flow | undefined,
  { contacts, timers }: UntilRegisteredComponents,
): Promise<Flow | undefined> {
  const { promise, resolve } = Promise.withResolvers<Flow | undefined>();
  const lookAgain = (): void => {
    const flow = look();
    if (flow !== undefined) resolve(flow);
  };
  const stopListening = contacts.onRegistration((aor, registration) => isIts(aor, registration) && lookAgain());
  const forget = timers.after(limits.session.awayMs, () => resolve(undefined));
  // The registrar may hear that the flow has closed right after this.
  queueMicrotask(lookAgain);
  const flow = await promise;
  stopListening();
  forget();
  return flow;
}
