import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { createRequest, createResponse } from "../../../node/sip/message/build.ts";
import type { Device } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const BOB = "sip:bob@example.com" as Aor;
const { deliveryMs } = limits.federation;

describe("messages of one sender to a user whose device falls silent", () => {
  it("are held in the order in which they were written, though the first is still waited for when the last comes", async () => {
    for (const isElsewhere of [true, false]) {
      const domain = new SimulatedDomain();
      const [one, two] = [domain.server("one"), domain.server("two")];
      const [joe, bob] = [domain.device("joe", one), domain.device("bob", isElsewhere ? two : one)];
      await bob.register();
      bob.client.onRequest(() => {});
      const answers: Promise<unknown>[] = [];
      for (const [text, pauseMs] of [
        ["1", deliveryMs / 4],
        ["2", deliveryMs],
        ["3", 1_000],
        ["4", deliveryMs],
      ] as const) {
        answers.push(joe.message(BOB, text).then(({ status }) => expect(status, text).to.equal(202)));
        await domain.time.advance(pauseMs);
      }
      await domain.time.advance(deliveryMs);
      await Promise.all(answers);
      const taken: string[] = [];
      bob.client.onRequest(({ request, respond }) => {
        taken.push(Buffer.from(request.body).toString());
        respond(createResponse(request, 200));
      });
      await domain.time.advance(limits.messaging.heldRetryMaxMs + deliveryMs);
      expect(taken).to.deep.equal(["1", "2", "3", "4"]);
    }
  });

  it("do not wait for themselves, where one is sent back to the server that it came from", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [joe, bob, moved] = [domain.device("joe", one), domain.device("bob", two), domain.device("bob", one)];
    await bob.register();
    moved.client.onRequest(() => {});
    const answer = joe.message(BOB, "1");
    await moved.register();
    await domain.time.advance(2 * deliveryMs);
    expect(two.counters.get("federation.forwarded_after_move")).to.equal(1);
    expect((await answer).status).to.equal(202);
  });

  it("are not kept from their refusal by those before them, where they are for now or never", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", one)];
    await bob.register();
    bob.client.onRequest(() => {});
    const startMs = domain.time.monotonicMs();
    const first = joe.message(BOB, "1");
    await domain.time.advance(1_000);
    bob.client.onRequest(({ request, respond }) => respond(createResponse(request, 480)));
    const now = await domain.time.until(joe.message(BOB, "now", [["Expires", "0"]]));
    expect(now.status).to.equal(480);
    expect(domain.time.monotonicMs() - startMs).to.be.below(deliveryMs);
    await domain.time.advance(deliveryMs);
    expect((await first).status).to.equal(202);
  });
});

describe("messages of one sender to a user who moves in the instant in which they have to queue", () => {
  it("stay behind what waits at the server that the user has left", async () => {
    const domain = new SimulatedDomain();
    domain.time.isBusy = true;
    const [one, two, three] = [domain.server("one"), domain.server("two"), domain.server("three")];
    const taken: string[] = [];
    const [left, moving, back] = [two, three, one].map((server) => {
      const device = domain.device("bob", server);
      device.client.onRequest(({ request, respond }) => {
        taken.push(Buffer.from(request.body).toString());
        respond(createResponse(request, 200));
      });
      return device;
    });
    const [here, there] = [domain.device("joe", three), domain.device("joe", one)];
    const write = ({ client }: Device, text: string) =>
      client.send(
        createRequest({
          ...{ method: "MESSAGE", uri: BOB, from: `<${here.aor}>;tag=m`, to: `<${BOB}>`, body: text },
          headers: [["Content-Type", "text/plain"]],
        }),
      );
    await left?.register();
    await domain.time.advance(100);
    void moving?.client.send(moving.registration());
    const answers = [write(here, "1")];
    await domain.time.advance(2);
    answers.push(write(there, "2"), write(there, "3"));
    await domain.time.advance(1);
    void back?.client.send(back.registration());
    await domain.time.advance(limits.messaging.heldRetryMaxMs);
    expect((await Promise.all(answers)).map(({ status }) => status < 300)).to.deep.equal([true, true, true]);
    expect(taken).to.deep.equal(["1", "2", "3"]);
  });
});

describe("messages that one sender writes in one burst", () => {
  for (const [where, isFound] of [
    ["to a user whom the first lookup finds last", true],
    ["to a user whom the first lookup does not find", false],
  ] as const)
    it(`arrive in the order in which they were written, ${where}`, async () => {
      const domain = new SimulatedDomain();
      const [one, two] = [domain.server("one"), domain.server("two")];
      const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
      bob.client.onRequest(({ request, respond }) => respond(createResponse(request, 200)));
      await bob.register();
      const { locator } = one;
      const locate = locator.locate.bind(locator);
      let lookups = 0;
      locator.locate = async (aor, options) => {
        if (++lookups > 1) return locate(aor, options);
        await new Promise<void>((resolve) => domain.time.after(500, resolve));
        return isFound ? locate(aor, options) : { kind: "unavailable", reason: "no majority" };
      };
      const answers = ["1", "2", "3"].map((text) => joe.message(BOB, text));
      await domain.time.advance(limits.messaging.heldRetryMaxMs);
      expect((await Promise.all(answers)).map(({ status }) => status < 300)).to.deep.equal([true, true, true]);
      expect(bob.texts()).to.deep.equal(["1", "2", "3"]);
    });
});
