import type { Aor } from "../../dht-schema/aor.ts";
import { tryParseAor } from "../../dht-schema/aor.ts";
import type { SipHeaders } from "../sip/message/headers.ts";
import { parseNameAddr } from "../sip/message/name-addr.ts";
import { stripAortaHeaders } from "./aorta-headers.ts";

const P_ASSERTED_IDENTITY = "P-Asserted-Identity";
/** By which clients say who they are, or would like to be. The last is of a draft that came to nothing, and phones show whom it names. */
const CLAIMS = [P_ASSERTED_IDENTITY, "P-Preferred-Identity", "Remote-Party-ID"];

/** Counts the requests of clients that said who they are otherwise than by credentials. */
export const IDENTITIES_REMOVED = "edge.identities_removed";

/** The user whom a server of the mesh vouches for: the first SIP address in P-Asserted-Identity. @see RFC 3325 §9.1 */
export function assertedIn(headers: SipHeaders): Aor | undefined {
  for (const value of headers.all(P_ASSERTED_IDENTITY)) {
    try {
      const aor = tryParseAor(parseNameAddr(value).uri);
      if (aor !== undefined) return aor;
    } catch {
      // A value that cannot be read vouches for nobody; the next may be readable.
      continue;
    }
  }
  return undefined;
}

/** Whether a server makes a request for one of its users, and not for itself. @see RFC 3325 §5 */
export function isForUser(headers: SipHeaders): boolean {
  return headers.has(P_ASSERTED_IDENTITY);
}

/**
 * Removes from a client's request what only servers may say, and whom it would like to be: a user has one identity, that of their
 * credentials.
 * @returns whether it said who it is
 * @see RFC 3325 §5, §6, §9.2
 */
export function stripAssertions(headers: SipHeaders): boolean {
  const isSaid = CLAIMS.some((name) => headers.has(name));
  if (isSaid) for (const name of CLAIMS) headers.delete(name);
  stripAortaHeaders(headers);
  return isSaid;
}

/** Vouches for the user to the servers that the request goes on to. */
export function assertIdentity(headers: SipHeaders, user: Aor): void {
  headers.set(P_ASSERTED_IDENTITY, `<${user}>`);
}
