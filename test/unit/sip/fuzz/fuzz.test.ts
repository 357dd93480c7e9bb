import { expect } from "chai";
import fc from "fast-check";
import type { ServerId } from "../../../../dht-schema/roster.ts";
import { limits } from "../../../../node/runtime/limits.ts";
import { expiresOf, parseContacts } from "../../../../node/sip/message/contact.ts";
import { parseCredentials } from "../../../../node/sip/message/credentials.ts";
import { parseEvent, parseSubscriptionState } from "../../../../node/sip/message/event.ts";
import { StreamFramer } from "../../../../node/sip/message/framer.ts";
import type { SipMessage } from "../../../../node/sip/message/message.ts";
import { formatNameAddr, parseNameAddr } from "../../../../node/sip/message/name-addr.ts";
import { parseMessage } from "../../../../node/sip/message/parse-message.ts";
import { serializeMessage } from "../../../../node/sip/message/serialize-message.ts";
import { SipParseError } from "../../../../node/sip/message/sip-parse-error.ts";
import { formatUri, parseUri } from "../../../../node/sip/message/uri.ts";
import { validateRequest } from "../../../../node/sip/message/validate-request.ts";
import { formatVia, parseVia } from "../../../../node/sip/message/via.ts";
import { startStack } from "../../../sip/harness.ts";
import { CORPUS } from "./corpus.ts";
import { mutated, runs } from "./mutations.ts";

/** The result, or undefined where it is refused in the one way that is allowed. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof SipParseError)) throw error;
    expect(error.status).to.be.within(400, 599);
    return undefined;
  }
}

/** What a message is, for comparison. */
function contentOf(message: SipMessage): unknown {
  const { headers, body, ...start } = message;
  const fields = [...headers.entries()].filter(([name]) => !/^(?:content-length|l)$/i.test(name));
  return { start, fields, body: Buffer.from(body).toString("latin1") };
}

/** Reads each field in the way that its readers do, whatever it is called: every reader sees every nonsense. */
function readEverything(message: SipMessage): void {
  if (message.kind === "request") {
    attempt(() => validateRequest(message));
    const uri = attempt(() => parseUri(message.uri));
    if (uri !== undefined) expect(parseUri(formatUri(uri))).to.deep.equal(uri);
  }
  attempt(() => parseContacts(message.headers));
  attempt(() => expiresOf(message.headers));
  for (const [name] of message.headers.entries()) {
    for (const value of attempt(() => message.headers.all(name)) ?? []) {
      const via = attempt(() => parseVia(value));
      if (via !== undefined) expect(parseVia(formatVia(via))).to.deep.equal(via);
      const address = attempt(() => parseNameAddr(value));
      if (address !== undefined) expect(parseNameAddr(formatNameAddr(address))).to.deep.equal(address);
      attempt(() => parseCredentials(value));
      attempt(() => parseEvent(value));
      attempt(() => parseSubscriptionState(value));
    }
  }
}

describe("mutated SIP messages", function () {
  // A long session takes as long as it takes.
  if (process.env["AORTA_FUZZ_RUNS"] !== undefined) this.timeout(0);

  it("are parsed to what serializes and parses to the same, or are refused", () => {
    fc.assert(
      fc.property(mutated(CORPUS), (octets) => {
        const message = attempt(() => parseMessage(octets));
        if (message === undefined) return;
        const written = serializeMessage(message);
        if (written.length <= limits.sip.messageBytes)
          expect(contentOf(parseMessage(written))).to.deep.equal(contentOf(message));
        readEverything(message);
      }),
      runs(400),
    );
  });

  it("on a stream give the same however they are cut, and never hold more than a message", () => {
    const stream = fc.array(mutated(CORPUS), { minLength: 1, maxLength: 3 }).map((all) => Buffer.concat(all));
    fc.assert(
      fc.property(
        stream,
        fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 1, maxLength: 5 }),
        (octets, sizes) => {
          const whole = new StreamFramer().push(octets);
          const framer = new StreamFramer();
          const pieces = [];
          for (let at = 0, i = 0; at < octets.length; i++) {
            const size = sizes[i % sizes.length] as number;
            pieces.push(...framer.push(octets.subarray(at, at + size)));
            at += size;
          }
          const show = (events: typeof whole) =>
            events.map((event) =>
              event.kind === "message" ? Buffer.from(event.bytes).toString("latin1") : event.kind,
            );
          expect(show(pieces)).to.deep.equal(show(whole));
          for (const event of whole) {
            if (event.kind !== "message") continue;
            expect(event.bytes.length).to.be.at.most(limits.sip.messageBytes);
            attempt(() => parseMessage(event.bytes));
          }
        },
      ),
      runs(300),
    );
  });

  it("do no harm to a stack: it answers, drops or hands up, and goes on", async () => {
    let deliver: (from: ServerId, message: Uint8Array) => void = () => {};
    const { stack, counters } = await startStack([], {
      mesh: {
        self: "self" as ServerId,
        send: (_server, message) => {
          expect(parseMessage(message).kind).to.equal("response");
          return true;
        },
        receive: (receiver) => (deliver = receiver),
      },
    });
    stack.onRequest((incoming) =>
      incoming.respond({
        kind: "response",
        status: 200,
        reason: "OK",
        headers: incoming.request.headers,
        body: new Uint8Array(0),
      }),
    );
    fc.assert(
      fc.property(mutated(CORPUS), (octets) => deliver("peer" as ServerId, octets)),
      runs(1000),
    );
    expect(counters.get("sip.requests_in")).to.be.greaterThan(0);
    expect(counters.get("sip.malformed")).to.be.greaterThan(0);
    expect(counters.get("sip.handler_failures")).to.equal(0);
    expect(counters.get("sip.faults")).to.equal(0);
    await stack.stop();
  });
});
