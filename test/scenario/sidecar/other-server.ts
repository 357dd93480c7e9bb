import { ownPorts } from "../../../node/demo/ports.ts";
import { createRequest } from "../../../node/sip/message/build.ts";
import type { SipRequest, SipResponse } from "../../../node/sip/message/message.ts";
import { randomCallId } from "../../../node/sip/message/tags.ts";
import type { Agent } from "../session/session-world.ts";
import { DOMAIN, SessionWorld } from "../session/session-world.ts";

/** What of a third-party REGISTER is to differ from that of a user of the domain. */
export interface RegisterChanges {
  readonly uri?: string;
  readonly from?: string;
  readonly to?: string;
  readonly contact?: string | undefined;
  readonly callId?: string;
  readonly cseq?: number;
  readonly expires?: number;
}

/** A server without a node, which the first server of a world trusts, and which registers its users there with itself as the Contact. */
export class OtherServer {
  readonly agent: Agent;
  readonly callId = randomCallId();
  #cseq = 0;

  constructor(agent: Agent) {
    this.agent = agent;
  }

  register(user: string, changes: RegisterChanges = {}): Promise<SipResponse> {
    return this.agent.send(this.request(user, changes));
  }

  /** A third-party REGISTER. @see RFC 3261 §10.2 */
  request(user: string, changes: RegisterChanges = {}): SipRequest {
    const contact = "contact" in changes ? changes.contact : `<${this.agent.contact}>`;
    return createRequest({
      method: "REGISTER",
      uri: changes.uri ?? `sip:${DOMAIN}`,
      from: changes.from ?? `<${this.agent.aor}>;tag=s`,
      to: changes.to ?? `<sip:${user}@${DOMAIN}>`,
      callId: changes.callId ?? this.callId,
      cseq: changes.cseq ?? ++this.#cseq,
      headers: [
        ...(contact === undefined ? [] : [["Contact", contact] as const]),
        ["Expires", String(changes.expires ?? 600)],
      ],
    });
  }
}

/** Servers of Aorta, and one without a node that the first of them trusts. @param trusting how many of them trust it */
export async function worldWithOther(
  servers: number,
  authentication: "none" | "digest" = "digest",
  trusting = 1,
): Promise<{ readonly world: SessionWorld; readonly other: OtherServer }> {
  const [port] = (await ownPorts(1)) as [number];
  const world = await SessionWorld.of(servers, [{ address: "127.0.0.1", port }], [], authentication, trusting);
  const agent = await world.agent("other-server", 0, "UDP", port);
  return { world, other: new OtherServer(agent) };
}
