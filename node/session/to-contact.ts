import type { Aor } from "../../dht-schema/aor.ts";
import { AORTA_CONTACT } from "../federation/aorta-headers.ts";
import type { Refusal } from "../federation/refusal.ts";
import { createResponse } from "../sip/message/build.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import { schemeOf } from "../sip/message/uri.ts";

/**
 * Brings a request whose Request-URI is a Contact to the device there, as one for its user that is for this device alone. Where more than one user has
 * registered that Contact, as behind two NATs with the same addresses inside, it goes to the next one where the device knows nothing of the session
 * that is to be replaced (481).
 * @param users whose device it may be, as {@link ContactSearch.find} finds them
 * @param route brings a request to its user
 * @param signal ends it
 * @see RFC 3891 §3; RFC 3261 §16.5
 */
export async function toContact(
  request: SipRequest,
  users: AsyncGenerator<Aor, Refusal>,
  route: (request: SipRequest, aor: Aor) => Promise<SipResponse>,
  signal: AbortSignal,
): Promise<SipResponse> {
  const cancelled = new Promise<undefined>((resolve) =>
    signal.addEventListener("abort", () => resolve(undefined), { once: true }),
  );
  let answer: SipResponse | undefined;
  for (;;) {
    const next = signal.aborted ? undefined : await Promise.race([users.next(), cancelled]);
    if (next === undefined || signal.aborted) return createResponse(request, 487);
    if (next.done === true) return answer ?? refused(request, next.value);
    answer = await route(forUser(request, next.value), next.value);
    if (answer.status !== 481) return answer;
  }
}

function forUser(request: SipRequest, aor: Aor): SipRequest {
  const headers = request.headers.clone().set(AORTA_CONTACT, request.uri);
  const uri = schemeOf(request.uri) === "sips" ? aor.replace(/^sip:/, "sips:") : aor;
  return { ...request, uri, headers };
}

function refused(request: SipRequest, { status, reason, headers }: Refusal): SipResponse {
  return createResponse(request, status, { reason, ...(headers && { headers }) });
}
