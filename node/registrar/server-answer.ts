import type { Epoch } from "../../dht-schema/ballot.ts";
import { formatBallot } from "../../dht-schema/ballot.ts";
import { AORTA_EPOCH, AORTA_REGISTRATION } from "../federation/aorta-headers.ts";
import type { SoughtRegistration } from "../federation/registration-elsewhere.ts";
import { parseSought } from "../federation/registration-elsewhere.ts";
import { createResponse } from "../sip/message/build.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import type { Binding } from "./binding.ts";

/** 200 to another server's question. @param epoch of the newest registration */
export function serverAnswer(request: SipRequest, epoch: Epoch, bindings: readonly Binding[]): SipResponse {
  const asked = request.headers.get(AORTA_REGISTRATION)?.trim();
  const sought = asked === undefined ? undefined : parseSought(asked);
  const isThere = asked !== undefined && sought !== undefined && has(bindings, sought);
  const named = isThere ? [[AORTA_REGISTRATION, asked] as const] : [];
  return createResponse(request, 200, { headers: [[AORTA_EPOCH, formatBallot(epoch)], ...named] });
}

function has(bindings: readonly Binding[], { callId: sought, between: [after, before] }: SoughtRegistration): boolean {
  const newest = Math.max(0, ...bindings.filter(({ callId }) => callId === sought).map(({ cseq }) => cseq));
  return after < newest && newest < before;
}
