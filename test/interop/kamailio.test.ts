import { expect } from "chai";
import { parseAor } from "../../dht-schema/aor.ts";
import type { ImSession } from "../../node/softphone/im-session.ts";
import type { SipOutcome } from "../../node/softphone/outcome.ts";
import type { PresenceNotification } from "../../node/softphone/presence-subscription.ts";
import type { ReceivedMessage } from "../../node/softphone/softphone.ts";
import { Softphone } from "../../node/softphone/softphone.ts";
import { createRequest, createResponse } from "../../node/sip/message/build.ts";
import type { SipResponse } from "../../node/sip/message/message.ts";
import { randomTag } from "../../node/sip/message/tags.ts";
import { eventually } from "../helpers/eventually.ts";
import { Agent, DOMAIN, SessionWorld } from "../scenario/session/session-world.ts";
import { Kamailio } from "./kamailio.ts";
import { findProgram, freeUdpPort } from "./programs.ts";

const aorOf = (user: string) => `sip:${user}@${DOMAIN}`;

describe("Kamailio as a server of the domain, beside two of Aorta", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  let kamailio: Kamailio;
  const phones: Softphone[] = [];

  before(async function () {
    const program = findProgram("kamailio");
    // Debian: kamailio, kamailio-presence-modules
    if (program === undefined) return this.skip();
    const port = await freeUdpPort();
    world = await SessionWorld.of(2, [{ address: "127.0.0.1", port }]);
    kamailio = await Kamailio.start(program, port, udpPortOf(0));
  });
  afterEach(async () => {
    for (const phone of phones.splice(0)) await phone.close();
  });
  after(async () => {
    await kamailio?.stop();
    await world?.stop();
  });

  function udpPortOf(server: number): number {
    return world.sides[server]!.stack.listening().find(({ transport }) => transport === "UDP")!.port;
  }

  /** A client of Kamailio, or of the server of Aorta with that index. */
  async function open(user: string, server: "kamailio" | 0 | 1): Promise<Softphone> {
    const port = server === "kamailio" ? kamailio.port : udpPortOf(server);
    const phone = await Softphone.open({ aor: aorOf(user), server: { transport: "UDP", host: "127.0.0.1", port } });
    phones.push(phone);
    return phone;
  }

  function inbox(phone: Softphone): ReceivedMessage[] {
    const messages: ReceivedMessage[] = [];
    phone.onMessage((message) => messages.push(message));
    return messages;
  }

  it("registers its users with the node beside it, and messages go both ways", async () => {
    const [kate, anna] = [await open("kate", "kamailio"), await open("anna", 1)];
    const [atKate, atAnna] = [inbox(kate), inbox(anna)];
    expect((await kate.register()).status).to.equal(200);
    expect((await anna.register()).status).to.equal(200);
    expect((await anna.sendMessage(kate.aor, "to Kamailio")).status).to.equal(200);
    expect((await kate.sendMessage(anna.aor, "from Kamailio")).status).to.equal(200);
    expect(atKate).to.deep.equal([{ from: anna.aor, text: "to Kamailio" }]);
    expect(atAnna).to.deep.equal([{ from: kate.aor, text: "from Kamailio" }]);
  });

  it("has two of its users write to each other by way of the node", async () => {
    const [kate, karl] = [await open("kate", "kamailio"), await open("karl", "kamailio")];
    const [atKate, atKarl] = [inbox(kate), inbox(karl)];
    for (const phone of [kate, karl]) expect((await phone.register()).status).to.equal(200);
    expect((await kate.sendMessage(karl.aor, "next door")).status).to.equal(200);
    expect((await karl.sendMessage(kate.aor, "and back")).status).to.equal(200);
    expect([atKate, atKarl].map((all) => all.map(({ text }) => text))).to.deep.equal([["and back"], ["next door"]]);
  });

  it("shows its users' presence to watchers on Aorta, and theirs to its own", async () => {
    const [kate, anna] = [await open("kate", "kamailio"), await open("anna", 1)];
    for (const phone of [kate, anna]) expect((await phone.register()).status).to.equal(200);
    const [atKate, atAnna]: [PresenceNotification[], PresenceNotification[]] = [[], []];
    await anna.subscribePresence(kate.aor, (notification) => atAnna.push(notification));
    await kate.subscribePresence(anna.aor, (notification) => atKate.push(notification));
    expect((await kate.publishPresence({ basic: "open", note: "at Kamailio" })).status).to.equal(200);
    expect((await anna.publishPresence({ basic: "open", note: "at Aorta" })).status).to.equal(200);
    await eventually(() => atAnna.some(({ presence }) => presence?.note === "at Kamailio"), "kate's presence at anna");
    await eventually(() => atKate.some(({ presence }) => presence?.note === "at Aorta"), "anna's presence at kate");
    expect((await kate.publishPresence({ basic: "open", note: "on the phone" })).status).to.equal(200);
    await eventually(() => atAnna.at(-1)?.presence?.note === "on the phone", "kate's change at anna");
  });

  it("has a user with several devices at the node for as long as the longest of them, and no device believes in more", async () => {
    const server = { transport: "UDP", address: "127.0.0.1", port: kamailio.port } as const;
    const devices = [0, 1, 2].map(() => new Agent("lena", server));
    const [desk, mobile, moved] = devices as [Agent, Agent, Agent];
    // Kamailio counts in whole seconds, of which one may just be over.
    const contactsIn = ({ headers }: SipResponse) =>
      headers
        .all("Contact")
        .map((contact) => contact.replaceAll(/[<>]/g, "").replace("=69", "=70").replace("=299", "=300"));
    const bound = async (device: Agent, expires: number) => contactsIn(await device.register(expires));
    const secondsAtNode = () => {
      const [binding] = world.sides[0]!.registrar.registrationsOf(parseAor(aorOf("lena")));
      return binding && (binding.expiresAtMs - performance.now()) / 1000;
    };
    try {
      for (const device of devices) await device.start();
      expect(await bound(desk, 100_000)).to.deep.equal([`${desk.contact};expires=7200`]);
      expect(await bound(mobile, 70)).to.include(`${mobile.contact};expires=70`);
      expect(secondsAtNode()).to.be.greaterThan(7000);
      expect((await bound(desk, 0)).map((contact) => contact.replace(/;expires=.*$/, ""))).to.deep.equal([
        mobile.contact,
      ]);

      // A phone that says in one REGISTER where it is, and that it is no longer where it was.
      const [at, before] = [`<${moved.contact}>;expires=300`, `<${mobile.contact}>;expires=0`];
      const lena = `<${moved.aor}>`;
      const request = createRequest({
        ...{ method: "REGISTER", uri: `sip:${DOMAIN}`, from: `${lena};tag=r`, to: lena },
        headers: [["Contact", `${at}, ${before}`]],
      });
      const answer = await moved.send(request);
      expect(contactsIn(answer)).to.deep.equal([`${moved.contact};expires=300`]);
    } finally {
      for (const device of devices) await device.stop();
    }
  });

  it("has its users appear offline to watchers on Aorta while they are registered", async () => {
    const [kate, anna] = [await open("kate", "kamailio"), await open("anna", 1)];
    for (const phone of [kate, anna]) expect((await phone.register()).status).to.equal(200);
    const seen: PresenceNotification[] = [];
    await anna.subscribePresence(kate.aor, (notification) => seen.push(notification));
    expect((await kate.publishPresence({ basic: "closed", note: "away" })).status).to.equal(200);
    await eventually(() => seen.at(-1)?.presence?.note === "away", "what kate published");
    expect(seen.at(-1)?.presence?.basic).to.equal("closed");
  });

  it("lets a user move to Aorta and back, while those who watch and write to her stay where they are", async () => {
    const [joe, atKamailio, atAorta] = [await open("joe", 1), await open("mia", "kamailio"), await open("mia", 0)];
    await joe.register();
    const seen: PresenceNotification[] = [];
    await joe.subscribePresence(aorOf("mia"), (notification) => seen.push(notification));
    const [old, current] = [inbox(atKamailio), inbox(atAorta)];
    const last = () => seen.at(-1)?.presence?.note;

    expect((await atKamailio.register()).status).to.equal(200);
    await atKamailio.publishPresence({ basic: "open", note: "first" });
    await eventually(() => last() === "first", "mia at Kamailio");
    expect((await joe.sendMessage(aorOf("mia"), "1")).status).to.equal(200);

    expect((await atAorta.register()).status).to.equal(200);
    await atAorta.publishPresence({ basic: "open", note: "second" });
    await eventually(() => last() === "second", "mia at Aorta");
    expect((await joe.sendMessage(aorOf("mia"), "2")).status).to.equal(200);
    const local = await open("kim", "kamailio");
    await local.register();
    expect((await local.sendMessage(aorOf("mia"), "3")).status).to.equal(200);
    expect([old.map(({ text }) => text), current.map(({ text }) => text)]).to.deep.equal([["1"], ["2", "3"]]);

    await atKamailio.close();
    expect(last(), "the old client's farewell is none of hers any more").to.equal("second");
    const back = await open("mia", "kamailio");
    const again = inbox(back);
    expect((await back.register()).status).to.equal(200);
    await back.publishPresence({ basic: "open", note: "third" });
    await eventually(() => last() === "third", "mia at Kamailio again");
    expect((await joe.sendMessage(aorOf("mia"), "4")).status).to.equal(200);
    await eventually(() => again.some(({ text }) => text === "4"), "the last message");
    expect(
      seen.every(({ presence }, at) => at === 0 || presence?.basic !== "closed"),
      "no false closed",
    ).to.equal(true);
  });

  it("hears 403 for a device that only refreshes after its user has gone to another server", async () => {
    const [there, here] = [await open("nina", "kamailio"), await open("nina", 1)];
    expect((await there.register()).status).to.equal(200);
    expect((await here.register()).status).to.equal(200);
    expect((await there.register()).status).to.equal(403);
    const joe = await open("joe", 0);
    const received = inbox(here);
    expect((await joe.sendMessage(aorOf("nina"), "still with Aorta")).status).to.equal(200);
    expect(received).to.have.length(1);
  });

  it("takes part in sessions, called and calling, and between two of its users", async () => {
    const [kate, anna] = [await open("kate", "kamailio"), await open("anna", 1)];
    const karl = await open("karl", "kamailio");
    for (const [caller, callee] of [
      [kate, anna],
      [anna, kate],
      [kate, karl],
    ] as const) {
      for (const phone of [caller, callee]) expect((await phone.register()).status).to.equal(200);
      const accepted = Promise.withResolvers<ImSession>();
      const stop = callee.onInvitation(
        (invitation) => void invitation.accept().then(accepted.resolve, accepted.reject),
      );
      const session = await caller.openSession(callee.aor);
      if ("status" in session) throw new Error(`refused with ${session.status}`);
      expect(await session.send("hello")).to.equal(200);
      await (await accepted.promise).close();
      await session.ended;
      stop();
    }
  });

  for (const [who, at] of [
    ["another of its users", "kamailio"],
    ["a client of Aorta", 1],
  ] as const) {
    it(`has one of its users transferred to the device of ${who} (RFC 5589 §7)`, async () => {
      const [anna, karl, target] = [await open("anna", 1), await open("karl", "kamailio"), await open("tess", at)];
      for (const phone of [anna, karl, target]) expect((await phone.register()).status).to.equal(200);
      const taken = new Map<Softphone, ImSession[]>([karl, target].map((phone) => [phone, []]));
      for (const [phone, sessions] of taken)
        phone.onInvitation((invitation) => void invitation.accept().then((session) => sessions.push(session)));
      const [withKarl, withTarget] = [await anna.openSession(karl.aor), await anna.openSession(target.aor)];
      if ("status" in withKarl || "status" in withTarget) throw new Error("no sessions to begin with");
      await eventually(() => [...taken.values()].every(({ length }) => length === 1), "both to have answered");
      const transferred = Promise.withResolvers<ImSession | SipOutcome>();
      taken.get(karl)![0]!.onTransferred(transferred.resolve);
      expect(await withKarl.transferTo(withTarget)).to.equal(200);
      const session = await transferred.promise;
      if ("status" in session) throw new Error(`refused with ${session.status}`);
      await withTarget.ended;
      expect(await session.send("it is me now")).to.equal(200);
      await session.close();
      await withKarl.close();
      await Promise.all([...taken.values()].flat().map(({ ended }) => ended));
    });
  }

  it("sends a transfer to a device as it is registered, wherever the sender would have it go", async () => {
    const server = { transport: "UDP", address: "127.0.0.1", port: kamailio.port } as const;
    const [eve, device] = [new Agent("eve", server), new Agent("kurt", server)];
    try {
      for (const agent of [eve, device]) await agent.start();
      expect((await device.register()).status).to.equal(200);
      const uri = device.contact.replace(/;.*/, ";maddr=127.0.0.2;transport=udp");
      const transfer = eve.invitation(uri, [["Replaces", "a@b;to-tag=1;from-tag=2"]]);
      expect((await eve.send(transfer)).status).to.equal(200);
      expect(device.received.map(({ request }) => [request.method, request.uri])).to.deep.equal([
        ["INVITE", device.contact],
      ]);
    } finally {
      for (const agent of [eve, device]) await agent.stop();
    }
  });

  it("passes on what neither of the two serves: OPTIONS, and REFER with the dialog that comes of it", async () => {
    const atKamailio = { transport: "UDP", address: "127.0.0.1", port: kamailio.port } as const;
    const [kim, ann] = [new Agent("kim", atKamailio), await world.agent("ann", 1)];
    await kim.start();
    try {
      for (const agent of [kim, ann]) expect((await agent.register()).status).to.equal(200);
      for (const [asks, asked] of [
        [ann, kim],
        [kim, ann],
      ] as const) {
        const contact: [string, string] = ["Contact", `<${asks.contact}>`];
        const fields = { uri: asked.aor, from: `<${asks.aor}>;tag=${randomTag()}`, to: `<${asked.aor}>` };
        expect((await asks.send(createRequest({ method: "OPTIONS", ...fields }))).status, asks.aor).to.equal(200);
        const refer = createRequest({
          method: "REFER",
          ...fields,
          headers: [contact, ["Refer-To", `<${aorOf("joe")}>`]],
        });
        const tag = randomTag();
        asked.stack.onRequest((incoming) => {
          asked.received.push(incoming);
          const headers: [string, string][] = [["Contact", `<${asked.contact}>`]];
          incoming.respond(createResponse(incoming.request, 202, { toTag: tag, headers }));
        });
        expect((await asks.send(refer)).status).to.equal(202);
        const { headers } = asked.received.at(-1)!.request;
        const notify = createRequest({
          method: "NOTIFY",
          uri: asks.contact,
          from: `<${asked.aor}>;tag=${tag}`,
          to: headers.get("From")!,
          callId: headers.get("Call-ID")!,
          headers: [
            ...headers.all("Record-Route").map((route): [string, string] => ["Route", route]),
            ["Event", "refer"],
            ["Subscription-State", "active"],
          ],
        });
        expect((await asked.send(notify)).status).to.be.within(200, 202);
        expect([asked.methods(), asks.methods().at(-1)]).to.deep.equal([["OPTIONS", "REFER"], "NOTIFY"]);
        for (const agent of [kim, ann]) agent.received.splice(0);
      }
    } finally {
      await kim.stop();
      await world.endAgents();
    }
  });

  it("lets nobody speak to the node in its name by a dialog that is made up", async () => {
    const mallory = await world.agent("mallory", 0);
    const server = { transport: "UDP", address: "127.0.0.1", port: kamailio.port } as const;
    const routes = [kamailio.port, udpPortOf(0)].map((port): [string, string] => [
      "Route",
      `<sip:127.0.0.1:${port};lr>`,
    ]);
    for (const method of ["REGISTER", "MESSAGE", "PUBLISH"]) {
      const anna = `<${aorOf("anna")}>`;
      const init = { method, uri: method === "REGISTER" ? `sip:${DOMAIN}` : aorOf("anna"), to: `${anna};tag=1` };
      const headers: [string, string][] = [
        ...routes,
        ["P-Asserted-Identity", anna],
        ["Contact", `<${mallory.contact}>`],
      ];
      const request = createRequest({ ...init, from: `${anna};tag=2`, headers });
      expect((await mallory.stack.send(request, server)).status, method).to.equal(403);
    }
    expect(mallory.methods()).to.deep.equal([]);
  });

  it("frees a user who signs off", async () => {
    const kate = await open("olga", "kamailio");
    expect((await kate.register()).status).to.equal(200);
    expect((await kate.unregister()).status).to.equal(200);
    const joe = await open("joe", 1);
    expect((await joe.sendMessage(aorOf("olga"), "for later")).status).to.equal(202);
    const received = inbox(kate);
    expect((await kate.register()).status).to.equal(200);
    await eventually(() => received.length === 1, "the held message");
  });
});
