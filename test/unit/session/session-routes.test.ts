import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import type { RegisteredContact } from "../../../node/registrar/registered-contacts.ts";
import { SessionRoutes } from "../../../node/session/session-routes.ts";
import { createFlowTokens } from "../../../node/sip/flow-tokens.ts";
import type { SocketFlow } from "../../../node/sip/stack.ts";
import { request } from "../federation/requests.ts";

const JOE = "sip:joe@example.com" as Aor;
const uri = "sip:joe@192.168.1.5:5060";

function at(address: string, port: number): SocketFlow {
  return { transport: "UDP", address, port };
}

describe("the way of a session to its caller", () => {
  it("says where the caller was registered, and not where a twin was behind another NAT", () => {
    const [office, home] = [at("198.51.100.1", 40_000), at("192.0.2.1", 40_000)];
    const contacts: RegisteredContact[] = [
      { uri, flow: office, twin: "office" },
      { uri, flow: home },
    ];
    const routes = new SessionRoutes({
      self: "one" as ServerId,
      tokens: createFlowTokens(new Uint8Array(32)),
      contacts: { contactsOf: (aor) => (aor === JOE ? contacts : []) },
      addressFor: () => "sip:192.0.2.9:5060",
    });
    const invite = request("INVITE", "sip:bob@example.com");
    invite.headers.set("From", `<${JOE}>;tag=1`).set("Contact", `<${uri}>`);
    /** Whether a registration is newer than the way of a call from there. */
    const isNewer = (registered: SocketFlow, from: SocketFlow) => {
      const recorded = routes.recorded(invite, from, at("192.0.2.8", 5060));
      const info = request("INFO", uri);
      info.headers.set("From", "<sip:bob@example.com>;tag=2").set("To", `<${JOE}>;tag=1`);
      info.headers.set("Call-ID", invite.headers.get("Call-ID")!);
      info.headers.set("Route", recorded.headers.all("Record-Route")[1]!);
      return routes.wayOf(info.headers).to?.isNewer(registered);
    };
    const unregistered = at("192.0.2.1", 41_000);
    expect(isNewer(home, unregistered), "was there before").to.equal(false);
    expect(isNewer(at("192.0.2.1", 42_000), unregistered)).to.equal(true);
    expect(isNewer(home, home)).to.equal(true);
  });
});
