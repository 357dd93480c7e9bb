import { expect } from "chai";
import { globSync } from "node:fs";
import { ownPorts } from "../../node/demo/ports.ts";
import type { ImSession } from "../../node/softphone/im-session.ts";
import type { PresenceNotification } from "../../node/softphone/presence-subscription.ts";
import { Softphone } from "../../node/softphone/softphone.ts";
import { eventually } from "../helpers/eventually.ts";
import type { TcpRelay } from "../helpers/tcp-relay.ts";
import { startTcpRelay } from "../helpers/tcp-relay.ts";
import { DOMAIN, SessionWorld } from "../scenario/session/session-world.ts";
import { Kamailio } from "./kamailio.ts";
import { findProgram } from "./programs.ts";

const MODULES = "/usr/{lib,lib64,local/lib,local/lib64}/{.,*}/kamailio/modules";

describe("SIP.js behind Kamailio as a proxy for WebSockets, before two nodes", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  let kamailio: Kamailio;
  let relay: TcpRelay;
  let joe: Softphone;
  let alice: Softphone;

  before(async function () {
    const program = findProgram("kamailio");
    // Debian: kamailio, kamailio-websocket-modules, kamailio-outbound-modules
    const isThere = (module: string) => globSync(`${MODULES}/${module}.so`).length > 0;
    if (program === undefined || !isThere("websocket") || !isThere("outbound")) return this.skip();
    world = await SessionWorld.of(2);
    const [here, there] = world.sides.map(
      ({ stack }) => stack.listening().find(({ transport }) => transport === "UDP")!.port,
    );
    const [udp = 0, ws = 0] = await ownPorts(2);
    kamailio = await Kamailio.start(program, udp, here!, {
      configuration: "test/interop/edge.cfg",
      defines: [`WEBSOCKETS=tcp:127.0.0.1:${ws}`, `THERE=127.0.0.1:${there}`, `THEIR_PORTS="^(${here}|${there})$"`],
    });
    relay = await startTcpRelay({ address: "127.0.0.1", port: ws });
    [joe, alice] = [await open("joe", ws), await open("alice", relay.port)];
  });
  after(async () => {
    await joe?.close();
    await alice?.close();
    await relay?.stop();
    await kamailio?.stop();
    await world?.stop();
  });

  async function open(user: string, port: number): Promise<Softphone> {
    const server = { transport: "WS", host: "127.0.0.1", port } as const;
    const phone = await Softphone.open({ aor: `sip:${user}@${DOMAIN}`, server });
    expect((await phone.register()).status).to.equal(200);
    return phone;
  }

  it("writes, watches, and talks in sessions that either end closes", async () => {
    const [atJoe, atAlice]: [string[], string[]] = [[], []];
    const stop = [joe.onMessage(({ text }) => atJoe.push(text)), alice.onMessage(({ text }) => atAlice.push(text))];
    expect((await joe.sendMessage(alice.aor, "hello")).status).to.equal(200);
    expect((await alice.sendMessage(joe.aor, "hello yourself")).status).to.equal(200);
    expect([atJoe, atAlice]).to.deep.equal([["hello yourself"], ["hello"]]);
    stop.forEach((each) => each());
    const seen: PresenceNotification[] = [];
    const watch = await joe.subscribePresence(alice.aor, (notification) => seen.push(notification));
    await alice.publishPresence({ basic: "open", note: "at her desk" });
    await eventually(() => seen.at(-1)?.presence?.note === "at her desk", "alice's presence");
    await watch.close();
    for (const [caller, called, closes] of [
      [joe, alice, "caller"],
      [alice, joe, "called"],
    ] as const) {
      const accepted = Promise.withResolvers<ImSession>();
      const stopRinging = called.onInvitation((each) => void each.accept().then(accepted.resolve, accepted.reject));
      const session = await caller.openSession(called.aor);
      if ("status" in session) throw new Error(`refused with ${session.status}`);
      const answered = await accepted.promise;
      expect(await session.send("Are you there?")).to.equal(200);
      await (closes === "caller" ? session : answered).close();
      await session.ended;
      await answered.ended;
      stopRinging();
    }
  });

  it("hears once it has connected anew what it would have heard meanwhile, once", async () => {
    const seen: PresenceNotification[] = [];
    await alice.subscribePresence(joe.aor, (notification) => seen.push(notification));
    await joe.publishPresence({ basic: "open", note: "at his desk" });
    await eventually(() => seen.at(-1)?.presence?.note === "at his desk", "joe's presence");
    const texts: string[] = [];
    alice.onMessage(({ text }) => texts.push(text));
    // Behind its answer to the NOTIFY, which the node would wait for.
    expect((await alice.sendMessage(joe.aor, "I see")).status).to.equal(200);
    await relay.cut();
    for (const text of ["one", "two"]) expect((await joe.sendMessage(alice.aor, text)).status, text).to.equal(202);
    await joe.publishPresence({ basic: "open", note: "at lunch" });
    await eventually(() => /closed|could not be found/.test(kamailio.log), "that nobody is there");
    await alice.reconnect();
    expect((await alice.register()).status).to.equal(200);
    await eventually(() => texts.length >= 2 && seen.at(-1)?.presence?.note === "at lunch", "what was missed");
    // Until then what comes after them is to wait behind them.
    await eventually(() => world.sides.every(({ held }) => held.status.messages === 0), "their answers");
    expect((await joe.sendMessage(alice.aor, "three")).status).to.equal(200);
    expect(texts).to.deep.equal(["one", "two", "three"]);
    await joe.publishPresence({ basic: "open", note: "back" });
    await eventually(() => seen.at(-1)?.presence?.note === "back", "what comes after");
  });
});
