import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import type { Device } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const BOB = "sip:bob@example.com" as Aor;

/** A device that answers 500 to each message that says so, until it is mended. */
function stumbles(device: Device): { mend(): void; taken(): string[] } {
  const taken: string[] = [];
  let isMended = false;
  device.client.onRequest(({ request, respond }) => {
    const text = Buffer.from(request.body).toString();
    const isTaken = isMended || !text.startsWith("odd");
    if (isTaken) taken.push(text);
    respond(createResponse(request, isTaken ? 200 : 500));
  });
  return { mend: () => void (isMended = true), taken: () => taken.splice(0) };
}

describe("a held message that the devices of its user refuse again and again", () => {
  function world() {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    return { domain, one, two, joe, bob, phone: stumbles(bob) };
  }
  /** Until it is borne no longer, and tried once more. */
  const BORNE_MS = 2 * limits.messaging.heldBorneMs + 5_000;

  it("is gone past, in order, and given to them when they take it", async () => {
    const { domain, two, joe, bob, phone } = world();
    for (const text of ["1", "odd", "2", "3"]) expect((await joe.message(BOB, text)).status).to.equal(202);
    await bob.register();
    await domain.time.advance(1_000);
    expect(phone.taken(), "it may be for now").to.deep.equal(["1"]);
    expect((await joe.message(BOB, "4")).status).to.equal(202);
    await domain.time.advance(BORNE_MS);
    expect(phone.taken()).to.deep.equal(["2", "3", "4"]);
    expect((await joe.message(BOB, "5")).status, "nothing is in its way").to.equal(200);
    expect(two.held.status).to.deep.equal({ recipients: 1, messages: 1 });
    phone.mend();
    await domain.time.advance(limits.messaging.heldRetryMaxMs);
    expect(phone.taken()).to.deep.equal(["5", "odd"]);
    expect(two.held.status).to.deep.equal({ recipients: 0, messages: 0 });
  });

  it("and many like it keep the others waiting for a time, and not for as long as they last", async () => {
    const { domain, two, joe, bob, phone } = world();
    const many = limits.messaging.heldRefusedInRow + 5;
    for (let n = 0; n < many; n++) expect((await joe.message(BOB, `odd ${n}`)).status).to.equal(202);
    expect((await joe.message(BOB, "hello")).status).to.equal(202);
    await bob.register();
    await domain.time.advance(BORNE_MS);
    const askedBefore = bob.client.received.length;
    await domain.time.advance(2 * limits.messaging.heldRetryMaxMs);
    expect(phone.taken()).to.deep.equal(["hello"]);
    expect(bob.client.received.length - askedBefore, "the device is not flooded").to.be.below(4 * many);
    expect(two.held.status.messages).to.equal(many);
  });

  it("expires as others do, and what comes later is not taken for refused", async () => {
    const { domain, two, joe, bob, phone } = world();
    expect((await joe.message(BOB, "odd", [["Expires", "120"]])).status).to.equal(202);
    await bob.register();
    await domain.time.advance(BORNE_MS);
    bob.client.onRequest(({ request, respond }) => respond(createResponse(request, 480)));
    expect((await joe.message(BOB, "later")).status).to.equal(202);
    await domain.time.advance(180_000);
    expect(two.held.status.messages).to.equal(1);
    expect((await joe.message(BOB, "behind it")).status).to.equal(202);
    stumbles(bob);
    await domain.time.advance(limits.messaging.heldRetryMaxMs);
    expect(bob.texts().slice(-2)).to.deep.equal(["later", "behind it"]);
    expect(phone.taken()).to.deep.equal([]);
  });

  it("or are silent to, as to what is too long to get through to them, is gone past as well", async () => {
    const { domain, two, joe, bob } = world();
    const long = "x".repeat(5_000);
    const taken: string[] = [];
    let isFar = true;
    bob.client.onRequest(({ request, respond }) => {
      if (isFar && request.body.length > 1_300) return;
      taken.push(Buffer.from(request.body).toString());
      respond(createResponse(request, 200));
    });
    await bob.register();
    expect((await joe.message(BOB, long)).status, "as to who is away").to.equal(202);
    for (const text of ["1", "2", "3"]) expect((await joe.message(BOB, text)).status).to.equal(202);
    while (taken.length < 3) await domain.time.advance(1_000);
    expect(taken).to.deep.equal(["1", "2", "3"]);
    expect((await joe.message(BOB, "4")).status, "nothing is in its way").to.equal(200);
    // It is still tried now and then, which keeps nobody waiting for longer than that.
    await domain.time.advance(3 * limits.messaging.heldRetryMaxMs);
    expect((await joe.message(BOB, "5")).status).to.be.within(200, 202);
    await domain.time.advance(limits.federation.deliveryMs);
    expect(taken.slice(3)).to.deep.equal(["4", "5"]);
    isFar = false;
    await domain.time.advance(limits.messaging.heldRetryMaxMs + limits.federation.deliveryMs);
    expect(taken.at(-1)).to.equal(long);
    expect(two.held.status.messages).to.equal(0);
  });

  for (const [what, texts, isSilentTo, refused] of [
    ["is the shortest that waits", ["x", "hello", "how are you"], (text: string) => text === "x", undefined],
    [
      "is long, and a shorter one before it is refused",
      ["odd", "x".repeat(2_000), "hello"],
      (text: string) => text.length > 1_300,
      "odd",
    ],
  ] as const)
    it(`is gone past where devices are silent to it, and it ${what}`, async () => {
      const { domain, two, joe, bob } = world();
      const taken: string[] = [];
      bob.client.onRequest(({ request, respond }) => {
        const text = Buffer.from(request.body).toString();
        if (isSilentTo(text)) return;
        if (text !== refused) taken.push(text);
        respond(createResponse(request, text === refused ? 500 : 200));
      });
      for (const text of texts) expect((await joe.message(BOB, text)).status).to.equal(202);
      await bob.register();
      const waiting = texts.filter((text) => !isSilentTo(text) && text !== refused);
      await domain.time.advance(3 * BORNE_MS);
      expect([...taken].toSorted()).to.deep.equal([...waiting].toSorted());
      expect(two.held.status.messages).to.equal(texts.length - waiting.length);
    });

  it("is not sent to a device once more by a server that has begun to stop", async () => {
    const { domain, two, joe, bob } = world();
    const long = "x".repeat(2_000);
    const asked: string[] = [];
    let stopped: Promise<void> | undefined;
    bob.client.onRequest(({ request, respond }) => {
      const text = Buffer.from(request.body).toString();
      asked.push(text);
      if (text === long) return;
      stopped = two.held.stop();
      respond(createResponse(request, 200));
    });
    for (const text of [long, "hello"]) expect((await joe.message(BOB, text)).status).to.equal(202);
    await bob.register();
    while (stopped === undefined) await domain.time.advance(1_000);
    await domain.time.until(stopped);
    await domain.time.advance(120_000);
    expect(asked.at(-1)).to.equal("hello");
  });

  for (const [when, isAsked] of [
    ["between two tries", false],
    ["in the middle of one, in which case the shortest is early", true],
  ] as const) {
    it(`is not gone past while they are silent to all: they get all of it in order when they are back, ${when}`, async () => {
      const { domain, two, joe, bob } = world();
      await bob.register();
      let isSilent = true;
      let askedAtMs = 0;
      const taken: string[] = [];
      bob.client.onRequest(({ request, respond }) => {
        askedAtMs = domain.time.wallMs();
        if (isSilent) return;
        taken.push(Buffer.from(request.body).toString());
        respond(createResponse(request, 200));
      });
      const texts = ["the first and longest", "second", "third", "4"];
      for (const text of texts) expect((await joe.message(BOB, text)).status).to.equal(202);
      await domain.time.advance(1_800_000);
      const isBeingAsked = () => domain.time.wallMs() - askedAtMs < limits.federation.deliveryMs;
      const isMoment = () => (isAsked ? isBeingAsked() && bob.texts().at(-1) === texts[0] : !isBeingAsked());
      while (!isMoment()) await domain.time.advance(1_000);
      expect(taken).to.deep.equal([]);
      isSilent = false;
      await domain.time.advance(limits.messaging.heldRetryMaxMs + limits.federation.deliveryMs);
      expect(taken).to.deep.equal(isAsked ? ["4", ...texts.slice(0, 3)] : texts);
      expect(two.held.status.messages).to.equal(0);
    });
  }
});
