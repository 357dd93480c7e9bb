import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { DeviceDelivery } from "../../../node/federation/route-to-owner.ts";
import { createOwnerRouter } from "../../../node/federation/route-to-owner.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import type { SimulatedLocator } from "../../helpers/simulated-locator.ts";
import { SimulatedDirectory } from "../../helpers/simulated-locator.ts";
import { VirtualTime } from "../../helpers/virtual-time.ts";
import { request } from "./requests.ts";

const BOB = "sip:bob@example.com" as Aor;

describe("the way of a request to its user", () => {
  const broken: DeviceDelivery = () => {
    throw new Error("the disk cannot be read");
  };

  for (const [who, from] of [
    ["a client", () => "client" as const],
    ["another server", (one: SimulatedLocator) => ({ server: one.self })],
  ] as const) {
    it(`ends with 500, counted, where something breaks on it: for ${who} too`, async () => {
      const time = new VirtualTime();
      const directory = new SimulatedDirectory(time);
      const locator = directory.join("one");
      directory.move(BOB, locator);
      const counters = createCounters();
      const router = createOwnerRouter({
        ...{ locator, counters, logger: silentLogger, deliver: broken },
        send: () => Promise.reject(new Error("nobody is asked")),
      });
      const identity = { asserted: undefined, from: from(locator) };
      const flow = { transport: "MESH", server: locator.self } as const;
      const answer = router.route(request("MESSAGE", BOB), BOB, identity, flow);
      expect((await time.until(answer)).status).to.equal(500);
      expect(counters.get("federation.failures")).to.equal(1);
    });
  }
});
