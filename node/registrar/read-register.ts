import type { Refusal } from "../federation/refusal.ts";
import type { ExpiryRules } from "../runtime/expiry-rules.ts";
import { limits } from "../runtime/limits.ts";
import type { Contact } from "../sip/message/contact.ts";
import { expiresOf, parseContacts } from "../sip/message/contact.ts";
import { parseCSeq } from "../sip/message/cseq.ts";
import type { SipRequest } from "../sip/message/message.ts";
import { detached } from "../sip/message/lexical.ts";
import { parseNameAddr } from "../sip/message/name-addr.ts";
import { SipParseError } from "../sip/message/sip-parse-error.ts";
import { isSipUri, parseUri, schemeOf } from "../sip/message/uri.ts";
import type { Flow } from "../sip/stack.ts";
import { isSecure } from "../sip/stack.ts";
import type { RequestIdentity } from "../federation/identity.ts";
import type { ContactOrder, RegisterOrder } from "./binding.ts";
import { deviceOriginOf } from "./device-origin.ts";

/** What the edge knows of who sends it. */
export type RegisteringClient = Pick<RequestIdentity, "wasChallenged">;

/**
 * Reads what a REGISTER asks for, or says why it is refused.
 * @see RFC 3261 §10.3 steps 6 and 7
 */
export function readRegister(
  request: SipRequest,
  flow: Flow,
  rules: ExpiryRules,
  { wasChallenged = false }: RegisteringClient = {},
): RegisterOrder | Refusal {
  const { headers } = request;
  try {
    // What is bound is kept for an hour, long after the message: each text in memory of its own.
    const callId = detached((headers.get("Call-ID") ?? "").trim());
    const cseq = parseCSeq(headers.get("CSeq") ?? "").sequence;
    const contacts = parseContacts(headers);
    if (contacts === "*") {
      if (readExpires(request) !== 0) return { status: 400, reason: "Contact * Needs Expires 0" };
      return { kind: "remove-all", callId, cseq };
    }
    if (contacts.length === 0) return { kind: "query", callId, cseq };
    const orders: ContactOrder[] = [];
    for (const contact of contacts) {
      // RFC 5630 §5.1.1.1: such a contact promises a path that nobody can listen to.
      if (schemeOf(contact.uri) === "sips" && !isSecure(flow))
        return { status: 400, reason: "SIPS Contact Over An Insecure Transport" };
      const order = readContact(contact, readExpires(request), rules);
      if ("status" in order) return order;
      orders.push(order);
    }
    const path = headers.all("Path").map(detached);
    for (const hop of path) parseUri(parseNameAddr(hop).uri);
    if (path.length > limits.registrar.pathHops) return { status: 400, reason: "Path Too Long" };
    const outbound =
      headers.all("Via").length === 1 &&
      headers.all("Supported").some((option) => option.toLowerCase() === "outbound") &&
      orders.some(({ regId }) => regId > 0);
    const userAgent = detached(headers.get("User-Agent") ?? "");
    const origin = deviceOriginOf(request, flow);
    return {
      ...{
        kind: "bind",
        callId,
        cseq,
        firstCSeq: wasChallenged ? cseq - 1 : cseq,
        flow,
        path,
        outbound,
        userAgent,
        contacts: orders,
      },
      ...(origin === undefined ? {} : { origin }),
    };
  } catch (error) {
    if (error instanceof SipParseError) return { status: 400, reason: `Bad Request: ${error.message}` };
    throw error;
  }
}

function readContact(contact: Contact, expiresHeader: number | undefined, rules: ExpiryRules): ContactOrder | Refusal {
  if (isSipUri(contact.uri)) parseUri(contact.uri);
  else if (contact.uri.length > limits.sip.uriBytes) return { status: 400, reason: "Contact Too Long" };
  const asked = contact.expiresSeconds ?? expiresHeader ?? rules.defaultSeconds;
  if (asked > 0 && asked < rules.minSeconds) {
    return { status: 423, reason: "Interval Too Brief", headers: [["Min-Expires", String(rules.minSeconds)]] };
  }
  return {
    uri: detached(contact.uri),
    expiresSeconds: Math.min(asked, rules.maxSeconds),
    q: contact.q,
    instance: detached(contact.instance ?? ""),
    // RFC 5626 §4.2: it means something only together with an instance.
    regId: contact.instance === undefined ? 0 : (contact.regId ?? 0),
  };
}

/** RFC 3261 §10.2.1.1: an Expires that cannot be read is as none. */
function readExpires(request: SipRequest): number | undefined {
  try {
    return expiresOf(request.headers);
  } catch {
    return undefined;
  }
}
