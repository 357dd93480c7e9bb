import { expect } from "chai";
import { createRequest, createResponse } from "../../../node/sip/message/build.ts";
import type { SipRequest, SipResponse } from "../../../node/sip/message/message.ts";
import { randomTag } from "../../../node/sip/message/tags.ts";
import type { Agent } from "./session-world.ts";
import { SessionWorld } from "./session-world.ts";

const ALICE = "sip:alice@example.com";
const ALLOWED = "presence, presence.winfo, reg";

describe("a subscription that a device serves, and not the node", function () {
  this.timeout(60_000);
  let world: SessionWorld;

  before(async () => {
    world = await SessionWorld.of(2);
  });
  afterEach(() => world.endAgents());
  after(() => world.stop());

  for (const [where, server] of [
    ["the same server", 0],
    ["another server", 1],
  ] as const) {
    it(`is made with the device at ${where}, whose NOTIFYs come back by the same way, and refreshed there`, async () => {
      const [joe, alice] = [await world.agent("joe", 0), await world.agent("alice", server, "TCP")];
      await alice.register();
      const tag = accept(alice, 200);
      const subscribe = subscribeOf(joe, "dialog");
      const accepted = await joe.send(subscribe);
      expect(accepted.status).to.equal(200);
      const [arrived] = alice.received;
      expect(arrived?.request.uri).to.equal(alice.contact);
      expect(arrived?.request.headers.get("P-Asserted-Identity")).to.equal("<sip:joe@example.com>");

      const notify = notifier(alice, joe, arrived!.request, tag);
      expect((await notify("NOTIFY", "dialog")).status).to.equal(200);
      expect(joe.received.map(({ request }) => request.headers.get("Event"))).to.deep.equal(["dialog"]);
      const dialog = joe.dialogOf(subscribe, accepted);
      expect((await joe.send(dialog.request("SUBSCRIBE", { headers: [["Event", "dialog"]] }))).status).to.equal(200);
      expect(alice.methods()).to.deep.equal(["SUBSCRIBE", "SUBSCRIBE"]);

      // Nothing else goes that way, in neither direction.
      for (const event of ["check-sync", "refer"]) expect((await notify("NOTIFY", event)).status, event).to.equal(481);
      for (const method of ["INVITE", "REFER", "BYE", "MESSAGE"])
        expect((await notify(method, "dialog")).status, `${method} with Event`).to.equal(403);
      expect((await notify("SUBSCRIBE", "dialog")).status, "the other way round").to.equal(403);
      expect((await notify("NOTIFY", "dialog", { callId: "another" })).status, "of another dialog").to.equal(481);
      for (const method of ["NOTIFY", "REFER"])
        expect((await joe.send(dialog.request(method, { headers: [["Event", "dialog"]] }))).status, method).to.equal(
          403,
        );
      expect([joe.methods(), alice.methods()]).to.deep.equal([["NOTIFY"], ["SUBSCRIBE", "SUBSCRIBE"]]);
      await alice.register(0);
    });

    it(`gives nobody a way to make a device at ${where} obey a NOTIFY, though it says where the device is`, async () => {
      const [mallory, alice] = [await world.agent("mallory", 0), await world.agent("alice", server)];
      await alice.register();
      accept(alice, 489);
      const subscribe = subscribeOf(mallory, "check-sync");
      expect((await mallory.send(subscribe)).status).to.equal(489);
      // The device may tell the whole way, as some do in every answer.
      const way = alice.received[0]!.request.headers.all("Record-Route");
      const own = subscribe.headers.get("From")!;
      // With the ways of a session of the same names, too.
      const callId = subscribe.headers.get("Call-ID")!;
      const invite = { ...mallory.invitation(ALICE), headers: mallory.invitation(ALICE).headers.clone() };
      invite.headers.set("Call-ID", callId);
      invite.headers.set("From", own);
      const session = (await mallory.send(invite)).headers.all("Record-Route");
      const half = way.length / 2;
      const mixed = [
        [...way.slice(half), ...session.slice(0, half)],
        [...session.slice(half), ...way.slice(0, half)],
        [...way.slice(half), ...session.slice(half - 1, half)],
      ].flatMap((routes) => [routes, routes.toReversed()]);
      for (const routes of [way, way.toReversed(), way.slice(1), way.slice(0, 1), way.slice(-1), session, ...mixed])
        for (const [from, to] of [
          [own, `<${ALICE}>;tag=x`],
          [`<${ALICE}>;tag=x`, own],
          [own, own],
        ] as const) {
          const headers: [string, string][] = [
            ...routes.map((route): [string, string] => ["Route", route]),
            ["Event", "check-sync"],
            ["Subscription-State", "active"],
          ];
          await mallory.send(createRequest({ method: "NOTIFY", uri: alice.contact, from, to, callId, headers }));
        }
      expect(alice.methods()).to.not.include("NOTIFY");
      await alice.register(0);
    });

    it(`is with one device at ${where}: the one registered last that takes it`, async () => {
      const joe = await world.agent("joe", 0);
      const devices = [
        await world.agent("alice", server),
        await world.agent("alice", server),
        await world.agent("alice", server),
      ];
      for (const device of devices) await device.register();
      devices.forEach((device, at) => accept(device, at === 2 ? 489 : 200));
      expect((await joe.send(subscribeOf(joe, "dialog"))).status).to.equal(200);
      expect(devices.map((device) => device.methods())).to.deep.equal([[], ["SUBSCRIBE"], ["SUBSCRIBE"]]);
      accept(devices[1]!, 489);
      accept(devices[0]!, 489);
      expect((await joe.send(subscribeOf(joe, "dialog"))).status, "none takes it").to.equal(489);
      for (const device of devices) await device.register(0);
    });

    it(`is for another time where the device at ${where} cannot take it now`, async () => {
      const [joe, alice] = [await world.agent("joe", 0), await world.agent("alice", server, "TCP")];
      await alice.register();
      const wait = (response: SipResponse) => [response.status, response.headers.get("Retry-After")];
      alice.onSubscribe(({ request, respond }) =>
        respond(createResponse(request, 480, { headers: [["Retry-After", "7"]] })),
      );
      expect(wait(await joe.send(subscribeOf(joe, "dialog"))), "as it says itself").to.deep.equal([480, "7"]);
      alice.onSubscribe(({ request, respond }) => respond(createResponse(request, 482)));
      expect((await joe.send(subscribeOf(joe, "dialog"))).status, "as it says itself").to.equal(482);
      const { contact } = alice;
      await world.restart(server, () => alice.stop());
      expect(wait(await joe.send(subscribeOf(joe, "dialog"))), "gone").to.deep.equal([480, "30"]);
      const again = await world.agent("alice", server);
      const removal = again.outside("REGISTER", ALICE, [
        ["Contact", `<${contact}>`],
        ["Expires", "0"],
      ]);
      removal.headers.set("To", `<${ALICE}>`);
      expect((await again.send({ ...removal, uri: "sip:example.com" })).status).to.equal(200);
    });
  }

  it("gets 489 with the packages that there are where there is nobody to ask", async () => {
    const [joe, alice] = [await world.agent("joe", 0), await world.agent("alice", 1)];
    const nowhere = await joe.send(subscribeOf(joe, "dialog"));
    expect([nowhere.status, nowhere.headers.get("Allow-Events")]).to.deep.equal([489, ALLOWED]);
    await alice.register();
    expect((await alice.send(subscribeOf(alice, "message-summary"))).status, "her own device alone").to.equal(489);
    expect((await joe.send(subscribeOf(joe, "dialog", "sip:example.com"))).status, "no user").to.be.within(404, 489);
    expect(alice.methods()).to.deep.equal([]);
    await alice.register(0);
  });
});

function subscribeOf(agent: Agent, event: string, to = ALICE): SipRequest {
  return agent.outside("SUBSCRIBE", to, [
    ["Event", event],
    ["Contact", `<${agent.contact}>`],
    ["Expires", "600"],
  ]);
}

/** The device answers each SUBSCRIBE with that. Returns its tag. */
function accept(agent: Agent, status: number): string {
  const tag = randomTag();
  agent.onSubscribe((incoming) => {
    const headers = [
      ["Contact", `<${agent.contact}>`],
      ["Expires", "600"],
    ] as const;
    incoming.respond(createResponse(incoming.request, status, { toTag: tag, headers }));
  });
  return tag;
}

/** Sends what the device sends within the subscription that a SUBSCRIBE has made. */
function notifier(device: Agent, watcher: Agent, subscribe: SipRequest, tag: string) {
  let cseq = 0;
  return (method: string, event: string, changes: { readonly callId?: string } = {}): Promise<SipResponse> => {
    const routes = subscribe.headers.all("Record-Route").map((route): [string, string] => ["Route", route]);
    return device.send(
      createRequest({
        ...{ method, uri: watcher.contact, from: `<${ALICE}>;tag=${tag}`, to: subscribe.headers.get("From")! },
        ...{ callId: subscribe.headers.get("Call-ID")!, cseq: (cseq += 1), ...changes },
        headers: [...routes, ["Event", event], ["Subscription-State", "active"], ["Contact", `<${device.contact}>`]],
      }),
    );
  };
}
