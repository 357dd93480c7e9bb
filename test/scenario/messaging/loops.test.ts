import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { createRequest } from "../../../node/sip/message/build.ts";
import type { Device } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const ALICE = "sip:alice@example.com" as Aor;
const BOB = "sip:bob@example.com" as Aor;

/** A device that sends on to another user whatever comes, as call forwarding does: Via grows, Max-Forwards shrinks. */
function forwardAll(device: Device, to: Aor, change: (maxForwards: number) => number = (hops) => hops - 1): void {
  device.client.onRequest((incoming) => {
    const headers = incoming.request.headers.clone();
    headers.set("Max-Forwards", String(change(Number(headers.get("Max-Forwards")))));
    void device.client
      .send({ ...incoming.request, uri: to, headers })
      .then(({ status, reason }) =>
        incoming.respond({ ...incoming.request, kind: "response", status, reason, headers }),
      );
  });
}

function setUp() {
  const domain = new SimulatedDomain();
  const [one, two] = [domain.server("one"), domain.server("two")];
  return {
    domain,
    servers: [one, two],
    joe: domain.device("joe", one),
    alice: domain.device("alice", one),
    bob: domain.device("bob", two),
  };
}

describe("a message that goes in circles", () => {
  it("between two users who forward to each other, on two servers, ends with 482 after a few hops", async () => {
    const { domain, joe, alice, bob } = setUp();
    await alice.register();
    await bob.register();
    forwardAll(alice, BOB);
    forwardAll(bob, ALICE);
    expect((await joe.message(BOB, "round and round")).status).to.equal(482);
    const hops = domain.network.log.filter(({ request }) => request.method === "MESSAGE");
    expect(hops.length).to.be.within(4, 12);
  });

  it("at one user who forwards to their own address ends with 482", async () => {
    const { domain, joe, bob } = setUp();
    await bob.register();
    forwardAll(bob, BOB);
    expect((await joe.message(BOB, "back to you")).status).to.equal(482);
    expect(domain.network.log.filter(({ request }) => request.method === "MESSAGE").length).to.be.at.most(8);
  });

  for (const [where, serverOf] of [
    ["the same server", () => 0],
    ["two servers, to and fro", (at: number) => at % 2],
  ] as const) {
    it(`goes in none at ${where} while each forwards to another user: the last one has it`, async () => {
      const { joe, servers, domain } = setUp();
      const users = ["ann", "ben", "cat", "dan"].map((user, at) => domain.device(user, servers[serverOf(at)]!));
      for (const [at, user] of users.entries()) {
        await user.register();
        const next = users[at + 1];
        if (next !== undefined) forwardAll(user, next.aor);
      }
      expect((await joe.message(users[0]!.aor, "pass it on")).status).to.equal(200);
      expect(users.at(-1)!.texts()).to.deep.equal(["pass it on"]);
    });
  }

  it("is found by its Via, even where the devices on the way count no hops", async () => {
    const { joe, alice, bob } = setUp();
    await alice.register();
    await bob.register();
    forwardAll(alice, BOB, () => 70);
    forwardAll(bob, ALICE, () => 70);
    expect((await joe.message(BOB, "round and round")).status).to.equal(482);
  });

  it("ends with 483 where its hops end first", async () => {
    const { joe, alice, bob } = setUp();
    await alice.register();
    await bob.register();
    forwardAll(bob, ALICE);
    const fields = {
      from: `<${joe.aor}>;tag=m`,
      to: `<${BOB}>`,
      headers: [["Max-Forwards", "3"]] as [string, string][],
    };
    expect((await joe.send(createRequest({ method: "MESSAGE", uri: BOB, ...fields }))).status).to.equal(483);
    expect(alice.texts()).to.deep.equal([]);
  });
});
