import { expect } from "chai";
import type { Phone } from "../../helpers/phone.ts";
import { readReginfo } from "../../helpers/reginfo.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const REG = { event: "reg" };

function told(phone: Phone): string[] {
  return phone.notifies("reg").map(({ body }) => readReginfo(body));
}

describe("which devices a user has registered (RFC 3680)", () => {
  it("is told in full at first, then change by change, with versions one after the other", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [watch, desk, mobile] = [
      domain.phone("alice", one),
      domain.device("alice", one),
      domain.device("alice", one),
    ];
    await domain.time.until(watch.subscribe(watch.aor, REG));
    await domain.time.advance(10);
    await desk.register(600);
    await mobile.register(600);
    await desk.register(600);
    await mobile.register(60);
    await desk.register(0);
    await domain.time.advance(62_000);
    const [a, b] = [desk.client.contact, mobile.client.contact];
    expect(told(watch)).to.deep.equal([
      "0 full init",
      `1 partial active, ${a} active registered`,
      `2 partial active, ${b} active registered`,
      `3 partial active, ${a} active refreshed`,
      `4 partial active, ${b} active shortened`,
      `5 partial active, ${a} terminated unregistered`,
      `6 partial terminated, ${b} terminated expired`,
    ]);
  });

  it("tells all again to a refresh, and what is left of the time", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [watch, desk] = [domain.phone("alice", one), domain.device("alice", one)];
    await desk.register(600);
    const { dialog } = await domain.time.until(watch.subscribe(watch.aor, REG));
    await domain.time.advance(100_000);
    await domain.time.until(watch.resubscribe(dialog));
    await domain.time.advance(10);
    const contact = `${desk.client.contact} active registered`;
    expect(told(watch)).to.deep.equal([`0 full active, ${contact}`, `1 full active, ${contact}`]);
    expect(Buffer.from(watch.notifies("reg").at(-1)!.body).toString()).to.contain('expires="500"');
  });

  it("says that the contacts are given up when the user has gone to another server", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [watch, desk, other] = [domain.phone("alice", one), domain.device("alice", one), domain.device("alice", two)];
    await desk.register();
    await domain.time.until(watch.subscribe(watch.aor, REG));
    await domain.time.advance(10);
    await other.register();
    await domain.time.advance(10);
    expect(told(watch).at(-1)).to.equal(`1 partial terminated, ${desk.client.contact} terminated deactivated`);
  });

  it("says that an operator has removed contacts; with the last one the user is free, and the device may come again", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [watch, desk, mobile] = [
      domain.phone("alice", one),
      domain.device("alice", one),
      domain.device("alice", one),
    ];
    await desk.register();
    await mobile.register();
    await domain.time.until(watch.subscribe(watch.aor, REG));
    await domain.time.advance(10);
    const [a, b] = [desk.client.contact, mobile.client.contact];
    const remove = (uri?: string) => domain.time.until(one.registrar.removeContacts(watch.aor, uri));
    expect(await remove("sip:nobody@192.0.2.1")).to.deep.equal([]);
    expect(await remove(a)).to.deep.equal([a]);
    await domain.time.advance(10);
    expect(told(watch).at(-1)).to.equal(`1 partial active, ${a} terminated deactivated`);
    expect(one.locator.owned(watch.aor)).to.not.equal(undefined);
    expect(await remove()).to.deep.equal([b]);
    await domain.time.advance(10);
    expect(told(watch).at(-1)).to.equal(`2 partial terminated, ${b} terminated deactivated`);
    expect(one.locator.owned(watch.aor)).to.equal(undefined);
    expect([...one.store.list()]).to.deep.equal([]);
    await desk.register();
    expect(one.registrar.registrationsOf(watch.aor).map(({ uri }) => uri)).to.deep.equal([a]);
  });

  it("says nothing false after a restart", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [watch, desk] = [domain.phone("alice", one), domain.device("alice", one)];
    await desk.register();
    await domain.time.until(watch.subscribe(watch.aor, REG));
    await domain.time.advance(10);
    domain.kill(one);
    domain.restart(one);
    await domain.time.advance(15_000);
    const said = told(watch).map((text) => text.replace(/^\d+ /, ""));
    const contact = `full active, ${desk.client.contact} active registered`;
    expect(said).to.deep.equal([contact, contact]);
  });

  it("is for the user to know, not for others", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const alice = domain.phone("alice", one);
    expect((await domain.time.until(domain.phone("joe", one).subscribe(alice.aor, REG))).status).to.equal(403);
  });
});
