import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { expect } from "chai";
import type { ServerId } from "../../dht-schema/roster.ts";
import type { SipResponse } from "../../node/sip/message/message.ts";
import { parseMessage } from "../../node/sip/message/parse-message.ts";
import { parseNameAddr } from "../../node/sip/message/name-addr.ts";
import { parseUri, unescapeUri } from "../../node/sip/message/uri.ts";
import { startStack } from "../sip/harness.ts";

const FOLDER = join(dirname(createRequire(import.meta.url).resolve("sip/package.json")), "test/messages");

/**
 * What the stack does with each message of RFC 4475, in the RFC's order: hands the request up, refuses it with a status, or
 * drops the message. Requests handed up may still get 415, 416, 420 and the like from whoever serves them.
 */
const TABLE: Record<
  string,
  ["hands up" | "answers", string | number, string] | ["drops", "malformed" | "stray", string]
> = {
  // §3.1.1 valid messages
  wsinv: ["hands up", "INVITE", "a short tortuous INVITE"],
  intmeth: ["hands up", "!interesting-Method0123456789_*+`.%indeed'~", "a wide range of valid characters"],
  esc01: ["hands up", "INVITE", "valid use of the % escaping mechanism"],
  escnull: ["hands up", "REGISTER", "escaped nulls in URIs"],
  esc02: ["hands up", "RE%47IST%45R", "use of % when it is not an escape"],
  lwsdisp: ["hands up", "OPTIONS", "a message with no LWS between display name and <"],
  longreq: ["hands up", "INVITE", "long values in header fields"],
  dblreq: ["hands up", "REGISTER", "extra trailing octets in a UDP datagram"],
  semiuri: ["hands up", "OPTIONS", "semicolon-separated parameters in the URI user part"],
  transports: ["hands up", "OPTIONS", "varied and unknown transport types"],
  mpart01: ["hands up", "MESSAGE", "a multipart MIME message"],
  unreason: ["drops", "stray", "a response with an unusual reason phrase: valid, but nobody waits for it"],
  noreason: ["drops", "stray", "a response with an empty reason phrase: valid, but nobody waits for it"],
  // §3.1.2 invalid messages
  badinv01: ["answers", 400, "extraneous header field separators"],
  clerr: ["answers", 400, "Content-Length larger than the message"],
  ncl: ["answers", 400, "negative Content-Length"],
  scalar02: ["answers", 400, "request scalar fields with overlarge values"],
  scalarlg: ["drops", "malformed", "response scalar fields with overlarge values"],
  quotbal: ["answers", 400, "unterminated quoted string in a display name"],
  ltgtruri: ["answers", 400, "<> enclosing the Request-URI"],
  lwsruri: ["answers", 400, "malformed Request-URI with embedded LWS"],
  lwsstart: ["answers", 400, "multiple SP in the request line"],
  trws: ["answers", 400, "SP at the end of the request line"],
  escruri: ["answers", 400, "escaped header fields in the Request-URI"],
  baddate: ["hands up", "INVITE", "invalid time zone in Date, which nothing here reads"],
  regbadct: ["answers", 400, "name-addr not enclosed in <>, with header fields in the URI"],
  badaspec: ["answers", 400, "spaces within an addr-spec"],
  baddn: ["answers", 400, "non-token characters in a display name"],
  badvers: ["answers", 505, "unknown protocol version"],
  mismatch01: ["answers", 400, "start line and CSeq method mismatch"],
  mismatch02: ["answers", 400, "unknown method with CSeq method mismatch"],
  bigcode: ["drops", "malformed", "overlarge response code"],
  // §3.2 transaction layer
  badbranch: ["hands up", "OPTIONS", "a branch that is the magic cookie alone"],
  // §3.3 application layer
  insuf: ["answers", 400, "missing mandatory header fields"],
  unkscm: ["hands up", "OPTIONS", "Request-URI with an unknown scheme"],
  novelsc: ["hands up", "OPTIONS", "Request-URI with a known but atypical scheme"],
  unksm2: ["hands up", "REGISTER", "unknown URI schemes in header fields"],
  bext01: ["hands up", "OPTIONS", "Proxy-Require and Require of unknown extensions"],
  invut: ["hands up", "INVITE", "unknown Content-Type"],
  regaut01: ["hands up", "REGISTER", "unknown authorization scheme"],
  multi01: ["answers", 400, "several values in single-value fields"],
  mcl01: ["answers", 400, "several Content-Length values"],
  bcast: ["drops", "stray", "a 200 OK with a broadcast Via"],
  zeromf: ["hands up", "OPTIONS", "Max-Forwards of zero"],
  cparam01: ["hands up", "REGISTER", "a REGISTER with a contact header parameter"],
  cparam02: ["hands up", "REGISTER", "a REGISTER with a URL parameter"],
  regescrt: ["hands up", "REGISTER", "a REGISTER with an escaped header in its Contact"],
  sdp01: ["hands up", "INVITE", "an unacceptable Accept offer"],
  // §3.4 backward compatibility
  inv2543: ["hands up", "INVITE", "an INVITE of RFC 2543"],
};

/** In the package, but not in the RFC. */
const OTHERS: typeof TABLE = {
  badcseq: ["answers", 400, "a CSeq without a number"],
  test: ["drops", "malformed", "no version, no Via"],
};

function octetsOf(name: string): Buffer {
  const octets = readFileSync(`${FOLDER}/${name}.dat`);
  // The package keeps the empty line of this one in a file of its own.
  return name === "baddn" ? Buffer.concat([octets, readFileSync(`${FOLDER}/baddn_sep.dat`)]) : octets;
}

describe("RFC 4475 torture messages", () => {
  it("are all in the table", () => {
    const files = readdirSync(FOLDER)
      .filter((file) => file.endsWith(".dat") && file !== "baddn_sep.dat")
      .map((file) => file.slice(0, -4));
    expect(Object.keys({ ...TABLE, ...OTHERS }).toSorted()).to.deep.equal(files.toSorted());
    expect(Object.keys(TABLE)).to.have.length(49);
  });

  for (const [name, [does, what, about]] of Object.entries({ ...TABLE, ...OTHERS })) {
    it(`${name}, ${about}: ${does} ${what}`, async () => {
      const answers: SipResponse[] = [];
      let deliver: (from: ServerId, message: Uint8Array) => void = () => {};
      const { stack, counters, requests } = await startStack([], {
        mesh: {
          self: "self" as ServerId,
          send: (_server, message) => answers.push(parseMessage(message) as SipResponse) > 0,
          receive: (receiver) => (deliver = receiver),
        },
      });
      deliver("peer" as ServerId, octetsOf(name));
      const received = requests.unread === 0 ? undefined : (await requests.next()).request;
      await stack.stop();
      expect(received?.method).to.equal(does === "hands up" ? what : undefined);
      expect(answers.map((answer) => answer.status)).to.deep.equal(does === "answers" ? [what] : []);
      expect(counters.get("sip.malformed")).to.equal(does === "answers" || what === "malformed" ? 1 : 0);
      expect(counters.get("sip.stray_responses")).to.equal(what === "stray" ? 1 : 0);
    });
  }
});

describe("what RFC 4475 says about valid messages", () => {
  function headers(name: string) {
    return parseMessage(octetsOf(name)).headers;
  }

  it("wsinv has three Via values, a folded subject of nothing, and Max-Forwards 68", () => {
    const of = headers("wsinv");
    expect(of.all("Via")).to.have.length(3);
    expect(of.get("Subject")).to.equal("");
    expect(Number(of.get("Max-Forwards"))).to.equal(68);
    expect(parseNameAddr(of.get("Contact") as string).displayName).to.equal('Quoted string ""');
    expect(parseNameAddr(of.get("From") as string).displayName).to.equal('J Rosenberg \\"');
  });

  it("intmeth has a name of control characters, and a parameter in UTF-8", () => {
    const of = headers("intmeth");
    expect(parseNameAddr(of.get("To") as string).displayName).to.equal("BEL:\x07 NUL:\0 DEL:\x7f");
    expect(parseNameAddr(of.get("From") as string).params.get("fromparam''~+*_!.-%")).to.equal("работающий");
  });

  it("escnull has users that are a null, and differ from none", () => {
    const users = headers("escnull")
      .all("Contact")
      .map((each) => parseUri(parseNameAddr(each).uri).user as string);
    expect(users.map(unescapeUri)).to.deep.equal(["\0", "\0\0"]);
  });

  it("dblreq ends at its Content-Length", () => {
    expect(parseMessage(octetsOf("dblreq")).body).to.have.length(0);
  });

  it("semiuri has a user part with semicolons", () => {
    const message = parseMessage(octetsOf("semiuri"));
    expect(message).to.have.property("uri", "sip:user;par=u%40example.net@example.com");
    expect(parseUri("sip:user;par=u%40example.net@example.com").user).to.equal("user;par=u%40example.net");
  });

  it("unreason has its reason phrase in UTF-8", () => {
    expect(parseMessage(octetsOf("unreason")))
      .to.have.property("reason")
      .that.includes("= 2**3 * 5**2 но сто девяносто девять - простое");
  });

  it("cparam01 has a parameter of the header, cparam02 one of the URI", () => {
    expect(parseNameAddr(headers("cparam01").get("Contact") as string).params.has("unknownparam")).to.equal(true);
    const inUri = parseNameAddr(headers("cparam02").get("Contact") as string);
    expect(inUri.params.has("unknownparam")).to.equal(false);
    expect(parseUri(inUri.uri).params.has("unknownparam")).to.equal(true);
  });
});
