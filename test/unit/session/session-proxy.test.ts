import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import { limits } from "../../../node/runtime/limits.ts";
import type { SessionProxyComponents } from "../../../node/session/session-proxy.ts";
import { createSessionProxy } from "../../../node/session/session-proxy.ts";
import { createFlowTokens } from "../../../node/sip/flow-tokens.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import type { SipRequest, SipResponse } from "../../../node/sip/message/message.ts";
import { VirtualTime } from "../../helpers/virtual-time.ts";
import { request } from "../federation/requests.ts";

const SELF = "two" as ServerId;

describe("a request within a session", () => {
  it("that another server is too busy for is answered 480: by 503 its client would leave this one (RFC 3261 §16.7 step 6)", async () => {
    const components: Partial<SessionProxyComponents> = {
      self: SELF,
      tokens: createFlowTokens(new Uint8Array(32)),
      counters: createCounters(),
      isMember: () => true,
      isLinked: () => true,
      locator: { onLost: () => () => {} } as Partial<
        SessionProxyComponents["locator"]
      > as SessionProxyComponents["locator"],
      contacts: { onRegistration: () => () => {} } as Partial<
        SessionProxyComponents["contacts"]
      > as SessionProxyComponents["contacts"],
      stack: {
        send: (sent) => Promise.resolve(createResponse(sent, 503, { headers: [["Retry-After", "5"]] })),
      } as Partial<SessionProxyComponents["stack"]> as SessionProxyComponents["stack"],
    };
    const info = request("INFO", "sip:bob@example.com");
    info.headers.set("To", `${info.headers.get("To")};tag=bobs`);
    for (const server of [SELF, "three"]) info.headers.append("Route", `<sip:${server}@mesh.invalid;lr>`);
    const answer = await new Promise<SipResponse>((respond) => {
      const flow = { transport: "MESH", server: "one" as ServerId } as const;
      createSessionProxy(components as SessionProxyComponents).follow({ request: info, flow, respond, onCancel() {} });
    });
    expect([answer.status, answer.headers.get("Retry-After")]).to.deep.equal([480, "5"]);
  });

  it("that another server brings to a device which is here does not wait, nor is it refused when no more may wait", async () => {
    const there = { uri: "sip:bob@192.0.2.1", flow: { transport: "UDP", address: "192.0.2.1", port: 5060 } } as const;
    const components = {
      self: SELF,
      tokens: createFlowTokens(new Uint8Array(32)),
      counters: createCounters(),
      timers: new VirtualTime(),
      locator: { onLost: () => () => {} },
      contacts: {
        contactsOf: () => [there],
        usersAt: () => ({ same: [], near: [] }),
        onRegistration: () => () => {},
      },
      stack: {
        hasClosed: () => false,
        send: (sent: SipRequest) => Promise.resolve(createResponse(sent, 200)),
      },
    };
    const proxy = createSessionProxy(components as unknown as SessionProxyComponents);
    const bye = (contact: string): Promise<number> => {
      const sent = request("BYE", "sip:bob@example.com");
      sent.headers.set("To", "<sip:bob@example.com>;tag=bobs").set("Aorta-Contact", contact);
      const { promise, resolve } = Promise.withResolvers<number>();
      const flow = { transport: "MESH", server: "one" as ServerId } as const;
      proxy.follow({ request: sent, flow, respond: ({ status }) => resolve(status), onCancel() {} });
      return promise;
    };
    const { atOnce } = limits.session.waitingForAway;
    const waiting = Array.from({ length: atOnce }, () => bye("sip:bob@192.0.2.7"));
    expect(await waiting.at(-1)).to.equal(480);
    expect(await bye(there.uri)).to.equal(200);
  });
});

describe("INVITEs that ring", () => {
  it("are never all of one caller: others can call, and who has their share is not told to look for another server", () => {
    const components = {
      self: SELF,
      tokens: createFlowTokens(new Uint8Array(32)),
      counters: createCounters(),
      timers: new VirtualTime(),
      locator: { locate: () => new Promise(() => {}), onLost: () => () => {} },
      contacts: { onRegistration: () => () => {} },
    };
    const proxy = createSessionProxy(components as unknown as SessionProxyComponents);
    const call = (caller: string): number[] => {
      const asserted = parseAor(`sip:${caller}@example.com`);
      const answers: number[] = [];
      const respond = ({ status }: SipResponse): void => void answers.push(status);
      const flow = { transport: "UDP", address: "192.0.2.1", port: 5060 } as const;
      const incoming = { request: request("INVITE", "sip:bob@example.com"), flow, respond, onCancel() {} };
      proxy.handleInvite(incoming, { asserted, from: "client" }, parseAor("sip:bob@example.com"));
      return answers;
    };
    const share = limits.session.ringing / 2;
    const answers = Array.from({ length: share + 1 }, () => call("eve"));
    expect([answers[share - 1], answers[share]]).to.deep.equal([[], [480]]);
    expect(call("joe")).to.deep.equal([]);
  });
});
