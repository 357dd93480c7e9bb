import { eventually } from "../../helpers/eventually.ts";
import type { SipRequest, SipResponse } from "../../../node/sip/message/message.ts";
import type { Agent, Dialog } from "./session-world.ts";

/** A call that rings. */
export interface Ringing {
  readonly invite: SipRequest;
  readonly answer: Promise<SipResponse>;
  /** How often the caller was told so far that it rings. */
  readonly rings: () => number;
}

/** Calls, and waits until it rings. @param signal with which the caller gives up */
export async function ringing(caller: Agent, to: string, signal?: AbortSignal): Promise<Ringing> {
  const invite = caller.invitation(to);
  let rings = 0;
  const onProvisional = ({ status }: SipResponse) => void (rings += status === 180 ? 1 : 0);
  const answer = caller.call(invite, { onProvisional, ...(signal && { signal }) });
  await eventually(() => rings > 0, "a 180");
  return { invite, answer, rings: () => rings };
}

/** A session with somebody who accepts at once, and its two ends. */
export async function session(caller: Agent, callee: Agent): Promise<{ callers: Dialog; callees: Dialog }> {
  const invite = caller.invitation(callee.aor);
  const callers = caller.dialogOf(invite, await caller.call(invite));
  callers.ack();
  return { callers, callees: await callee.confirmed() };
}
