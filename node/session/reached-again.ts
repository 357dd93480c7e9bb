import type { Aor } from "../../dht-schema/aor.ts";
import type { RegisteredContact, RegisteredContacts } from "../registrar/registered-contacts.ts";
import type { Timers } from "../runtime/timers.ts";
import { areSameUris } from "../sip/message/uri.ts";
import type { Flow, SipSessions } from "../sip/stack.ts";
import { untilThere } from "./until-there.ts";

export interface ReachedAgainComponents {
  readonly contacts: Pick<RegisteredContacts, "contactsOf" | "onRegistration">;
  readonly timers: Timers;
  readonly stack: Pick<SipSessions, "hasClosed">;
}

/** Where a device that rings is reached now: it may have registered over another connection meanwhile, and the server may not know that the one of before is dead. */
export function reachedNow(
  aor: Aor,
  device: RegisteredContact,
  { contacts, stack }: Pick<ReachedAgainComponents, "contacts" | "stack">,
): Flow | undefined {
  const { transport } = device.flow;
  const isIt = (contact: RegisteredContact) =>
    contact.flow.transport === transport && isSameDevice(contact, device) && !stack.hasClosed(contact.flow);
  return contacts.contactsOf(aor).findLast(isIt)?.flow;
}

/**
 * Where a device is reached whose connection has closed while it rings: where it listens, by another flow that it has (RFC 5626 §4.2), or by the
 * connection that it makes next; `undefined` where it does not come within a moment.
 * @param closed the flow that has closed, or has failed
 */
export function reachedAgain(
  aor: Aor,
  device: RegisteredContact,
  closed: Flow,
  components: ReachedAgainComponents,
): Promise<Flow | undefined> {
  const look = (): Flow | undefined => {
    const flow = reachedNow(aor, device, components);
    // Where it listens is tried once: after that only the device itself knows when it is there.
    return connectionOf(flow) === undefined && connectionOf(closed) === undefined ? undefined : flow;
  };
  const { contacts, timers } = components;
  return untilThere(look, (changed) => contacts.onRegistration((user) => user === aor && changed()), timers);
}

/** The connection that a flow names. */
export function connectionOf(flow: Flow | undefined): string | undefined {
  return flow === undefined || flow.transport === "MESH" ? undefined : flow.connection;
}

/** Some devices have another Contact on each connection, and an instance that names them; others have no instance. */
function isSameDevice(a: RegisteredContact, b: RegisteredContact): boolean {
  const isSame = a.instance ? a.instance === b.instance : areSameUris(a.uri, b.uri) && a.twin === b.twin;
  return isSame && String(a.path) === String(b.path);
}
