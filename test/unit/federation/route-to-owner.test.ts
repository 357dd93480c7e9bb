import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { DeviceDelivery } from "../../../node/federation/route-to-owner.ts";
import { createOwnerRouter } from "../../../node/federation/route-to-owner.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import type { SipResponse } from "../../../node/sip/message/message.ts";
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
        ...{ locator, counters, logger: silentLogger, deliver: broken, registering: () => undefined },
        send: () => Promise.reject(new Error("nobody is asked")),
      });
      const identity = { asserted: undefined, from: from(locator) };
      const flow = { transport: "MESH", server: locator.self } as const;
      const answer = router.route(request("MESSAGE", BOB), BOB, identity, flow);
      expect((await time.until(answer)).status).to.equal(500);
      expect(counters.get("federation.failures")).to.equal(1);
    });
  }

  it("waits at the user's new server until that has bound the contact for which it claims them", async () => {
    const time = new VirtualTime();
    const directory = new SimulatedDirectory(time);
    const [here, there] = [directory.join("one"), directory.join("two")];
    const registered = Promise.withResolvers<void>();
    const delivered: Aor[] = [];
    const router = createOwnerRouter({
      ...{ locator: here, counters: createCounters(), logger: silentLogger },
      registering: (aor) => (aor === BOB ? registered.promise : undefined),
      send: () => Promise.reject(new Error("nobody is asked")),
      deliver(message, aor) {
        delivered.push(aor);
        return Promise.resolve(createResponse(message, 200));
      },
    });
    const identity = { asserted: undefined, from: { server: there.self } };
    const flow = { transport: "MESH", server: there.self } as const;
    const answer = router.route(request("MESSAGE", BOB), BOB, identity, flow);
    await time.advance(10);
    expect(delivered).to.deep.equal([]);
    directory.move(BOB, here);
    registered.resolve();
    expect((await time.until(answer)).status).to.equal(200);
    expect(delivered).to.deep.equal([BOB]);
  });

  it("is not gone past by what comes when the contact is there, and who waits for it does not know yet", async () => {
    const time = new VirtualTime();
    const directory = new SimulatedDirectory(time);
    const [here, there] = [directory.join("one"), directory.join("two")];
    const registered = Promise.withResolvers<void>();
    const waits: (Promise<void> | undefined)[] = [registered.promise, undefined];
    const delivered: string[] = [];
    const router = createOwnerRouter({
      ...{ locator: here, counters: createCounters(), logger: silentLogger },
      registering: () => waits.shift(),
      send: () => Promise.reject(new Error("nobody is asked")),
      deliver(message) {
        delivered.push(message.headers.get("Call-ID") ?? "");
        return Promise.resolve(createResponse(message, 200));
      },
    });
    const identity = { asserted: undefined, from: { server: there.self } };
    const flow = { transport: "MESH", server: there.self } as const;
    directory.move(BOB, here);
    const requests = [1, 2].map(() => request("MESSAGE", BOB));
    for (const [at, { headers }] of requests.entries()) headers.set("Call-ID", `${at}`);
    const answers = requests.map((each) => router.route(each, BOB, identity, flow));
    registered.resolve();
    await Promise.all(answers.map((answer) => time.until(answer)));
    expect(delivered).to.deep.equal(["0", "1"]);
  });

  it("says that there is nobody where there is, and what else is the matter where that passes", async () => {
    const time = new VirtualTime();
    const directory = new SimulatedDirectory(time);
    const [here, there] = [directory.join("one"), directory.join("two")];
    const asked = request("SUBSCRIBE", BOB);
    const flow = { transport: "UDP", address: "192.0.2.1", port: 5060 } as const;
    const statusWhere = async (answerOfOwner: () => SipResponse): Promise<number> => {
      const router = createOwnerRouter({
        ...{
          locator: here,
          counters: createCounters(),
          logger: silentLogger,
          deliver: broken,
          registering: () => undefined,
        },
        send: () => Promise.resolve(answerOfOwner()),
        nobody: () => createResponse(asked, 489),
      });
      const answer = await time.until(router.route(asked, BOB, { asserted: undefined, from: "client" }, flow));
      expect(answer.headers.has("Aorta-Nobody")).to.equal(false);
      return answer.status;
    };
    const says = (status: number, ...headers: [string, string][]) => createResponse(asked, status, { headers });
    expect(await statusWhere(() => says(500)), "on no server").to.equal(489);
    directory.move(BOB, there);
    expect(await statusWhere(() => says(480, ["Aorta-Nobody", "1"])), "without a device").to.equal(489);
    expect(await statusWhere(() => says(480)), "a device that is silent").to.equal(480);
    expect(await statusWhere(() => says(404, ["Aorta-Epoch", "9.9.9"])), "moving").to.equal(480);
    expect(await statusWhere(() => says(503, ["Aorta-Local", "1"])), "on a server that cannot be reached").to.equal(
      480,
    );
  });

  it("does not say that this server is overloaded where another one is: the client would leave it (RFC 3261 §16.7 step 6)", async () => {
    const time = new VirtualTime();
    const directory = new SimulatedDirectory(time);
    const [here, there] = [directory.join("one"), directory.join("two")];
    directory.move(BOB, there);
    const invite = request("INVITE", BOB);
    const router = createOwnerRouter({
      ...{
        locator: here,
        counters: createCounters(),
        logger: silentLogger,
        deliver: broken,
        registering: () => undefined,
      },
      send: () => Promise.resolve(createResponse(invite, 503, { headers: [["Retry-After", "7"]] })),
    });
    const flow = { transport: "UDP", address: "192.0.2.1", port: 5060 } as const;
    const answer = router.route(invite, BOB, { asserted: undefined, from: "client" }, flow);
    const { status, headers } = await time.until(answer);
    expect([status, headers.get("Retry-After")]).to.deep.equal([480, "7"]);
  });
});
