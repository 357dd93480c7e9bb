import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import type { ImInvitation, ImSession } from "../../../node/softphone/im-session.ts";
import type { SoftphoneTransport } from "../../../node/softphone/softphone.ts";
import { Softphone } from "../../../node/softphone/softphone.ts";
import { eventually } from "../../helpers/eventually.ts";
import { startTcpRelay } from "../../helpers/tcp-relay.ts";
import { DOMAIN, SessionWorld } from "./session-world.ts";

const ALICE = `sip:alice@${DOMAIN}`;

describe("SIP.js clients in sessions of instant messages (MSRP)", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  const phones: Softphone[] = [];

  before(async () => {
    world = await SessionWorld.of(2);
  });
  afterEach(async () => {
    for (const phone of phones.splice(0)) await phone.close();
  });
  after(() => world.stop());

  async function open(user: string, server: number, transport: SoftphoneTransport, by?: number): Promise<Softphone> {
    const own = world.sides[server]!.stack.listening().find((each) => each.transport === transport)!;
    const port = by ?? own.port;
    const phone = await Softphone.open({
      aor: `sip:${user}@${DOMAIN}`,
      server: { transport, host: "127.0.0.1", port },
    });
    phones.push(phone);
    expect((await phone.register()).status).to.equal(200);
    return phone;
  }

  for (const [mine, hers] of [
    ["UDP", "WS"],
    ["TCP", "UDP"],
    ["WS", "TCP"],
  ] as const) {
    it(`write to each other across servers over ${mine} and ${hers}, until one hangs up`, async () => {
      const joe = await open("joe", 0, mine);
      const alice = await open("alice", 1, hers);
      const accepted = Promise.withResolvers<ImSession>();
      alice.onInvitation((invitation) => void invitation.accept().then(accepted.resolve, accepted.reject));
      const session = await joe.openSession(ALICE);
      if ("status" in session) throw new Error(`refused with ${session.status}`);
      const answered = await accepted.promise;
      const [atJoe, atAlice]: [string[], string[]] = [[], []];
      session.onText((text) => atJoe.push(text));
      answered.onText((text) => atAlice.push(text));
      expect(await session.send("Are you there? 🜁\r\nSecond line")).to.equal(200);
      expect(await answered.send("Yes.")).to.equal(200);
      expect([atJoe, atAlice]).to.deep.equal([["Yes."], ["Are you there? 🜁\r\nSecond line"]]);
      await answered.close();
      await session.ended;
      await answered.ended;
    });
  }

  for (const closes of ["who has stayed", "who has moved"] as const) {
    it(`end their session at both ends when one has come to another server meanwhile, and ${closes} hangs up`, async () => {
      const at = (server: number) =>
        world.sides[server]!.stack.listening().find(({ transport }) => transport === "WS")!;
      // A name in the DNS, or a balancer of load.
      const behind = { ...at(1) };
      const relay = await startTcpRelay(behind);
      try {
        const joe = await open("joe", 0, "TCP");
        const alice = await open("alice", 1, "WS", relay.port);
        const accepted = Promise.withResolvers<ImSession>();
        alice.onInvitation((invitation) => void invitation.accept().then(accepted.resolve, accepted.reject));
        const session = (await joe.openSession(ALICE)) as ImSession;
        const answered = await accepted.promise;
        Object.assign(behind, at(0));
        await relay.cut();
        await alice.reconnect();
        expect((await alice.register()).status).to.equal(200);
        expect(world.sides[0]!.registrar.registrationsOf(parseAor(ALICE))).to.have.lengthOf(1);
        await (closes === "who has stayed" ? session : answered).close();
        await session.ended;
        await answered.ended;
      } finally {
        await relay.stop();
      }
    });
  }

  it("ring on all devices of a user, and stop when one has taken it", async () => {
    const joe = await open("joe", 0, "TCP");
    const [desk, mobile] = [await open("alice", 1, "TCP"), await open("alice", 1, "WS")];
    const rung = Promise.withResolvers<ImInvitation>();
    desk.onInvitation(rung.resolve);
    mobile.onInvitation((invitation) => void rung.promise.then(() => invitation.accept()));
    const session = await joe.openSession(ALICE);
    expect(session).not.to.have.property("status");
    await (
      await rung.promise
    ).cancelled;
    await (session as ImSession).close();
  });

  it("are told when a user declines, and when nobody is there; and may give up", async () => {
    const joe = await open("joe", 0, "UDP");
    const alice = await open("alice", 1, "TCP");
    const stop = alice.onInvitation((invitation) => void invitation.reject(603));
    expect(await joe.openSession(ALICE)).to.deep.include({ status: 603 });
    stop();
    let stopped = false;
    alice.onInvitation((invitation) => void invitation.cancelled.then(() => (stopped = true)));
    const giveUp = new AbortController();
    const answer = joe.openSession(ALICE, giveUp.signal);
    await eventually(() => alice.requestsSent("INVITE") === 0 && joe.requestsSent("INVITE") === 2, "the second INVITE");
    giveUp.abort();
    expect(await answer).to.deep.include({ status: 487 });
    await eventually(() => stopped, "the end of the ringing");
    expect(await joe.openSession(`sip:nobody@${DOMAIN}`)).to.deep.include({ status: 480 });
  });
});
