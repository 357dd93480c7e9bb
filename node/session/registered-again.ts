import { tryParseAor } from "../../dht-schema/aor.ts";
import type { RegisteredContacts } from "../registrar/registered-contacts.ts";
import type { SipRequest } from "../sip/message/message.ts";
import { parseNameAddr } from "../sip/message/name-addr.ts";
import { areSameUris } from "../sip/message/uri.ts";
import type { Flow, SipSessions } from "../sip/stack.ts";

export interface RegisteredAgainComponents {
  readonly contacts: Pick<RegisteredContacts, "contactsOf" | "usersAt">;
  readonly stack: Pick<SipSessions, "hasClosed">;
}

/**
 * Where a request within a session goes whose way ends with a connection that has closed: by the connection over which the same device has
 * registered since, as clients behind WebSockets and NATs do when theirs is lost. Only devices of the user in To are looked for, or the one whose Contact is there
 * (it was called by that), who has to be an end of the session: so the other end chooses nobody else by its Request-URI.
 * @see RFC 5626 §5.3
 * @throws {SipParseError}
 */
export function registeredAgain(
  { uri, headers }: SipRequest,
  to: Flow,
  { contacts, stack }: RegisteredAgainComponents,
): Flow {
  if (!stack.hasClosed(to)) return to;
  const end = parseNameAddr(headers.get("To") ?? "").uri;
  const user = tryParseAor(end);
  for (const aor of [...(user === undefined ? [] : [user]), ...contacts.usersAt(end).same]) {
    const again = contacts
      .contactsOf(aor)
      .find((contact) => contact.path === undefined && areSameUris(contact.uri, uri) && !stack.hasClosed(contact.flow));
    if (again !== undefined) return again.flow;
  }
  return to;
}
