import { expect } from "chai";
import type { ServerId } from "../../dht-schema/roster.ts";
import type { SipResponse } from "../../node/sip/message/message.ts";
import { parseMessage } from "../../node/sip/message/parse-message.ts";
import { parseNameAddr } from "../../node/sip/message/name-addr.ts";
import { formatUri, parseUri, tryParseUri } from "../../node/sip/message/uri.ts";
import { formatVia, parseVia } from "../../node/sip/message/via.ts";
import { EdgeNode } from "../helpers/edge-node.ts";
import { rawClient, startStack } from "../sip/harness.ts";

/** A request with IPv6 addresses in the places where RFC 5118 puts them. */
function request(
  fields: {
    uri?: string;
    to?: string;
    via?: string | readonly string[];
    contact?: string;
    method?: string;
    callId?: string;
    sdp?: readonly string[];
  } = {},
): string {
  const { method = "REGISTER", uri = "sip:[2001:db8::10]", callId = "1", sdp = [] } = fields;
  const vias = [fields.via ?? "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111"].flat();
  const body = sdp.map((line) => `${line}\r\n`).join("");
  return [
    `${method} ${uri} SIP/2.0`,
    `To: ${fields.to ?? "sip:user@example.com"}`,
    "From: sip:user@example.com;tag=81x2",
    ...vias.map((via) => `Via: ${via}`),
    `Call-ID: ${callId}`,
    "Max-Forwards: 70",
    `Contact: ${fields.contact ?? "<sip:user@[2001:db8::1]>"}`,
    `CSeq: 98176 ${method}`,
    ...(sdp.length === 0 ? [] : ["Content-Type: application/sdp"]),
    `Content-Length: ${Buffer.byteLength(body)}`,
    "",
    body,
  ].join("\r\n");
}

/** §4.6: one address for all, and a stream. */
const SDP = [
  "v=0",
  "o=assistant 971731711378798081 0 IN IP6 2001:db8::20",
  "s=Live video feed for today's meeting",
  "c=IN IP6 2001:db8::20",
  "t=3338481189 3370017201",
  "m=audio 6000 RTP/AVP 2",
  "a=rtpmap:2 G726-32/8000",
  "m=video 6024 RTP/AVP 107",
  "a=rtpmap:107 H263-1998/90000",
];

/** §4.8: each stream with an address of another family, none for all. */
const SDP_OF_BOTH = [
  "v=0",
  "o=bob 280744730 28977631 IN IP4 host.example.com",
  "s=",
  "t=0 0",
  "m=audio 22334 RTP/AVP 0",
  "c=IN IP4 192.0.2.1",
  "m=video 6024 RTP/AVP 107",
  "c=IN IP6 2001:db8::1",
  "a=rtpmap:107 H263-1998/90000",
];

/** §4.9 */
const SDP_MAPPED = [
  "v=0",
  "o=jdoe 2890844526 2890842807 IN IP6 ::ffff:192.0.2.2",
  "s=",
  "c=IN IP6 ::ffff:192.0.2.2",
  "t=0 0",
  "m=audio 32898 RTP/AVP 0 8",
];

const USER = "sip:user@example.com";

/** @see RFC 5118 §4.1 to §4.10; `atNode` is what a node of example.com, where users authenticate, answers */
const cases: readonly {
  readonly about: string;
  readonly fields: Parameters<typeof request>[0];
  readonly expected: "handed up" | number;
  readonly atNode: number;
}[] = [
  { about: "§4.1 an IPv6 reference in the Request-URI", fields: {}, expected: "handed up", atNode: 403 },
  {
    about: "§4.2 an IPv6 address without brackets in the Request-URI",
    fields: { uri: "sip:2001:db8::10" },
    expected: 400,
    atNode: 400,
  },
  {
    about: "§4.3 a port within the brackets, which is an address",
    fields: { uri: "sip:[2001:db8::10:5070]" },
    expected: "handed up",
    atNode: 403,
  },
  {
    about: "§4.4 a port after the brackets",
    fields: { uri: "sip:[2001:db8::10]:5070" },
    expected: "handed up",
    atNode: 403,
  },
  {
    about: "§4.5 received with brackets",
    fields: {
      method: "OPTIONS",
      uri: USER,
      via: "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111",
    },
    expected: "handed up",
    atNode: 407,
  },
  {
    about: "§4.5 received without brackets",
    fields: {
      method: "OPTIONS",
      uri: USER,
      via: "SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3",
    },
    expected: "handed up",
    atNode: 407,
  },
  {
    about: "§4.6 IPv6 addresses in SDP",
    fields: {
      method: "INVITE",
      uri: USER,
      via: "SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-111",
      contact: "<sip:caller@[2001:db8::20]>",
      sdp: SDP,
    },
    expected: "handed up",
    atNode: 407,
  },
  {
    about: "§4.7 Via values of both families",
    fields: {
      method: "OPTIONS",
      uri: USER,
      via: [
        "SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111",
        "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144",
        "SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200",
      ],
    },
    expected: "handed up",
    atNode: 407,
  },
  {
    about: "§4.8 addresses of both families in SDP",
    fields: { method: "INVITE", uri: USER, contact: "<sip:caller@[2001:db8::9:1]>", sdp: SDP_OF_BOTH },
    expected: "handed up",
    atNode: 407,
  },
  {
    about: "§4.9 IPv4 addresses mapped into IPv6, in Via, Contact and SDP",
    fields: {
      method: "INVITE",
      uri: USER,
      via: [
        "SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19",
        "SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111",
      ],
      contact: '"T. desk phone" <sip:ted@[::ffff:192.0.2.2]>',
      sdp: SDP_MAPPED,
    },
    expected: "handed up",
    atNode: 407,
  },
  {
    about: "§4.10 the colon too many of RFC 3261's grammar",
    fields: { method: "OPTIONS", uri: "sip:user@[2001:db8:::192.0.2.1]", to: "sip:user@[2001:db8:::192.0.2.1]" },
    expected: "handed up",
    atNode: 403,
  },
  {
    about: "§4.10 the same address without it",
    fields: { method: "OPTIONS", uri: "sip:user@[2001:db8::192.0.2.1]", to: "sip:user@[2001:db8::192.0.2.1]" },
    expected: "handed up",
    atNode: 403,
  },
];

const bodyOf = (message: string): string => message.slice(message.indexOf("\r\n\r\n") + 4);

describe("RFC 5118: IPv6 in SIP", () => {
  for (const { about, fields, expected } of cases) {
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
      deliver("peer" as ServerId, Buffer.from(request(fields)));
      await stack.stop();
      expect(requests.unread).to.equal(expected === "handed up" ? 1 : 0);
      if (expected === "handed up") {
        const { body } = (await requests.next()).request;
        expect(Buffer.from(body).toString(), "the body, untouched").to.equal(bodyOf(request(fields)));
      }
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

  it("§4.10: the address with a colon too many is the one without it, and written so; nothing else beside an address is read", () => {
    const uri = parseUri("sip:user@[2001:db8:::192.0.2.1]");
    expect(formatUri(uri)).to.equal("sip:user@[2001:db8::192.0.2.1]");
    for (const host of ["2001:db8:::10", "2001:db8::::192.0.2.1", "2001::db8:::192.0.2.1", "2001:db8:::192.0.2"])
      expect(tryParseUri(`sip:user@[${host}]`), host).to.equal(undefined);
  });

  it("writes brackets where they belong", () => {
    const { uri } = parseNameAddr('"J" <sip:user@[2001:DB8::1]:5060;transport=tcp>;tag=1');
    expect(formatUri(parseUri(uri))).to.equal("sip:user@[2001:db8::1]:5060;transport=tcp");
  });
});

describe("RFC 5118 messages at a node", () => {
  let node: EdgeNode;

  before(async () => {
    node = await EdgeNode.start("digest");
  });

  after(() => node.stop());

  for (const { about, fields, atNode } of cases) {
    it(`${about}: ${atNode}`, async () => {
      const peer = await rawClient(node.listener("WS"));
      peer.send(request(fields));
      const answer = parseMessage(Buffer.from(await peer.received.next())) as SipResponse;
      peer.close();
      expect(answer.status).to.equal(atNode);
      expect(answer.headers.all("Via").slice(1), "all Vias but ours, as they came").to.deep.equal(
        [fields?.via ?? []].flat().slice(1),
      );
    });
  }
});

describe("A node that sends RFC 5118's session descriptions on to a device", () => {
  let node: EdgeNode;

  before(async () => {
    node = await EdgeNode.start("none");
  });

  after(() => node.stop());

  for (const { about, fields } of cases.filter(({ fields: { sdp } = {} }) => sdp !== undefined)) {
    it(`leaves them as they are: ${about}`, async () => {
      const device = await rawClient(node.listener("WS"));
      const contact = "<sip:user@[2001:db8::20];transport=ws>";
      device.send(request({ uri: "sip:example.com", contact, callId: crypto.randomUUID() }));
      expect(await device.received.next()).to.match(/^SIP\/2\.0 200 /);
      const caller = await rawClient(node.listener("WS"));
      caller.send(request(fields));
      const invite = await device.received.next();
      device.close();
      caller.close();
      expect(invite).to.match(/^INVITE sip:user@\[2001:db8::20\]/);
      expect(bodyOf(invite)).to.equal(bodyOf(request(fields)));
    });
  }
});
