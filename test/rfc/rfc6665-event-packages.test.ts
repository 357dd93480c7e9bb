import { expect } from "chai";
import type { SipResponse } from "../../node/sip/message/message.ts";
import { parseMessage } from "../../node/sip/message/parse-message.ts";
import { EdgeNode } from "../helpers/edge-node.ts";
import { rawClient } from "../sip/harness.ts";

/** Those that are asked for by phones and not served here, as they are written in Event. */
const UNKNOWN: readonly (readonly [what: string, event: string, accept: string])[] = [
  ["message waiting (RFC 3842)", "message-summary", "application/simple-message-summary"],
  ["the state of dialogs (RFC 4235)", "dialog", "application/dialog-info+xml"],
  ["dialogs that are shared", "dialog;sla;ma", "application/dialog-info+xml"],
  ["a subscription of several in one dialog", "message-summary;id=7", "application/simple-message-summary"],
  ["watchers of watchers (RFC 3857 §4)", "presence.winfo.winfo", "application/watcherinfo+xml"],
  ["a package in another case, which is another (RFC 6665 §8.2.1)", "Presence", "application/pidf+xml"],
  ["what every object has", "constructor", "*/*"],
];

/** Packages that are served. */
const SERVED = ["presence", "presence.winfo", "reg"];

function request(method: string, uri: string, ...fields: string[]): Buffer {
  const to = fields.find((field) => field.startsWith("To:")) ?? `To: <sip:user@example.com>`;
  return Buffer.from(
    [
      `${method} ${uri} SIP/2.0`,
      "Via: SIP/2.0/WS phone.invalid;branch=z9hG4bKevent",
      "From: <sip:user@example.com>;tag=1",
      to,
      "Call-ID: event",
      `CSeq: 1 ${method}`,
      "Max-Forwards: 70",
      "Contact: <sip:user@phone.invalid;transport=ws>",
      ...fields.filter((field) => field !== to),
      "Content-Length: 0",
      "",
      "",
    ].join("\r\n"),
  );
}

describe("event packages at a node (RFC 6665)", () => {
  let node: EdgeNode;

  before(async () => {
    node = await EdgeNode.start("none");
  });

  after(() => node.stop());

  async function answerTo(octets: Buffer): Promise<SipResponse> {
    const peer = await rawClient(node.listener("WS"));
    peer.send(octets);
    const answer = parseMessage(Buffer.from(await peer.received.next())) as SipResponse;
    peer.close();
    return answer;
  }

  for (const [what, event, accept] of UNKNOWN)
    it(`${what}: a SUBSCRIBE gets 489 with the packages that there are, and leaves nothing behind (§4.2.1.1, §8.3.2)`, async () => {
      const fields = [`Event: ${event}`, `Accept: ${accept}`, "Expires: 3600"];
      for (const to of ["", ";tag=none"]) {
        const octets = request("SUBSCRIBE", "sip:user@example.com", ...fields, `To: <sip:user@example.com>${to}`);
        const { status, headers } = await answerTo(octets);
        expect([status, headers.all("Allow-Events"), headers.has("Expires")]).to.deep.equal([489, SERVED, false]);
      }
      expect(node.counters.get("presence.subscribe_accepted")).to.equal(0);
    });

  it("that are offered in the answer to OPTIONS are those that a 489 names (§8.2.2)", async () => {
    const { status, headers } = await answerTo(request("OPTIONS", "sip:example.com"));
    expect([status, headers.all("Allow-Events")]).to.deep.equal([200, SERVED]);
  });

  it("are asked for by the short name of Event, too", async () => {
    expect((await answerTo(request("SUBSCRIBE", "sip:user@example.com", "o: dialog"))).status).to.equal(489);
  });

  it("that nobody subscribed to are not told of: a NOTIFY of one gets 481 (§4.1.3)", async () => {
    const fields = ["Event: message-summary", "Subscription-State: active;expires=60"];
    expect((await answerTo(request("NOTIFY", "sip:user@example.com", ...fields))).status).to.equal(481);
  });
});
