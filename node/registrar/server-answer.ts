import type { Epoch } from "../../dht-schema/ballot.ts";
import { formatBallot } from "../../dht-schema/ballot.ts";
import { AORTA_EPOCH, AORTA_REGISTRATION } from "../federation/aorta-headers.ts";
import { parseRegistration } from "../federation/registration-elsewhere.ts";
import { createResponse } from "../sip/message/build.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import type { Binding } from "./binding.ts";

/** 200 to another server's question. @param epoch of the newest registration */
export function serverAnswer(request: SipRequest, epoch: Epoch, bindings: readonly Binding[]): SipResponse {
  const asked = request.headers.get(AORTA_REGISTRATION)?.trim();
  const registration = asked === undefined ? undefined : parseRegistration(asked);
  // The same client has counted on (RFC 3261 §10.2). One that is registered at two servers counts at each for itself, but may overtake by trying again.
  const isThere = bindings.some(
    ({ callId, cseq }) => registration !== undefined && callId === registration.callId && cseq < registration.cseq,
  );
  const named = isThere && asked !== undefined ? [[AORTA_REGISTRATION, asked] as const] : [];
  return createResponse(request, 200, { headers: [[AORTA_EPOCH, formatBallot(epoch)], ...named] });
}
