import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import type { Device } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const BOB = "sip:bob@example.com" as Aor;

const answers = (device: Device, status: number, headers: readonly (readonly [string, string])[] = []): void =>
  device.client.onRequest(({ request, respond }) => respond(createResponse(request, status, { headers })));

/** Of bob, whose desk phone refuses messages, and whose mobile is asleep. */
async function deskAndMobile(status: number, headers: readonly (readonly [string, string])[] = []) {
  const domain = new SimulatedDomain();
  const [one, two] = [domain.server("one"), domain.server("two")];
  const [joe, desk, mobile] = [domain.device("joe", one), domain.device("bob", two), domain.device("bob", two)];
  answers(desk, status, headers);
  mobile.client.onRequest(() => {});
  for (const device of [desk, mobile]) await device.register();
  return { domain, two, joe, mobile };
}

describe("a message to a user one of whose devices is silent", () => {
  for (const status of [405, 415, 486, 488, 501]) {
    it(`waits for that one, though the other answers ${status}`, async () => {
      const { domain, two, joe, mobile } = await deskAndMobile(status);
      const answer = joe.message(BOB, "hello?");
      await domain.time.advance(limits.federation.deliveryMs + 1_000);
      expect((await answer).status).to.equal(202);
      expect(two.held.status.messages).to.equal(1);
      const taken: string[] = [];
      mobile.client.onRequest(({ request, respond }) => {
        taken.push(Buffer.from(request.body).toString());
        respond(createResponse(request, 200));
      });
      await domain.time.advance(limits.messaging.heldRetryMaxMs + limits.federation.deliveryMs);
      expect(taken).to.deep.equal(["hello?"]);
      expect(two.held.status.messages).to.equal(0);
    });
  }

  it("is refused all the same where the other one declines for its user, or asks for credentials", async () => {
    for (const [status, headers] of [
      [603, []],
      [407, [["Proxy-Authenticate", 'Digest realm="a", nonce="1"']]],
    ] as const) {
      const { domain, two, joe } = await deskAndMobile(status, headers);
      const answer = joe.message(BOB, "hello?");
      await domain.time.advance(limits.federation.deliveryMs + 1_000);
      expect((await answer).status).to.equal(status);
      expect(two.held.status.messages).to.equal(0);
    }
  });
});
