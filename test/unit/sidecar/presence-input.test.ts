import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import { madeFor } from "../../../node/presence/publication/stored-publication.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import { PresenceInput } from "../../../node/sidecar/presence-input.ts";
import { createRequest, createResponse, tagOf } from "../../../node/sip/message/build.ts";
import type { SipRequest } from "../../../node/sip/message/message.ts";
import { settle, VirtualTime } from "../../helpers/virtual-time.ts";

const KATE = parseAor("sip:kate@example.com");
const FLOW = { transport: "UDP", address: "192.0.2.1", port: 5060 } as const;

describe("what a server without a node tells of its user's presence", () => {
  /** A server without a node that answers each SUBSCRIBE with the next of some statuses, 200 after that. */
  function setUp({ published, statuses = [] }: { published?: string; statuses?: number[] } = {}) {
    const time = new VirtualTime();
    const subscribed: SipRequest[] = [];
    const publications: SipRequest[] = [];
    const input = new PresenceInput(
      {
        stack: {
          async send(request) {
            subscribed.push(request);
            return createResponse(request, statuses.shift() ?? 200, { toTag: `k${subscribed.length}` });
          },
        },
        subscriber: "sip:aorta@example.com",
        contactFor: () => "sip:192.0.2.9:5060",
        async publish(request) {
          publications.push(request);
          return createResponse(request, 200, { headers: [["SIP-ETag", `e${publications.length}`]] });
        },
        published: () => (publications.length === 0 ? published : undefined),
        ...{ clock: time, timers: time, counters: createCounters() },
      },
      KATE,
      FLOW,
    );
    let cseq = 0;
    const notify = async (body: string) => {
      const { headers } = subscribed.at(-1)!;
      const request = createRequest({
        method: "NOTIFY",
        uri: "sip:192.0.2.9:5060",
        from: `<${KATE}>;tag=k${subscribed.length}`,
        to: headers.get("From")!,
        callId: headers.get("Call-ID")!,
        cseq: ++cseq,
        headers: [["Subscription-State", "active;expires=600"]],
        body,
      });
      input.notified({ request, flow: FLOW, respond() {}, onCancel() {} });
      await settle();
    };
    const tags = () => publications.map(({ headers }) => headers.get("SIP-If-Match"));
    return { time, input, notify, tags, publications, subscribed };
  }

  it("takes the place of what it told a run that was killed, which nobody else would take back", async () => {
    const { input, notify, tags } = setUp({ published: "before" });
    input.open();
    await settle();
    await notify("<presence/>");
    expect(tags()).to.deep.equal(["before"]);
    input.close();
    await settle();
    expect(tags()).to.deep.equal(["before", "e1"]);
  });

  it("is taken back when its user is gone, also where the run that made it was killed", async () => {
    const { input, tags, publications } = setUp({ published: "before" });
    input.open();
    await settle();
    input.close();
    await settle();
    expect(tags()).to.deep.equal(["before"]);
    expect(publications[0]?.headers.get("Expires")).to.equal("0");
  });

  it("is taken back when the other server says that it knows nothing more", async () => {
    const { input, notify, tags, publications } = setUp({ published: "before" });
    input.open();
    await settle();
    await notify("");
    expect(tags(), "what a run before this one was told").to.deep.equal(["before"]);
    expect(publications[0]?.headers.get("Expires")).to.equal("0");
    await notify("");
    expect(publications, "there is nothing left").to.have.length(1);
    input.close();
  });

  it("is asked for again with a later REGISTER, and anew where the other server has been started in between", async () => {
    const { time, input, subscribed } = setUp({ statuses: [200, 481] });
    input.open();
    await settle();
    input.renew();
    expect(subscribed, "not so soon").to.have.length(1);
    await time.advance(limits.sidecar.renewMs);
    input.renew();
    await settle();
    expect(tagOf(subscribed[1]?.headers.get("To") ?? ""), "within the dialog").to.equal("k1");
    await time.advance(limits.sidecar.retryMinMs);
    await settle();
    expect(subscribed).to.have.length(3);
    expect(tagOf(subscribed[2]?.headers.get("To") ?? ""), "in another one").to.equal(undefined);
    input.close();
  });

  it("is known again by where it came from, whatever connection that was, and is no device's", () => {
    const stored = (key: string, path: string, origin?: string) => ({
      ...{ aor: KATE, key, entityTag: `tag of ${key}`, document: new Uint8Array(), expiresAtMs: 0, epoch: "" },
      path: JSON.stringify({ path, origin, devices: [] }),
    });
    const all = [
      stored("00000003.c", "TLS 192.0.2.1 40000 k7"),
      stored("00000002.b", "TLS 192.0.2.1 40001 k6"),
      stored("00000004.d", "TLS 192.0.2.1 40002 k8", "192.0.2.1 client.invalid 5061"),
      stored("00000005.e", "TLS 192.0.2.10 40002 k9"),
      stored("00000006.f", "UDP 192.0.2.1 5060 "),
    ];
    expect(madeFor(all, { ...FLOW, transport: "TLS" })).to.equal("tag of 00000003.c");
    expect(madeFor(all, FLOW)).to.equal("tag of 00000006.f");
    expect(madeFor(all, { ...FLOW, address: "192.0.2.2" })).to.equal(undefined);
  });
});
