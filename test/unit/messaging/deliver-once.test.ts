import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import { AORTA_MESSAGE } from "../../../node/federation/aorta-headers.ts";
import { createOnceDelivery } from "../../../node/messaging/deliver-once.ts";
import { DeliveredNames } from "../../../node/messaging/delivered-names.ts";
import { systemClock } from "../../../node/runtime/clock.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import { createRequest, createResponse } from "../../../node/sip/message/build.ts";
import type { SipResponse } from "../../../node/sip/message/message.ts";
import { openMemoryStorage } from "../../../node/storage/storage.ts";

const BOB = parseAor("sip:bob@example.com");
const FLOW = { transport: "UDP", address: "127.0.0.1", port: 5060 } as const;

describe("the delivery of each message once", () => {
  it("is forgotten where it fails by a fault of the node, which is an answer to whoever waits, and the message can be given again", async () => {
    const message = createRequest({
      method: "MESSAGE",
      uri: BOB,
      from: "<sip:joe@example.com>;tag=1",
      to: `<${BOB}>`,
      headers: [[AORTA_MESSAGE, "name"]],
    });
    const outcomes = [Promise.withResolvers<SipResponse>(), Promise.withResolvers<SipResponse>()];
    let given = 0;
    const once = createOnceDelivery({
      deliver: () => outcomes[given++]!.promise,
      delivered: new DeliveredNames({
        store: openMemoryStorage().messages,
        clock: systemClock,
        logger: silentLogger,
      }),
      counters: createCounters(),
    });
    const name = { key: "name", isHeld: false };
    const first = once.deliver(message, BOB, FLOW);
    const waiting = once.underWay(name);
    outcomes[0]!.reject(new Error("no disk"));
    expect((await first.catch((error: unknown) => error)) as Error).to.be.an("error");
    expect((await waiting)?.status).to.equal(500);
    expect(once.underWay(name)).to.equal(undefined);
    const second = once.deliver(message, BOB, FLOW);
    outcomes[1]!.resolve(createResponse(message, 200));
    expect((await second).status).to.equal(200);
    expect([given, once.isDelivered(name)]).to.deep.equal([2, true]);
  });
});
