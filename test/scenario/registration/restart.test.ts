import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import { limits } from "../../../node/runtime/limits.ts";
import type { SimulatedServer } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

/** The process dies without a word. */
function kill(domain: SimulatedDomain, server: SimulatedServer): void {
  domain.network.kill(server.id);
  server.locator.kill();
  server.registrar.stop();
}

describe("contacts across a restart of their server", () => {
  it("are there again, and their user is claimed again", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [alice, joe] = [domain.device("alice", one), domain.device("joe", two)];
    await alice.register(600);
    kill(domain, one);
    await domain.time.advance(1000);
    const again = domain.server("one", { storage: one.storage });
    await domain.time.advance(100);
    expect(again.locator.claims).to.deep.equal([{ aor: alice.aor, mode: "if-free" }]);
    expect(domain.contactsAt(again, alice.aor)).to.deep.equal([alice.client.contact]);
    expect((await joe.message(alice.aor, "back?")).status).to.equal(200);
    expect(alice.texts()).to.deep.equal(["back?"]);
    expect((await alice.sendRegister([])).headers.get("Contact")).to.match(/expires=59\d$/);
  });

  it("end in the same second, of any number of users, step by step, and all of their users are let go of", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    kill(domain, one);
    const users = 2 * limits.registrar.expiredAtOnce + 1;
    const expiresAtMs = domain.time.wallMs() + 10_000;
    const flow = JSON.stringify({ transport: "UDP", address: "192.0.2.1", port: 5060 });
    for (let i = 0; i < users; i++)
      one.store.put({
        ...{ aor: parseAor(`sip:u${i}@example.com`), uri: `sip:u${i}@192.0.2.1`, flow, callId: "c", cseq: 1 },
        ...{ expiresAtMs, q: 0, userAgent: "", instance: "", epoch: "" },
      });
    const again = domain.server("one", { storage: one.storage });
    await domain.time.advance(9_000);
    expect(again.registrar.status()).to.deep.include({ users, reclaiming: 0 });
    await domain.time.advance(2_000);
    expect(again.registrar.status()).to.deep.include({ users: 0, contacts: 0 });
    expect([...again.store.list()]).to.deep.equal([]);
    expect(again.counters.get("registrar.released")).to.equal(users);
  });

  it("do not steal a user who has moved meanwhile", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [old, current] = [domain.device("alice", one), domain.device("alice", two)];
    await old.register();
    kill(domain, one);
    await current.register();
    const again = domain.server("one", { storage: one.storage });
    await domain.time.advance(5000);
    expect(two.locator.owned(old.aor)).to.not.equal(undefined);
    expect(domain.contactsAt(again, old.aor)).to.deep.equal([]);
    expect([...again.store.list()]).to.deep.equal([]);
    expect((await old.register()).status).to.equal(403);
    expect(domain.contactsAt(two, old.aor)).to.deep.equal([current.client.contact]);
  });

  it("do not win over newer ones, when all servers are started at once and theirs is the first claim", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [old, current] = [domain.device("alice", one), domain.device("alice", two)];
    await old.register();
    domain.kill(one);
    await current.register();
    domain.kill(two);
    domain.directory.expire(two.locator);
    domain.directory.forget();
    const [oneAgain] = [domain.restart(one), await domain.time.advance(10)];
    expect(oneAgain.locator.owned(old.aor)).to.not.equal(undefined);
    const twoAgain = domain.restart(two);
    await domain.time.advance(100);
    expect(twoAgain.locator.owned(old.aor)).to.not.equal(undefined);
    expect(domain.contactsAt(twoAgain, old.aor)).to.deep.equal([current.client.contact]);
    expect([...oneAgain.store.list()]).to.deep.equal([]);
    expect((await old.register()).status).to.equal(403);
  });

  it("are not taken from a server that has newer ones, whoever is started first", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [old, current] = [domain.device("alice", one), domain.device("alice", two)];
    await old.register();
    domain.kill(one);
    await current.register();
    domain.kill(two);
    domain.directory.expire(two.locator);
    const twoAgain = domain.restart(two);
    await domain.time.advance(10);
    const oneAgain = domain.restart(one);
    await domain.time.advance(100);
    expect(domain.contactsAt(twoAgain, old.aor)).to.deep.equal([current.client.contact]);
    expect([...oneAgain.store.list()]).to.deep.equal([]);
  });

  it("are known as shed also after the restart: a refresh steals nobody back", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [old, current] = [domain.device("alice", one), domain.device("alice", two)];
    await old.register(600);
    await current.register();
    expect([...one.store.list()]).to.deep.equal([]);
    domain.kill(one);
    await domain.time.advance(1000);
    domain.restart(one);
    await domain.time.advance(100);
    expect((await old.register()).status).to.equal(403);
    expect(two.locator.owned(old.aor)).to.not.equal(undefined);
    // That one would have ended by now; who comes then comes by choice.
    domain.kill(domain.restart(one));
    await domain.time.advance(3_601_000);
    domain.restart(one);
    expect(one.storage.shed.list()).to.deep.equal([]);
  });

  it("rest while the directory cannot be reached, and are served as soon as there are links again", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const { links } = domain.network;
    const alice = domain.device("alice", one);
    await alice.register();
    links.cut(one.id, two.id);
    one.locator.cutOff();
    domain.directory.expire(one.locator);
    expect(domain.contactsAt(one, alice.aor)).to.deep.equal([]);
    expect([...one.store.list()]).to.have.length(1);
    await domain.time.advance(600_000);
    expect(one.registrar.status().reclaiming).to.equal(1);
    one.locator.reconnect();
    links.heal(one.id, two.id);
    await domain.time.advance(2_000);
    expect(domain.contactsAt(one, alice.aor)).to.deep.equal([alice.client.contact]);
    expect(one.registrar.status().reclaiming).to.equal(0);
  });

  it("are shed when the user was taken while they rested, and a refresh does not steal the user back", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [old, current] = [domain.device("alice", one), domain.device("alice", two)];
    await old.register();
    one.locator.cutOff();
    domain.directory.expire(one.locator);
    await current.register();
    one.locator.reconnect();
    expect((await old.register()).status).to.equal(403);
    await domain.time.advance(31_000);
    expect(two.locator.owned(old.aor)).to.not.equal(undefined);
    expect([...one.store.list()]).to.deep.equal([]);
  });

  it("are given up when they have expired or were bound to a connection of the old process", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [brief, browser] = [domain.device("alice", one), domain.device("bob", one, { transport: "WS" })];
    await brief.register(60);
    await browser.register();
    kill(domain, one);
    await domain.time.advance(61_000);
    const again = domain.server("one", { storage: one.storage });
    await domain.time.advance(1000);
    expect(again.registrar.status()).to.deep.equal({ users: 0, contacts: 0, reclaiming: 0 });
    expect(again.locator.claims).to.deep.equal([]);
    expect([...again.store.list()]).to.deep.equal([]);
  });

  it("survive a stop in order: what the directory lets go of then is not taken for a move", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const alice = domain.device("alice", one);
    await alice.register();
    one.registrar.stop();
    await domain.time.until(one.locator.release(alice.aor));
    expect((await alice.register()).status).to.equal(503);
    expect([...one.store.list()]).to.have.length(1);
    const again = domain.server("one", { storage: one.storage });
    await domain.time.advance(100);
    expect(domain.contactsAt(again, alice.aor)).to.deep.equal([alice.client.contact]);
  });

  it("are claimed again a few at a time, all of them in the end", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const count = 2 * limits.registrar.reclaims + 10;
    const devices = Array.from({ length: count }, (_, i) => domain.device(`user${i}`, one));
    for (const device of devices) await device.register();
    kill(domain, one);
    const again = domain.server("one", { storage: one.storage });
    expect(again.locator.claims).to.have.length(limits.registrar.reclaims);
    await domain.time.advance(100);
    expect(again.registrar.status()).to.deep.equal({ users: count, contacts: count, reclaiming: 0 });
    expect(devices.filter(({ aor }) => again.locator.owned(aor) === undefined)).to.deep.equal([]);
  });
});
