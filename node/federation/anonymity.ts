import type { Aor } from "../../dht-schema/aor.ts";
import { domainOf, tryParseAor } from "../../dht-schema/aor.ts";
import type { SipHeaders } from "../sip/message/headers.ts";
import { parseNameAddr } from "../sip/message/name-addr.ts";

/** In From it stands for a user who does not want to be known: `sip:anonymous@anonymous.invalid`. @see RFC 3323 §4.1.1.3 */
const NOBODYS_DOMAIN = "anonymous.invalid";

/** Whether an address is nobody's. */
export function isNobodys(address: Aor | undefined): boolean {
  return address !== undefined && domainOf(address) === NOBODYS_DOMAIN;
}

/** Whether devices are not to be told who sends a request: its sender asked for that, or has not said their name. @see RFC 3325 §7, RFC 3323 §4.1.1.3 */
export function isUnsigned(headers: SipHeaders): boolean {
  if (headers.has("Privacy") && headers.all("Privacy").some((value) => /(?:^|[;,\s])id(?:$|[;,\s])/i.test(value)))
    return true;
  const from = headers.read("From", parseNameAddr);
  return from !== undefined && /anonymous/i.test(from.uri) && isNobodys(tryParseAor(from.uri));
}
