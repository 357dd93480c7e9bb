import { expect } from "chai";
import type { ImSession } from "../../../node/softphone/im-session.ts";
import type { SipOutcome } from "../../../node/softphone/outcome.ts";
import type { SoftphoneTransport } from "../../../node/softphone/softphone.ts";
import { Softphone } from "../../../node/softphone/softphone.ts";
import { eventually } from "../../helpers/eventually.ts";
import { DOMAIN, PASSWORD, SessionWorld } from "./session-world.ts";

const [JOE, BARRY] = [`sip:joe@${DOMAIN}`, `sip:barry@${DOMAIN}`];

describe("SIP.js clients that transfer a session to another one (RFC 5589 §7)", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  const phones: Softphone[] = [];

  before(async () => {
    world = await SessionWorld.of(3, [], [], "digest");
  });
  afterEach(async () => {
    await Promise.all(phones.splice(0).map((phone) => phone.close()));
  });
  after(() => world.stop());

  async function open(user: string, server: number, transport: SoftphoneTransport): Promise<Softphone> {
    const { port } = world.sides[server]!.stack.listening().find((each) => each.transport === transport)!;
    const phone = await Softphone.open({
      aor: `sip:${user}@${DOMAIN}`,
      server: { transport, host: "127.0.0.1", port },
      credentials: { username: user, password: PASSWORD },
    });
    phones.push(phone);
    expect((await phone.register()).status).to.equal(200);
    return phone;
  }

  /** What each phone has taken, in order. */
  function answering(phone: Softphone): ImSession[] {
    const taken: ImSession[] = [];
    phone.onInvitation((invitation) => void invitation.accept().then((session) => taken.push(session)));
    return taken;
  }

  function established(session: ImSession | SipOutcome): ImSession {
    if ("status" in session) throw new Error(`refused with ${session.status}`);
    return session;
  }

  /** Alice talks with joe and with one of barry's two devices, and connects the two. */
  async function transfer(places: readonly [alice: number, joe: number, barry: number], over: SoftphoneTransport[]) {
    const alice = await open("alice", places[0], over[0]!);
    const joe = await open("joe", places[1], over[1]!);
    const barry = await open("barry", places[2], over[2]!);
    const [atJoe, atBarry] = [answering(joe), answering(barry)];
    const withJoe = established(await alice.openSession(JOE));
    const withBarry = established(await alice.openSession(BARRY));
    const desk = await open("barry", places[2], "UDP");
    const atDesk = answering(desk);
    await eventually(() => atJoe.length === 1 && atBarry.length === 1, "both to have answered");
    const [answered] = atJoe;
    const transferred = new Promise<ImSession | SipOutcome>((resolve) => answered!.onTransferred(resolve));
    return { barry, answered: answered!, atBarry, atDesk, withJoe, withBarry, transferred };
  }

  for (const [places, over] of [
    [
      [0, 0, 0],
      ["WS", "WS", "WS"],
    ],
    [
      [0, 0, 0],
      ["UDP", "UDP", "UDP"],
    ],
    [
      [0, 1, 2],
      ["WS", "UDP", "WS"],
    ],
    [
      [0, 1, 0],
      ["TCP", "WS", "UDP"],
    ],
    [
      [2, 1, 1],
      ["UDP", "WS", "TCP"],
    ],
  ] as const) {
    it(`at servers ${places.join(", ")} over ${over.join(", ")}`, async () => {
      const { answered, atBarry, atDesk, withJoe, withBarry, transferred } = await transfer(places, [...over]);
      expect(await withJoe.transferTo(withBarry)).to.equal(200);
      const session = established(await transferred);
      await withBarry.ended;
      await eventually(() => atBarry.length === 2, "the other session to be taken");
      const [replaced, taken] = atBarry;
      await replaced!.ended;
      const texts: string[] = [];
      taken!.onText((text) => texts.push(text));
      expect(await session.send("It is me now.")).to.equal(200);
      expect(texts).to.deep.equal(["It is me now."]);
      expect(atDesk).to.have.length(0);
      await taken!.close();
      await session.ended;
      await withJoe.close();
      await answered.ended;
    });
  }

  it("are told where the device has signed off meanwhile, and still talk with each other", async () => {
    const { answered, barry, atBarry, withJoe, withBarry, transferred } = await transfer(
      [0, 1, 2],
      ["WS", "UDP", "WS"],
    );
    await barry.unregister();
    expect(await withJoe.transferTo(withBarry)).to.equal(404);
    expect(await transferred).to.deep.include({ status: 404 });
    expect(await withJoe.send("Sorry.")).to.equal(200);
    await Promise.all([withJoe.close(), withBarry.close(), answered.ended, atBarry[0]!.ended]);
  });

  it("are told where the session that was to be replaced is over", async () => {
    const { answered, atBarry, withJoe, withBarry, transferred } = await transfer([0, 1, 2], ["WS", "UDP", "WS"]);
    await atBarry[0]!.close();
    await withBarry.ended;
    expect(await withJoe.transferTo(withBarry)).to.equal(481);
    expect(await transferred).to.deep.include({ status: 481 });
    await withJoe.close();
    await answered.ended;
  });
});
