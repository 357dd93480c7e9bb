import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import { PresenceInput } from "../../../node/sidecar/presence-input.ts";
import { createRequest, createResponse } from "../../../node/sip/message/build.ts";
import type { SipRequest } from "../../../node/sip/message/message.ts";
import { VirtualTime } from "../../helpers/virtual-time.ts";

const KATE = parseAor("sip:kate@example.com");

describe("the presence of a user of a server without a node, over time", () => {
  for (const [longestPublicationSeconds, asked] of [
    [7200, 3600],
    [86_400, 3600],
    [600, 300],
  ] as const)
    it(`is refreshed before what is published here ends, after ${longestPublicationSeconds} s at most`, async () => {
      const time = new VirtualTime();
      const subscribes: SipRequest[] = [];
      const published: SipRequest[] = [];
      const input = new PresenceInput(
        {
          ...{ clock: time, timers: time, counters: createCounters(), longestPublicationSeconds },
          stack: {
            send(request) {
              subscribes.push(request);
              return Promise.resolve(
                createResponse(request, 200, {
                  toTag: "kate",
                  headers: [["Expires", request.headers.get("Expires")!]],
                }),
              );
            },
          },
          subscriber: "sip:aorta@example.com",
          contactFor: () => "sip:192.0.2.1:5060",
          published: () => undefined,
          publish(request) {
            published.push(request);
            return Promise.resolve(createResponse(request, 200, { headers: [["SIP-ETag", "tag"]] }));
          },
        },
        KATE,
        { transport: "UDP", address: "192.0.2.2", port: 5060 },
      );
      const lasts = (of: SipRequest | undefined) => Number(of?.headers.get("Expires"));
      input.open();
      await time.advance(1);
      expect(lasts(subscribes[0])).to.equal(asked);
      const request = createRequest({
        ...{ method: "NOTIFY", uri: "sip:192.0.2.1:5060", cseq: 1, callId: subscribes[0]!.headers.get("Call-ID")! },
        ...{ from: `<${KATE}>;tag=kate`, to: subscribes[0]!.headers.get("From")!, body: "<presence/>" },
        headers: [["Subscription-State", "active"]],
      });
      const flow = { transport: "UDP", address: "192.0.2.2", port: 5060 } as const;
      input.notified({ request, flow, respond() {}, onCancel() {} });
      await time.advance(asked * 1000);
      expect(subscribes).to.have.length(2);
      expect(Math.min(lasts(published[0]), longestPublicationSeconds)).to.be.above(asked);
      input.close();
    });
});
