import { expect } from "chai";
import fc from "fast-check";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { assertedIn } from "../../../node/federation/edge-identity.ts";
import { examineRequest } from "../../../node/federation/examine-request.ts";
import { toDevice, toServer } from "../../../node/federation/forward.ts";
import { ownAddresses } from "../../../node/federation/own-addresses.ts";
import { readRegister } from "../../../node/registrar/read-register.ts";
import type { SipRequest } from "../../../node/sip/message/message.ts";
import { validateRequest } from "../../../node/sip/message/validate-request.ts";
import { request } from "./requests.ts";

const own = ownAddresses("s1" as ServerId, [{ transport: "UDP", address: "127.0.0.1", port: 5060 }], []);
const pieces = fc.constantFrom(
  ...[
    "<",
    ">",
    '"',
    ";",
    ",",
    "@",
    ":",
    "*",
    "sip:",
    "tel:",
    "bob",
    "example.com",
    "[::1]",
    ":5060",
    "%4",
    "%00",
    "\\",
  ],
  ...[
    "tag=1",
    "lr",
    "expires=0",
    "expires=99999999999999",
    "q=2",
    "SIP/2.0/UDP",
    "branch=z9hG4bK",
    " ",
    "=",
    "0",
    "70",
    "é",
  ],
);
const text = fc.oneof(
  fc.array(pieces, { maxLength: 12 }).map((list) => list.join("")),
  fc.string({ maxLength: 40 }).map((any) => any.replaceAll(/[\r\n]/g, "")),
  fc.constantFrom("<sip:alice@example.com>;tag=1", "sip:bob@example.com", "SIP/2.0/UDP h;branch=z9hG4bK1", "10"),
);
const names = ["Via", "From", "To", "Contact", "Expires", "Max-Forwards", "Route", "Require", "Proxy-Require"];
const more = ["P-Asserted-Identity", "Privacy", "Aorta-Epoch", "User-Agent"];
const field = fc.tuple(fc.constantFrom(...names, ...more), text);
const methods = fc.constantFrom("REGISTER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "PUBLISH", "OPTIONS", "INVITE", "FOO");
const uris = fc.oneof(text, fc.constantFrom("sip:bob@example.com", "sip:example.com", "sip:127.0.0.1:5060"));

/** Well-formed but for some fields. */
const requests: fc.Arbitrary<SipRequest> = fc
  .tuple(methods, uris, fc.array(field, { maxLength: 4 }))
  .map(([method, uri, fields]) => {
    const made = request(method, uri, { to: "<sip:bob@example.com>" });
    for (const [name, value] of fields) made.headers.set(name, value);
    return made;
  })
  .filter(isLetThrough);

/** What the stack does not answer by itself. */
function isLetThrough(message: SipRequest): boolean {
  try {
    validateRequest(message);
    return true;
  } catch {
    return false;
  }
}

describe("requests made up to break the edge", () => {
  it("are examined, read and copied without an error, however malformed", () => {
    fc.assert(
      fc.property(requests, (message) => {
        const examined = examineRequest(message, { domain: "example.com", own, secure: false, fromServer: false });
        if (examined.kind === "refused") expect(examined.status).to.be.within(400, 699);
        const order = readRegister(
          message,
          { transport: "UDP", address: "127.0.0.1", port: 1 },
          { minSeconds: 60, defaultSeconds: 3600, maxSeconds: 7200 },
        );
        if ("status" in order) expect(order.status).to.be.within(400, 499);
        assertedIn(message.headers);
        toServer(message, { version: 1, counter: 1, member: 1 });
        toDevice(message, { uri: message.uri });
      }),
      { numRuns: 2000 },
    );
  });
});
