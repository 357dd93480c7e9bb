import { expect } from "chai";
import type { Phone } from "../../helpers/phone.ts";
import type { SimulatedServer } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const onOne = { state: "active", basic: "open", note: "" };
const nowhere = { state: "active", basic: "closed", note: "" };
/** All leases of a dead server are over, and whoever watched its users has been told. */
const LONG_MS = 15_000;

/** Joe on server three watches alice, who registers on server one; that server is gone now. */
async function aliceIsLeftBehind(): Promise<{
  domain: SimulatedDomain;
  one: SimulatedServer;
  two: SimulatedServer;
  joe: Phone;
}> {
  const domain = new SimulatedDomain();
  const [one, two, three] = [domain.server("one"), domain.server("two"), domain.server("three")];
  const joe = domain.phone("joe", three);
  const alice = domain.device("alice", one);
  await alice.register();
  await domain.time.until(joe.subscribe(alice.aor));
  await domain.time.advance(1000);
  expect(joe.news()).to.deep.equal([onOne]);
  domain.kill(one);
  await domain.time.advance(LONG_MS);
  expect(joe.news()).to.deep.equal([nowhere]);
  return { domain, one, two, joe };
}

describe("a server that was away while a user was on another", () => {
  it("brings no ghost back of one who has signed off there: nobody owns the user, and watchers go on seeing closed", async () => {
    const { domain, one, two, joe } = await aliceIsLeftBehind();
    const alice = domain.device("alice", two);
    await alice.register();
    await domain.time.advance(1000);
    expect(joe.news()).to.deep.equal([onOne]);
    await alice.register(0);
    await domain.time.advance(LONG_MS);
    expect(joe.news()).to.deep.equal([nowhere]);

    const oneAgain = domain.restart(one);
    const ended: string[] = [];
    oneAgain.registrar.onRegistration((_aor, _registration, change) => ended.push(change));
    await domain.time.advance(120_000);
    expect(domain.directory.ownerOf(alice.aor)).to.equal(undefined);
    expect(oneAgain.registrar.status()).to.deep.equal({ users: 0, contacts: 0, reclaiming: 0 });
    expect([...oneAgain.store.list()]).to.deep.equal([]);
    expect(ended).to.deep.equal(["deactivated"]);
    expect(oneAgain.counters.get("registrar.superseded")).to.equal(1);
    expect(joe.news(), "closed stays closed").to.deep.equal([]);
    expect((await domain.device("bob", two).message(alice.aor, "there?")).status).to.equal(202);
  });

  it("brings none back of one whose registration there has run out", async () => {
    const { domain, one, two, joe } = await aliceIsLeftBehind();
    const alice = domain.device("alice", two);
    await alice.register(60);
    await domain.time.advance(60_000 + LONG_MS);
    expect(joe.news()).to.deep.equal([onOne, nowhere]);
    const oneAgain = domain.restart(one);
    await domain.time.advance(120_000);
    expect(domain.directory.ownerOf(alice.aor)).to.equal(undefined);
    expect([...oneAgain.store.list()]).to.deep.equal([]);
    expect(joe.news()).to.deep.equal([]);
  });

  it("brings none back by the side, with what the user's next device registers or publishes there", async () => {
    for (const act of ["register", "publish"] as const) {
      const { domain, one, two, joe } = await aliceIsLeftBehind();
      const elsewhere = domain.device("alice", two);
      await elsewhere.register();
      await elsewhere.register(0);
      await domain.time.advance(LONG_MS);
      joe.news();
      const oneAgain = domain.restart(one);
      // Before anything else is claimed again: the directory answers a moment later.
      const next = domain.device("alice", oneAgain);
      if (act === "register") expect((await next.register()).status).to.equal(200);
      else {
        const { status } = await domain.time.until(domain.phone("alice", oneAgain).publish("here", { initial: true }));
        expect(status).to.equal(200);
      }
      await domain.time.advance(1000);
      const contacts = act === "register" ? [next.client.contact] : [];
      expect(domain.contactsAt(oneAgain, next.aor), act).to.deep.equal(contacts);
      expect(
        [...oneAgain.store.list()].map(({ uri }) => uri),
        act,
      ).to.deep.equal(contacts);
    }
  });

  it("has them back when its client goes on refreshing: who is there is no ghost", async () => {
    const { domain, one, two, joe } = await aliceIsLeftBehind();
    const moved = domain.device("alice", two);
    await moved.register();
    await moved.register(0);
    await domain.time.advance(LONG_MS);
    joe.news();
    const oneAgain = domain.restart(one);
    await domain.time.advance(1000);
    const left = domain.device("alice", oneAgain);
    expect((await left.register()).status).to.equal(200);
    await domain.time.advance(1000);
    expect(joe.news()).to.deep.equal([onOne]);
  });

  it("takes back who has been nowhere else", async () => {
    const { domain, one, joe } = await aliceIsLeftBehind();
    const oneAgain = domain.restart(one);
    await domain.time.advance(2000);
    expect(oneAgain.registrar.status()).to.deep.equal({ users: 1, contacts: 1, reclaiming: 0 });
    expect(joe.news()).to.deep.equal([onOne]);
  });

  it("drops what was published on it as well", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const joe = domain.phone("joe", two);
    const alice = domain.phone("alice", one);
    await domain.time.until(alice.publish("on one"));
    await domain.time.until(joe.subscribe(alice.aor));
    domain.kill(one);
    await domain.time.advance(LONG_MS);
    const aliceOnTwo = domain.phone("alice", two);
    await domain.time.until(aliceOnTwo.publish("on two"));
    await domain.time.until(aliceOnTwo.publish(undefined, { expires: 0 }));
    await domain.time.advance(LONG_MS);
    expect(joe.news().at(-1)).to.deep.equal(nowhere);
    const oneAgain = domain.restart(one);
    await domain.time.advance(120_000);
    expect(joe.news()).to.deep.equal([]);
    expect(oneAgain.storage.publications.list()).to.deep.equal([]);
    expect(domain.directory.ownerOf(alice.aor)).to.equal(undefined);
  });
});
