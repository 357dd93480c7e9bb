import { expect } from "chai";
import { Agent, DOMAIN, SessionWorld } from "../scenario/session/session-world.ts";
import { Kamailio } from "./kamailio.ts";
import { findProgram, freeUdpPort } from "./programs.ts";

describe("Kamailio as a client with a password", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  let kamailio: Kamailio;

  before(async function () {
    const program = findProgram("kamailio");
    // Debian: kamailio
    if (program === undefined) return this.skip();
    world = await SessionWorld.of(2, [], [], "digest");
    const node = world.sides[0]!.stack.listening().find(({ transport }) => transport === "UDP")!.port;
    kamailio = await Kamailio.start(program, await freeUdpPort(), node, { configuration: "test/interop/uac.cfg" });
  });
  after(async () => {
    await kamailio?.stop();
    await world?.stop();
  });

  it("answers the challenges of the registrar and of the proxy by its uac module", async () => {
    const alice = await world.agent("alice", 1);
    expect((await alice.register()).status).to.equal(200);
    const joe = new Agent("joe", { transport: "UDP", address: "127.0.0.1", port: kamailio.port });
    await joe.start();
    try {
      const contact: [string, string] = ["Contact", `<${joe.contact}>`];
      const register = joe.outside("REGISTER", `sip:${DOMAIN}`, [contact]);
      register.headers.set("To", `<${joe.aor}>`);
      expect((await joe.send(register)).status).to.equal(200);
      expect((await joe.send(joe.outside("MESSAGE", alice.aor))).status).to.equal(200);
      expect(alice.methods()).to.deep.equal(["MESSAGE"]);
    } finally {
      await joe.stop();
    }
  });
});
