import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { digestSecrets } from "../../../node/cli/commands/user/digest-secrets.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { createRequest, createResponse } from "../../../node/sip/message/build.ts";
import type { SimulatedServer } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const BOB = "sip:bob@example.com" as Aor;

function twoServers() {
  const domain = new SimulatedDomain();
  return { domain, one: domain.server("one"), two: domain.server("two") };
}

describe("a message to a user who is not there", () => {
  it("is accepted with 202, and delivered in order and once when they register on whatever server", async () => {
    const { domain, one, two } = twoServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    for (const text of ["1", "2", "3"]) expect((await joe.message(BOB, text)).status).to.equal(202);
    expect(one.held.status).to.deep.equal({ recipients: 1, messages: 3 });
    await bob.register();
    await domain.time.advance(1_000);
    expect(bob.texts()).to.deep.equal(["1", "2", "3"]);
    expect(one.held.status).to.deep.equal({ recipients: 0, messages: 0 });
    const [received] = bob.client.received;
    expect(received?.headers.get("Date")).to.match(/GMT$/);
    expect(received?.headers.get("From")).to.contain("<sip:joe@example.com>");
    expect(received?.headers.has("Aorta-Message")).to.equal(false);
    await domain.time.advance(600_000);
    expect(bob.texts()).to.deep.equal(["1", "2", "3"]);
    expect((await joe.message(BOB, "4")).status).to.equal(200);
  });

  it("is refused where all users are known, and they are not, unless they are registered all the same", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one", { refusesUnknown: true });
    const two = domain.server("two", { refusesUnknown: true });
    const secrets = digestSecrets("bob", "example.com", "secret");
    one.storage.users.put({ aor: BOB, username: "bob", realm: "example.com", ...secrets });
    const joe = domain.device("joe", one);
    const PAT = "sip:pat@example.com" as Aor;
    expect((await joe.message(BOB, "hello?")).status).to.equal(202);
    expect((await joe.message(PAT, "hello?")).status).to.equal(404);
    expect(one.held.status.messages).to.equal(1);
    // Of a server without a node, say.
    const pat = domain.device("pat", two);
    await pat.register();
    expect((await joe.message(PAT, "hello!")).status).to.equal(200);
    pat.client.onRequest(({ request, respond }) => respond(createResponse(request, 480)));
    expect((await joe.message(PAT, "are you there?")).status, "at their server they are known").to.equal(202);
    expect(two.held.status.messages).to.equal(1);
  });

  it("is held, known or not, for who is registered and cannot be asked now", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one", { refusesUnknown: true }), domain.server("two", { refusesUnknown: true })];
    for (const [name, server] of [
      ["pat", one],
      ["kim", two],
    ] as const) {
      const [joe, device] = [domain.device("joe", one), domain.device(name, server)];
      await device.register();
      device.client.onRequest(() => {});
      const answer = joe.message(`sip:${name}@example.com` as Aor, "are you there?");
      await domain.time.advance(limits.federation.deliveryMs + 1_000);
      expect((await answer).status, name).to.equal(202);
    }
  });

  it("that waits for somebody who is no user any more has no others put behind it, where all users are known", async () => {
    const domain = new SimulatedDomain();
    const before = domain.server("one");
    expect((await domain.device("joe", before).message(BOB, "hello?")).status).to.equal(202);
    await domain.stop(before);
    const one = domain.restart(before, { refusesUnknown: true });
    expect((await domain.device("joe", one).message(BOB, "hello?")).status).to.equal(404);
    expect(one.held.status.messages).to.equal(1);
  });

  it("is not held when it is of a dialog: there only a device can say whether that is (RFC 3261 §12.2.2)", async () => {
    const { domain, one, two } = twoServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    const ofDialog = () =>
      createRequest({ method: "MESSAGE", uri: BOB, from: `<${joe.aor}>;tag=j`, to: `<${BOB}>;tag=made-up` });
    expect((await joe.send(ofDialog())).status).to.equal(480);
    expect(one.counters.get("messaging.failed.480")).to.equal(1);
    expect(one.held.status.messages).to.equal(0);
    await bob.register();
    bob.client.onRequest((incoming) => incoming.respond(createResponse(incoming.request, 481)));
    expect((await joe.send(ofDialog())).status, "as the device says").to.equal(481);
  });

  it("is not held when it only says that somebody is typing, which would be wrong later (RFC 3994)", async () => {
    const { domain, one, two } = twoServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    const typing = () =>
      createRequest({
        ...{ method: "MESSAGE", uri: BOB, from: `<${joe.aor}>;tag=j`, to: `<${BOB}>`, body: "<isComposing/>" },
        headers: [["Content-Type", "application/im-isComposing+xml; charset=utf-8"]],
      });
    expect((await joe.send(typing())).status).to.equal(480);
    expect((await joe.message(BOB, "hello?")).status).to.equal(202);
    expect((await joe.send(typing())).status, "while a message waits").to.equal(480);
    // Of a server of an earlier release, which held it and leaves: it is not to keep that server from handing on what comes behind.
    const handedOn = typing();
    handedOn.headers.set("Aorta-Hold", "1");
    expect(one.held.hold(handedOn, "sip:eve@example.com" as Aor)).to.equal(true);
    await bob.register();
    await domain.time.advance(1_000);
    expect(bob.texts()).to.deep.equal(["hello?"]);
    expect((await joe.send(typing())).status).to.equal(200);
  });

  it("waits at their server while their devices are silent, and follows them to the next", async () => {
    const { domain, one, two } = twoServers();
    const three = domain.server("three");
    const [joe, bob, elsewhere] = [domain.device("joe", one), domain.device("bob", two), domain.device("bob", three)];
    await bob.register();
    bob.client.onRequest(() => {});
    expect((await joe.message(BOB, "hello?")).status).to.equal(202);
    expect([one.held.status.messages, two.held.status.messages]).to.deep.equal([0, 1]);
    await elsewhere.register();
    // The silent device, asked once more, has as long as at first.
    await domain.time.advance(limits.federation.deliveryMs + 1_000);
    expect(elsewhere.texts()).to.deep.equal(["hello?"]);
    expect(two.held.status.messages).to.equal(0);
  });

  it("is delivered as soon as a device registers again that was silent: its NAT had forgotten it, or it had no power", async () => {
    for (const isSameAddress of [true, false]) {
      const { domain, one } = twoServers();
      const [joe, bob] = [domain.device("joe", one), domain.device("bob", one)];
      await bob.register();
      bob.client.state = "frozen";
      expect((await joe.message(BOB, "hello?")).status).to.equal(202);
      // By now it is tried once in five minutes.
      await domain.time.advance(3600_000 - 180_000);
      const again = isSameAddress ? bob : domain.device("bob", one);
      again.continues(bob);
      again.client.state = "up";
      await again.sendRegister([["Contact", `<${bob.client.contact}>`]]);
      await domain.time.advance(limits.federation.deliveryMs + 1_000);
      expect(again.texts(), `${isSameAddress}`).to.deep.equal(["hello?"]);
      expect(one.held.status.messages).to.equal(0);
    }
  });

  it("waits for a device whose proxy has lost the connection to it (RFC 5626), and is not dropped", async () => {
    for (const [status, reason] of [[430], [477], [500, "No error (2/SL)"]] as const) {
      const { domain, one } = twoServers();
      const [joe, bob] = [domain.device("joe", one), domain.device("bob", one)];
      await bob.register();
      let isLost = true;
      bob.client.onRequest(({ request, respond }) =>
        respond(isLost ? createResponse(request, status, { ...(reason && { reason }) }) : createResponse(request, 200)),
      );
      expect((await joe.message(BOB, "hello?")).status, `${status}`).to.equal(202);
      await domain.time.advance(3600_000 - 180_000);
      expect(one.held.status.messages).to.equal(1);
      isLost = false;
      await bob.register();
      await domain.time.advance(1_000);
      expect(one.held.status.messages).to.equal(0);
    }
  });

  it("is not tried with each refresh of a device that refuses it", async () => {
    const { domain, one } = twoServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", one)];
    await bob.register();
    bob.client.onRequest(({ request, respond }) => respond(createResponse(request, 405)));
    await joe.message(BOB, "hello?");
    await domain.time.advance(3600_000 - 180_000);
    const before = bob.texts().length;
    await bob.register();
    await domain.time.advance(1_000);
    expect(bob.texts().length).to.equal(before);
  });

  it("waits while their device is overloaded", async () => {
    const { domain, one, two } = twoServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    await bob.register();
    let isBusy = true;
    bob.client.onRequest(({ request, respond }) => respond(createResponse(request, isBusy ? 503 : 200)));
    expect((await joe.message(BOB, "hello?")).status).to.equal(202);
    isBusy = false;
    await domain.time.advance(limits.messaging.heldRetryMinMs);
    expect(bob.texts()).to.deep.equal(["hello?", "hello?"]);
    expect(two.held.status.messages).to.equal(0);
  });

  it("is delivered as soon as a device of theirs comes back to the same server", async () => {
    const { domain, one } = twoServers();
    const [joe, bob, other] = [domain.device("joe", one), domain.device("bob", one), domain.device("bob", one)];
    await bob.register();
    bob.client.onRequest((incoming) => incoming.respond(createResponse(incoming.request, 480)));
    expect((await joe.message(BOB, "hello?")).status).to.equal(202);
    await domain.time.advance(60_000);
    await other.register();
    await domain.time.advance(100);
    expect(other.texts()).to.deep.equal(["hello?"]);
  });

  it("is refused where the disk fails, and the server goes on", async () => {
    const { domain, one } = twoServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", one)];
    // From here on every read and write of it fails.
    one.storage.close();
    expect((await joe.message(BOB, "hello?")).status).to.equal(480);
    expect(one.held.status).to.deep.equal({ recipients: 0, messages: 0 });
    // Past the next look for what has expired.
    await domain.time.advance(600_000);
    expect((await bob.register()).status).to.equal(503);
    expect((await joe.message(BOB, "still there?")).status).to.equal(480);
  });

  it("is not overtaken by later ones", async () => {
    const { domain, one, two } = twoServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    const slow: (() => void)[] = [];
    bob.client.onRequest((incoming) => slow.push(() => incoming.respond(createResponse(incoming.request, 200))));
    expect((await joe.message(BOB, "first")).status).to.equal(202);
    await bob.register();
    await domain.time.advance(1_000);
    expect(bob.texts()).to.deep.equal(["first"]);
    expect((await joe.message(BOB, "second")).status, "behind the first").to.equal(202);
    expect(bob.texts()).to.deep.equal(["first"]);
    slow.shift()?.();
    await domain.time.advance(100);
    expect(bob.texts()).to.deep.equal(["first", "second"]);
  });

  it("survives a restart of the server that holds it", async () => {
    const domain = new SimulatedDomain();
    const before = domain.server("one");
    expect((await domain.device("joe", before).message(BOB, "held")).status).to.equal(202);
    await domain.time.until(before.held.stop());
    domain.network.kill(before.id);
    domain.server("uno", { storage: before.storage });
    const bob = domain.device("bob", domain.server("two"));
    await bob.register();
    await domain.time.advance(5_000);
    expect(bob.texts()).to.deep.equal(["held"]);
  });

  it("is dropped when its time is over, and never held when it has none", async () => {
    const { domain, one, two } = twoServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    expect((await joe.message(BOB, "now", [["Expires", "0"]])).status).to.equal(480);
    expect((await joe.message(BOB, "soon", [["Expires", "60"]])).status).to.equal(202);
    expect((await joe.message(BOB, "some day")).status).to.equal(202);
    await domain.time.advance(180_000);
    expect(one.held.status).to.deep.equal({ recipients: 1, messages: 1 });
    await bob.register();
    await domain.time.advance(1_000);
    expect(bob.texts()).to.deep.equal(["some day"]);
    expect(one.counters.get("messaging.held_expired")).to.equal(1);
  });

  it("leaves one turn after the other where the time of many is over, and all of it soon", async () => {
    const { domain, one } = twoServers();
    const joe = domain.device("joe", one);
    const { messages } = one.storage;
    const { expire } = messages;
    const removed: number[] = [];
    messages.expire = (nowMs) => {
      const sweep = expire(nowMs);
      removed.push(sweep.expired.length);
      return sweep;
    };
    const { expiredAtOnce } = limits.messaging;
    for (let i = 0; i < 2 * expiredAtOnce + 1; i++) await joe.message(BOB, String(i), [["Expires", "50"]]);
    await domain.time.advance(90_000);
    expect(removed.filter((count) => count > 0)).to.deep.equal([expiredAtOnce, expiredAtOnce, 1]);
    expect(one.held.status).to.deep.equal({ recipients: 0, messages: 0 });
  });

  it("does not keep a server busy in one turn with what has expired while it was down, and what has not is delivered", async () => {
    const domain = new SimulatedDomain();
    const before = domain.server("one");
    const joe = domain.device("joe", before);
    const { expiredAtOnce, expirePauseMs } = limits.messaging;
    const soon = 2 * expiredAtOnce + 1;
    for (let i = 0; i < soon; i++) await joe.message(BOB, String(i), [["Expires", "50"]]);
    expect((await joe.message(BOB, "for long")).status).to.equal(202);
    await domain.time.until(before.held.stop());
    domain.network.kill(before.id);
    await domain.time.advance(60_000);
    const after = domain.server("uno", { storage: before.storage });
    const bob = domain.device("bob", after);
    await bob.register();
    await domain.time.advance(expirePauseMs - 1);
    expect(bob.texts()).to.deep.equal([]);
    await domain.time.advance(2 * expirePauseMs);
    expect(bob.texts()).to.deep.equal(["for long"]);
    await domain.time.advance(180_000);
    expect(after.held.status).to.deep.equal({ recipients: 0, messages: 0 });
  });

  it("leaves its room when its time is over, without all that waits being counted again", async () => {
    const { domain, one } = twoServers();
    const joe = domain.device("joe", one);
    const { messages } = one.storage;
    const { parts } = messages;
    let counts = 0;
    messages.parts = () => {
      counts++;
      return parts();
    };
    const fill = async (expires: string) => {
      const answers = new Map<number, number>();
      for (let i = 0; i <= limits.messaging.heldPerUser / 2; i++) {
        const { status } = await joe.message(BOB, String(i), [["Expires", expires]]);
        answers.set(status, (answers.get(status) ?? 0) + 1);
      }
      return [...answers];
    };
    const full = [
      [202, limits.messaging.heldPerUser / 2],
      [480, 1],
    ];
    expect(await fill("60")).to.deep.equal(full);
    await domain.time.advance(180_000);
    expect(one.held.status).to.deep.equal({ recipients: 0, messages: 0 });
    expect(await fill("600")).to.deep.equal(full);
    expect(counts).to.equal(0);
  });

  for (const malformed of ["-1", "soon", "1.5", "", "Sat, 28 Nov 2026 19:58:23 GMT"]) {
    it(`is refused where nobody can read how long it may wait: Expires: ${malformed}`, async () => {
      const { domain, one, two } = twoServers();
      const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
      const send = () => joe.message(BOB, "hello?", [["Expires", malformed]]);
      expect((await send()).status, "they are nowhere").to.equal(400);
      await bob.register();
      expect((await send()).status, "the same when they are there").to.equal(400);
      bob.client.onRequest((incoming) => incoming.respond(createResponse(incoming.request, 480)));
      expect((await send()).status, "and when their device is not").to.equal(400);
      expect([one.held.status.messages, two.held.status.messages]).to.deep.equal([0, 0]);
    });
  }

  it("is refused as before when too many of its sender wait already, which leaves room for those of others, over a restart too", async () => {
    const { domain, one } = twoServers();
    const joe = domain.device("joe", one);
    for (let i = 0; i < limits.messaging.heldPerUser / 2; i++) {
      const answer = await joe.message(BOB, String(i));
      if (answer.status !== 202) expect.fail(`message ${i} was answered ${answer.status}`);
    }
    expect((await joe.message(BOB, "one too many")).status).to.equal(480);
    expect((await domain.device("ann", one).message(BOB, "hello?")).status).to.equal(202);
    domain.kill(one);
    await domain.time.advance(1_000);
    const again = domain.restart(one);
    await domain.time.advance(1_000);
    expect((await domain.device("joe", again).message(BOB, "one too many")).status).to.equal(480);
    const bob = domain.device("bob", again);
    await bob.register();
    await domain.time.advance(60_000);
    expect(bob.texts()).to.have.lengthOf(limits.messaging.heldPerUser / 2 + 1);
    expect(again.held.status).to.deep.equal({ recipients: 0, messages: 0 });
  });

  it("that their device refuses for good is not tried again", async () => {
    const { domain, one, two } = twoServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    bob.client.onRequest((incoming) => incoming.respond(createResponse(incoming.request, 403)));
    for (const text of ["odd", "odder"]) expect((await joe.message(BOB, text)).status).to.equal(202);
    await bob.register();
    await domain.time.advance(600_000);
    expect(bob.texts()).to.deep.equal(["odd", "odder"]);
    expect(one.held.status.messages).to.equal(0);
  });

  for (const status of [302, 401, 404, 405, 407, 410, 413, 415, 486, 488, 500, 501, 600, 604, 606]) {
    it(`waits for another device when the first one answers ${status}: that is not about the message alone`, async () => {
      const { domain, one, two } = twoServers();
      const [joe, desk, mobile] = [domain.device("joe", one), domain.device("bob", two), domain.device("bob", two)];
      desk.client.onRequest((incoming) => incoming.respond(createResponse(incoming.request, status)));
      expect((await joe.message(BOB, "hello?")).status).to.equal(202);
      await desk.register();
      await domain.time.advance(5_000);
      expect(
        [one, two].map(({ held }) => held.status.messages),
        "at the owner",
      ).to.deep.equal([0, 1]);
      await mobile.register();
      await domain.time.advance(1_000);
      expect(mobile.texts()).to.deep.equal(["hello?"]);
      await domain.time.advance(600_000);
      expect(mobile.texts()).to.deep.equal(["hello?"]);
      expect([one, two].map(({ held }) => held.status.messages)).to.deep.equal([0, 0]);
    });
  }

  it("is refused where it could not be read again with what is added to it, and stops none behind it", async () => {
    const { domain, one, two } = twoServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    const own = 8; // Via, Max-Forwards, From, To, Call-ID, CSeq, Content-Type and Content-Length
    const many = Array.from({ length: limits.sip.headerCount - own }, (_, i): [string, string] => [`X-${i}`, "x"]);
    expect((await joe.message(BOB, "heavy", many)).status).to.equal(480);
    expect((await joe.message(BOB, "light")).status).to.equal(202);
    await bob.register();
    await domain.time.advance(1_000);
    expect(bob.texts()).to.deep.equal(["light"]);
  });

  it("that cannot be read, as after a change of limits, is dropped and counted, and stops none behind it", async () => {
    const { domain, one, two } = twoServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    const message = Buffer.from("MESSAGE sip:bob@example.com SIP/2.0\r\nno field\r\n\r\n");
    one.storage.messages.hold({
      key: "broken",
      recipient: BOB,
      sender: "",
      expiresAtMs: domain.time.wallMs() + 1e9,
      message,
    });
    expect((await joe.message(BOB, "readable")).status).to.equal(202);
    await bob.register();
    await domain.time.advance(1_000);
    expect(bob.texts()).to.deep.equal(["readable"]);
    expect(one.counters.get("messaging.held_unreadable")).to.equal(1);
  });

  it("takes the room of one sender, not of all", async () => {
    const { domain, one } = twoServers();
    const [mallory, joe] = [domain.device("mallory", one), domain.device("joe", one)];
    const { heldRecipientsPerSender: most } = limits.messaging;
    for (let i = 0; i < most; i++) {
      const answer = await mallory.message(`sip:nobody${i}@example.com`, "spam");
      if (answer.status !== 202) expect.fail(`message ${i} was answered ${answer.status}`);
    }
    expect((await mallory.message("sip:one-more@example.com", "spam")).status).to.equal(480);
    expect((await mallory.message("sip:nobody0@example.com", "to one who waits already")).status).to.equal(202);
    expect((await joe.message(BOB, "hello?")).status).to.equal(202);
  });

  it("is delivered once when the link breaks after it was delivered and before that was told", async () => {
    const { domain, one, two } = twoServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    await bob.register();
    bob.client.onRequest((incoming) => {
      domain.network.breakLinks();
      incoming.respond(createResponse(incoming.request, 200));
    });
    expect((await joe.message(BOB, "hello?")).status).to.be.oneOf([200, 202]);
    await domain.time.advance(60_000);
    expect(bob.texts()).to.deep.equal(["hello?"]);
    expect(one.held.status.messages).to.equal(0);
  });

  it("is delivered once when it comes again over a new link while the device still thinks", async () => {
    const { domain, one, two } = twoServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    await bob.register();
    let isFirst = true;
    bob.client.onRequest((incoming) => {
      if (isFirst) domain.network.breakLinks();
      isFirst = false;
      domain.time.after(10_000, () => incoming.respond(createResponse(incoming.request, 200)));
    });
    expect((await joe.message(BOB, "hello?")).status).to.be.oneOf([200, 202]);
    await domain.time.advance(60_000);
    expect(bob.texts()).to.deep.equal(["hello?"]);
    expect(one.held.status.messages).to.equal(0);
  });

  it("is delivered once, though its holder sends it again because the answer was lost", async () => {
    const { domain, one, two } = twoServers();
    const bob = domain.device("bob", two);
    await bob.register();
    const epoch = two.locator.owned(BOB)!;
    const send = () =>
      domain.time.until(
        one.stack.send(
          createRequest({
            method: "MESSAGE",
            uri: BOB,
            from: "<sip:joe@example.com>;tag=1",
            to: `<${BOB}>`,
            headers: [
              ["Aorta-Message", "m-1"],
              ["Aorta-Epoch", `${epoch.version}.${epoch.counter}.${epoch.member}`],
              ["P-Asserted-Identity", "<sip:joe@example.com>"],
            ],
          }),
          { transport: "MESH", server: two.id },
        ),
      );
    expect((await send()).status).to.equal(200);
    expect((await send()).status).to.equal(200);
    expect(bob.client.received).to.have.length(1);
    expect(two.counters.get("messaging.repeated")).to.equal(1);
  });

  it("is not taken for held elsewhere when it comes back to its holder: who moved here is asked for at their last server", async () => {
    const { domain, one, two } = twoServers();
    const [joe, before, bob] = [domain.device("joe", one), domain.device("bob", two), domain.device("bob", one)];
    await before.register();
    const epoch = two.locator.owned(BOB)!;
    await bob.register();
    let isBack = false;
    bob.client.onRequest((incoming) => incoming.respond(createResponse(incoming.request, isBack ? 200 : 480)));
    expect((await joe.message(BOB, "hello?")).status).to.equal(202);
    isBack = true;
    // The first answer of the directory is an old one, and server two sends on what is meant for who has just left it.
    one.locator.believe(BOB, { kind: "server", server: two.id, epoch });
    await domain.time.advance(10_000);
    expect(one.held.status.messages).to.equal(0);
    expect(bob.texts().filter((text) => text === "hello?")).to.have.lengthOf(2);
    expect(two.counters.get("federation.forwarded_after_move")).to.equal(1);
  });

  it("is handed on by a server that leaves for good, in order, and delivered once by the one that takes it", async () => {
    const { domain, one, two } = twoServers();
    const three = domain.server("three");
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", three)];
    for (const text of ["1", "2", "3"])
      expect((await joe.message(BOB, text, [["Expires", "3600"]])).status).to.equal(202);
    await domain.time.until(one.held.stop());
    await domain.time.advance(600_000);
    // The first that is asked is not there.
    domain.kill(two);
    expect(await domain.time.until(domain.handOn(one, () => [two, three]))).to.equal(0);
    expect(three.held.status).to.deep.equal({ recipients: 1, messages: 3 });
    domain.kill(one);
    await bob.register();
    await domain.time.advance(1_000);
    expect(bob.texts()).to.deep.equal(["1", "2", "3"]);
    const [first] = bob.client.received;
    expect(first?.headers.get("Expires"), "what is left of its time, in whole seconds").to.equal("2999");
    expect(first?.headers.has("Aorta-Hold")).to.equal(false);
    expect(first?.headers.get("From")).to.contain("<sip:joe@example.com>");
  });

  it("is handed on to a server that is being started anew when it is asked first", async () => {
    const { domain, one, two } = twoServers();
    const joe = domain.device("joe", one);
    for (const text of ["1", "2"]) expect((await joe.message(BOB, text)).status).to.equal(202);
    await domain.time.until(one.held.stop());
    domain.kill(two);
    let again: SimulatedServer | undefined;
    const isHandedOn = domain.handOn(one, () => (again === undefined ? [] : [again]));
    domain.time.after(30_000, () => (again = domain.restart(two)));
    expect(await domain.time.until(isHandedOn)).to.equal(0);
    expect(again?.held.status.messages).to.equal(2);
  });

  it("is handed on, though another that was held cannot be read, which is dropped", async () => {
    const { domain, one, two } = twoServers();
    const joe = domain.device("joe", one);
    const garbage = { key: "garbage", sender: "", message: Buffer.from("no SIP") };
    one.storage.messages.hold({ ...garbage, recipient: BOB, expiresAtMs: domain.time.wallMs() + 3_600_000 });
    expect((await joe.message(BOB, "1")).status).to.equal(202);
    await domain.time.until(one.held.stop());
    expect(await domain.time.until(domain.handOn(one, () => []))).to.equal(1);
    expect(await domain.time.until(domain.handOn(one, () => [two]))).to.equal(0);
    expect(two.held.status.messages).to.equal(1);
    expect(one.counters.get("messaging.held_unreadable")).to.equal(1);
  });

  it("stays where it is when nobody takes it, and is counted", async () => {
    const { domain, one, two } = twoServers();
    const joe = domain.device("joe", one);
    for (const text of ["1", "2"]) expect((await joe.message(BOB, text)).status).to.equal(202);
    await domain.time.until(one.held.stop());
    two.storage.close();
    expect(await domain.time.until(domain.handOn(one, () => [two]))).to.equal(2);
    expect(await domain.time.until(domain.handOn(one, () => []))).to.equal(2);
    expect(one.storage.messages.recipients()).to.have.lengthOf(1);
  });

  it("cannot be put on a server by a client", async () => {
    const { domain, one, two } = twoServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    await bob.register();
    expect((await joe.message(BOB, "now", [["Aorta-Hold", "1"]])).status).to.equal(200);
    expect(bob.texts()).to.deep.equal(["now"]);
  });

  it("cannot be given the name of another by a client", async () => {
    const { domain, one, two } = twoServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    await bob.register();
    for (const text of ["1", "2"])
      expect((await joe.message(BOB, text, [["Aorta-Message", "m-1"]])).status).to.equal(200);
    expect(bob.texts()).to.deep.equal(["1", "2"]);
  });
});
