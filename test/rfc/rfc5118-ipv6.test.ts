import { expect } from "chai";
import type { ServerId } from "../../dht-schema/roster.ts";
import type { SipResponse } from "../../node/sip/message/message.ts";
import { parseMessage } from "../../node/sip/message/parse-message.ts";
import { parseNameAddr } from "../../node/sip/message/name-addr.ts";
import { formatUri, parseUri } from "../../node/sip/message/uri.ts";
import { formatVia, parseVia } from "../../node/sip/message/via.ts";
import { startStack } from "../sip/harness.ts";

/** A request with IPv6 addresses in the places where RFC 5118 puts them. */
function request(
  fields: { uri?: string; via?: string; contact?: string; method?: string; callId?: string } = {},
): string {
  const { method = "REGISTER", uri = "sip:[2001:db8::10]", callId = "1" } = fields;
  return [
    `${method} ${uri} SIP/2.0`,
    "To: sip:user@example.com",
    "From: sip:user@example.com;tag=81x2",
    `Via: ${fields.via ?? "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111"}`,
    `Call-ID: ${callId}`,
    "Max-Forwards: 70",
    `Contact: ${fields.contact ?? "<sip:user@[2001:db8::1]>"}`,
    `CSeq: 98176 ${method}`,
    "Content-Length: 0",
    "",
    "",
  ].join("\r\n");
}

describe("RFC 5118: IPv6 in SIP", () => {
  const cases: [about: string, text: string, expected: "handed up" | number][] = [
    ["§4.1 an IPv6 reference in the Request-URI", request(), "handed up"],
    ["§4.2 an IPv6 address without brackets in the Request-URI", request({ uri: "sip:2001:db8::10" }), 400],
    ["§4.3 a port within the brackets, which is an address", request({ uri: "sip:[2001:db8::10:5070]" }), "handed up"],
    ["§4.4 a port after the brackets", request({ uri: "sip:[2001:db8::10]:5070" }), "handed up"],
    [
      "§4.5 received with and without brackets",
      request({ via: "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111" }),
      "handed up",
    ],
    [
      "§4.5 received without brackets",
      request({ via: "SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3" }),
      "handed up",
    ],
    [
      "§4.8 Via values of both families",
      request({ via: "SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111, SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1" }),
      "handed up",
    ],
    ["§4.9 an IPv4 address mapped into IPv6", request({ contact: "<sip:user@[::ffff:192.0.2.10]>" }), "handed up"],
    [
      "§4.10 an address with three colons, as RFC 5954 has it",
      request({ uri: "sip:user@[2001:db8:::192.0.2.1]" }),
      400,
    ],
  ];

  for (const [about, text, expected] of cases) {
    it(`${about}: ${expected}`, async () => {
      const answers: SipResponse[] = [];
      let deliver: (from: ServerId, message: Uint8Array) => void = () => {};
      const { stack, requests } = await startStack([], {
        mesh: {
          self: "self" as ServerId,
          send: (_server, message) => answers.push(parseMessage(message) as SipResponse) > 0,
          receive: (receiver) => (deliver = receiver),
        },
      });
      deliver("peer" as ServerId, Buffer.from(text));
      await stack.stop();
      expect(requests.unread).to.equal(expected === "handed up" ? 1 : 0);
      expect(answers.map(({ status }) => status)).to.deep.equal(expected === "handed up" ? [] : [expected]);
    });
  }

  it("§4.3 and §4.4: an address that ends in 5070 is not one with port 5070", () => {
    expect(parseUri("sip:[2001:db8::10:5070]")).to.not.have.property("port");
    expect(parseUri("sip:[2001:db8::10]:5070")).to.include({ host: "2001:db8::10", port: 5070 });
  });

  it("§4.5: Via keeps an IPv6 received whichever way it is written", () => {
    for (const received of ["[2001:db8::9:255]", "2001:db8::9:255"]) {
      const text = `SIP/2.0/UDP [2001:db8::9:1];received=${received};branch=z9hG4bKas3`;
      expect(formatVia(parseVia(text))).to.equal(text);
    }
  });

  it("writes brackets where they belong", () => {
    const { uri } = parseNameAddr('"J" <sip:user@[2001:DB8::1]:5060;transport=tcp>;tag=1');
    expect(formatUri(parseUri(uri))).to.equal("sip:user@[2001:db8::1]:5060;transport=tcp");
  });
});
