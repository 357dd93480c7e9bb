import { expect } from "chai";
import { limits } from "../../node/runtime/limits.ts";
import { createResponse } from "../../node/sip/message/build.ts";
import type { Flow, SocketTransport } from "../../node/sip/stack.ts";
import { settle, VirtualTime } from "../helpers/virtual-time.ts";
import type { TestStack } from "./harness.ts";
import { Inbox, rawClient, rawRequest, startStack } from "./harness.ts";

/** What becomes of a message: it is served, answered with a status, or dropped without an answer. */
type Fate = "served" | "dropped" | number;

interface Case {
  readonly what: string;
  readonly octets: string | Uint8Array;
  readonly datagram: Fate;
  /** On TCP and TLS, where it is not the same as in a datagram or frame. */
  readonly stream?: Fate;
  /** Whether a TCP or TLS connection ends with it: at once, or when the rest of a message does not come. */
  readonly ends?: "at once" | "in time";
}

const GOOD = rawRequest({ branch: "z9hG4bKbad" });

function without(name: string): string {
  return GOOD.replace(new RegExp(`^${name}: .*\r\n`, "m"), "");
}

function twice(name: string): string {
  return GOOD.replace(new RegExp(`^(${name}: .*\r\n)`, "m"), "$1$1");
}

function contentLength(...values: readonly string[]): string {
  return GOOD.replace("Content-Length: 0\r\n", values.map((value) => `Content-Length: ${value}\r\n`).join(""));
}

function spoilt(text: string): Uint8Array {
  return Buffer.from(GOOD.replace("OPTIONS sip:example.com SIP/2.0\r\n", `$&${text}\r\n`), "latin1");
}

const CASES: readonly Case[] = [
  { what: "nothing wrong", octets: GOOD, datagram: "served" },
  // What a request has to have.
  ...["From", "To", "Call-ID", "CSeq"].map((name) => ({ what: `no ${name}`, octets: without(name), datagram: 400 })),
  { what: "no Via, so nowhere to answer to", octets: without("Via"), datagram: "dropped" },
  { what: "no Max-Forwards", octets: without("Max-Forwards"), datagram: "served" },
  ...["From", "To", "Call-ID", "CSeq", "Max-Forwards"].map((name) => ({
    what: `${name} twice`,
    octets: twice(name),
    datagram: 400,
  })),
  ...["From", "To", "Call-ID", "CSeq", "Max-Forwards"].map((name) => ({
    what: `an empty ${name}`,
    octets: GOOD.replace(new RegExp(`^${name}: .*`, "m"), `${name}:`),
    datagram: 400,
  })),
  { what: "an empty Via", octets: GOOD.replace(/^Via: .*/m, "Via:"), datagram: "dropped" },
  {
    what: "a second Via that is none",
    octets: twice("Via").replace(/(^Via: .*\r\n)Via: .*/m, "$1Via: x"),
    datagram: "served",
  },
  { what: "a CSeq of another method", octets: GOOD.replace("CSeq: 1 OPTIONS", "CSeq: 1 MESSAGE"), datagram: 400 },
  { what: "a CSeq of 2^31", octets: GOOD.replace("CSeq: 1 ", "CSeq: 2147483648 "), datagram: 400 },
  { what: "Max-Forwards of 256", octets: GOOD.replace("Max-Forwards: 70", "Max-Forwards: 256"), datagram: 400 },
  // Bounds.
  ...["X-Long", "From", "Via", "Call-ID", "Subject"].map((name) => ({
    what: `a ${name} longer than a field may be`,
    octets: spoilt(`${name}: ${"x".repeat(limits.sip.headerBytes)}`),
    datagram: 400,
  })),
  {
    what: "a field folded over more lines than it may be long",
    octets: spoilt(`X-Long: x${"\r\n ".repeat(limits.sip.headerBytes)}`),
    datagram: 400,
  },
  {
    what: "more fields than there may be",
    octets: spoilt(Array(limits.sip.headerCount).fill("X: y").join("\r\n")),
    datagram: 400,
  },
  {
    what: "more values of Via than there may be fields",
    octets: GOOD.replace("z9hG4bKbad", `z9hG4bKbad${", SIP/2.0/UDP a".repeat(300)}`),
    datagram: "served",
  },
  {
    what: "a Request-URI longer than a URI may be",
    octets: GOOD.replace("sip:example.com", `sip:${"a".repeat(limits.sip.uriBytes)}`),
    datagram: 414,
  },
  {
    what: "a method as long as a field may be",
    octets: GOOD.replaceAll("OPTIONS", "M".repeat(8000)),
    datagram: "served",
  },
  // Content-Length.
  { what: "no Content-Length", octets: without("Content-Length"), datagram: "served", stream: 400, ends: "at once" },
  {
    what: "a Content-Length that is too long",
    octets: contentLength("10"),
    datagram: 400,
    stream: "dropped",
    ends: "in time",
  },
  { what: "a Content-Length that is too short", octets: `${GOOD}body`, datagram: "served", ends: "in time" },
  { what: "a negative Content-Length", octets: contentLength("-1"), datagram: 400, ends: "at once" },
  { what: "a Content-Length in words", octets: contentLength("none"), datagram: 400, ends: "at once" },
  { what: "a Content-Length with a plus sign", octets: contentLength("+0"), datagram: 400, ends: "at once" },
  { what: "a hexadecimal Content-Length", octets: contentLength("0x0"), datagram: 400, ends: "at once" },
  { what: "two different Content-Lengths", octets: contentLength("0", "4"), datagram: 400, ends: "at once" },
  {
    what: "two different Content-Lengths, one compact",
    octets: contentLength("0").replace("Max-", "l: 4\r\nMax-"),
    datagram: 400,
    ends: "at once",
  },
  { what: "the same Content-Length twice", octets: contentLength("0", "0"), datagram: "served" },
  { what: "two Content-Lengths in one field", octets: contentLength("0, 0"), datagram: 400, ends: "at once" },
  {
    what: "a Content-Length above all bounds",
    octets: contentLength("9".repeat(400)),
    datagram: 413,
    stream: 513,
    ends: "at once",
  },
  // Octets.
  { what: "a field that is not UTF-8", octets: spoilt("Subject: \xff\xfe"), datagram: 400 },
  { what: "a truncated UTF-8 sequence", octets: spoilt("Subject: \xe2\x82"), datagram: 400 },
  { what: "UTF-8 longer than it need be", octets: spoilt("Subject: \xc0\xaf"), datagram: 400 },
  { what: "a surrogate in UTF-8", octets: spoilt("Subject: \xed\xa0\x80"), datagram: 400 },
  {
    what: "a body that is no text",
    octets: Buffer.from(rawRequest({ branch: "z9hG4bKbad" }).replace("h: 0", "h: 4") + "\xff\0\xfe\r", "latin1"),
    datagram: "served",
  },
  { what: "a lone CR in a field", octets: spoilt("Subject: a\rb"), datagram: 400 },
  { what: "a lone LF in a field", octets: spoilt("Subject: a\nVia: SIP/2.0/UDP b"), datagram: 400 },
  { what: "a NUL in a field", octets: spoilt("Subject: a\0b"), datagram: "served" },
  { what: "a field without a colon", octets: spoilt("Subject"), datagram: 400 },
  { what: "a field without a name", octets: spoilt(": a"), datagram: 400 },
  { what: "another version", octets: GOOD.replace("SIP/2.0\r\n", "SIP/7.0\r\n"), datagram: 505 },
];

const TRANSPORTS: readonly SocketTransport[] = ["UDP", "TCP", "TLS", "WS", "WSS"];

describe("bad input on every transport", function () {
  this.timeout(30_000);
  const time = new VirtualTime();
  let server: TestStack;
  let closed: Inbox<Flow>;

  before(async () => {
    server = await startStack(TRANSPORTS, { clock: time, timers: time });
    server.stack.onRequest((incoming) => {
      server.requests.put(incoming);
      incoming.respond(createResponse(incoming.request, 200));
    });
    closed = new Inbox<Flow>();
    server.stack.onFlowClosed((flow) => closed.put(flow));
  });
  after(() => server.stack.stop());

  let sentinels = 0;

  for (const transport of TRANSPORTS) {
    const isStream = transport === "TCP" || transport === "TLS";
    it(`gets the right answer over ${transport}, is counted, and leaves the stack as it was`, async () => {
      for (const { what, octets, datagram, stream, ends } of CASES) {
        const fate = isStream ? (stream ?? datagram) : datagram;
        const malformed = server.counters.get("sip.malformed");
        let peer = await rawClient(server.address(transport));
        const branch = `z9hG4bK-${transport}-${sentinels++}`;
        const own = Buffer.from(octets).toString("latin1").replace("z9hG4bKbad", branch);
        // WebSocket text frames are UTF-8 by themselves: what is not goes in a binary one.
        peer.send(Buffer.from(own, "latin1"));
        const reply = (about: string) =>
          peer.received.next().catch((cause: unknown) => {
            throw new Error(`${about}: no answer`, { cause });
          });
        if (fate !== "dropped") {
          expect(await reply(what), what).to.match(new RegExp(`^SIP/2\\.0 ${fate === "served" ? 200 : fate} `));
        }
        if (isStream && ends !== undefined) {
          if (ends === "in time") {
            // The server has read it all when it answers to what came before it on another connection; then only time ends this one.
            await settle();
            await time.advance(limits.sip.partialMessageMs);
          }
          await peer.closed;
          await closed.next();
          peer = await rawClient(server.address(transport));
        }
        const callId = `after-${branch}`;
        peer.send(rawRequest({ branch: `${branch}-after`, callId }));
        const answer = await reply(`after ${what}`);
        expect(answer, `after ${what}`)
          .to.match(/^SIP\/2\.0 200 /)
          .and.to.include(callId);
        const isCounted = server.counters.get("sip.malformed") > malformed;
        expect(isCounted, `${what} is counted`).to.equal(
          fate !== "served" && !(fate === "dropped" && ends === "in time"),
        );
        peer.close();
        if (transport !== "UDP") await closed.next();
      }
      expect(server.counters.get("sip.faults")).to.equal(0);
      expect(server.counters.get("sip.handler_failures")).to.equal(0);
    });
  }
});
