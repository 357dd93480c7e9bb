import { limits } from "../runtime/limits.ts";
import { parseCredentials } from "../sip/message/credentials.ts";
import type { SipHeaders } from "../sip/message/headers.ts";
import type { SipResponse } from "../sip/message/message.ts";

const CHALLENGES = ["WWW-Authenticate", "Proxy-Authenticate"] as const;

/** Whether a response asks for credentials. */
export function isChallenge({ status }: Pick<SipResponse, "status">): boolean {
  return status === 401 || status === 407;
}

/**
 * A response that asks for credentials, with what all others of its fork ask for too, as far as there is room: the sender can then answer
 * every device at once.
 * @see RFC 3261 §16.7 step 7, §22.3
 */
export function joinChallenges(best: SipResponse, others: readonly SipResponse[]): SipResponse {
  const headers = best.headers.clone();
  let { fields, bytes } = limits.federation.challenges;
  for (const other of others)
    if (other !== best)
      for (const name of CHALLENGES)
        for (const value of other.headers.all(name)) {
          fields -= 1;
          bytes -= name.length + Buffer.byteLength(value);
          if (fields < 0 || bytes < 0) return { ...best, headers };
          headers.append(name, value);
        }
  return { ...best, headers };
}

/**
 * Takes out the credentials that were for this server; those for proxies and devices further on stay. `Authorization` too: a device that
 * asks for it in the name of this realm, with a nonce of its choosing, could find out the password by trying.
 * @param realm of this server, lower case
 * @see RFC 3261 §22.3
 */
export function stripCredentials(headers: SipHeaders, realm: string): void {
  for (const name of ["Proxy-Authorization", "Authorization"]) {
    const values = headers.all(name);
    if (values.length === 0) continue;
    headers.delete(name);
    for (const value of values) if (isForAnother(value, realm)) headers.append(name, value);
  }
}

/** What cannot be read may be for anybody, and is of use to nobody; who asks in this name in other letters asks for the same password. */
function isForAnother(value: string, realm: string): boolean {
  try {
    return parseCredentials(value).params.get("realm")?.toLowerCase() !== realm;
  } catch {
    return false;
  }
}
