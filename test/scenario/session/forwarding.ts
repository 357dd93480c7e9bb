import type { SipRequest, SipResponse } from "../../../node/sip/message/message.ts";
import type { Agent } from "./session-world.ts";

/** What a proxy does with an INVITE: Via grows, Max-Forwards shrinks. */
export function sendOn(
  agent: Agent,
  request: SipRequest,
  uri: string,
  change = (hops: number) => hops - 1,
): Promise<SipResponse> {
  const headers = request.headers.clone();
  headers.set("Max-Forwards", String(change(Number(headers.get("Max-Forwards")))));
  return agent.stack.invite({ ...request, uri, headers }, agent.server, {});
}

/** A device that sends on to another user whatever comes, as call forwarding does. */
export function forwardAll(agent: Agent, to: string, change?: (hops: number) => number): void {
  agent.onInvite((incoming) => void sendOn(agent, incoming.request, to, change).then(incoming.respond));
}
