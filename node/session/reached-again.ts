import type { Aor } from "../../dht-schema/aor.ts";
import type { RegisteredContact, RegisteredContacts } from "../registrar/registered-contacts.ts";
import { limits } from "../runtime/limits.ts";
import type { Timers } from "../runtime/timers.ts";
import { areSameUris } from "../sip/message/uri.ts";
import type { Flow, SipSessions } from "../sip/stack.ts";

export interface ReachedAgainComponents {
  readonly contacts: Pick<RegisteredContacts, "contactsOf" | "onRegistration">;
  readonly stack: Pick<SipSessions, "hasClosed">;
  readonly timers: Timers;
}

/**
 * Where a device is reached whose connection has closed while it rings: where it listens, by another flow that it has (RFC 5626 §4.2), or by the
 * connection that it makes next, as clients do whose network has changed; `undefined` where it does not come within a moment.
 * @param closed the flow that has closed, or has failed
 */
export async function reachedAgain(
  aor: Aor,
  device: RegisteredContact,
  closed: Flow,
  { contacts, stack, timers }: ReachedAgainComponents,
): Promise<Flow | undefined> {
  const { promise, resolve } = Promise.withResolvers<Flow | undefined>();
  const look = (): void => {
    const again = contacts.contactsOf(aor).find((contact) => {
      const { flow } = contact;
      // Where it listens is tried once: after that only the device itself knows when it is there.
      const isNew = flow.transport !== "MESH" && (flow.connection ?? connectionOf(closed)) !== undefined;
      return isNew && flow.transport === closed.transport && isSameDevice(contact, device) && !stack.hasClosed(flow);
    });
    if (again !== undefined) resolve(again.flow);
  };
  const stopListening = contacts.onRegistration((user) => user === aor && look());
  const forget = timers.after(limits.session.awayMs, () => resolve(undefined));
  // The registrar hears that the flow has closed right after this.
  queueMicrotask(look);
  const flow = await promise;
  stopListening();
  forget();
  return flow;
}

function connectionOf(flow: Flow): string | undefined {
  return flow.transport === "MESH" ? undefined : flow.connection;
}

/** Some devices have another Contact on each connection, and an instance that names them; others have no instance. */
function isSameDevice(a: RegisteredContact, b: RegisteredContact): boolean {
  const isSame = a.instance ? a.instance === b.instance : areSameUris(a.uri, b.uri);
  return isSame && String(a.path) === String(b.path);
}
