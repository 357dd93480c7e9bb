import { expect } from "chai";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const TEL = "tel:+49301234";

describe("a contact that SIP cannot reach (RFC 3261 §10.2.1)", () => {
  it("is bound and listed beside others, after a restart too, and nothing is sent there", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [alice, bob] = [domain.device("alice", one), domain.device("bob", one)];
    const { status, headers } = await alice.sendRegister([["Contact", `<${alice.client.contact}>, <${TEL}>;q=0.2`]]);
    expect([status, headers.all("Contact")]).to.deep.equal([
      ...[200, [`<${alice.client.contact}>;expires=3600`, `<${TEL}>;expires=3600;q=0.2`]],
    ]);
    expect((await bob.message(alice.aor, "to the device")).status).to.equal(200);
    domain.kill(one);
    const again = domain.restart(one);
    await domain.time.advance(15_000);
    expect(again.registrar.registrationsOf(alice.aor).map(({ uri }) => uri)).to.have.members([
      ...[alice.client.contact, TEL],
    ]);
    expect((await bob.message(alice.aor, "to the device again")).status).to.equal(200);
    expect(alice.texts()).to.deep.equal(["to the device", "to the device again"]);
  });

  it("has the user alone, as one who can be reached by nothing", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [alice, bob, joe] = [domain.device("alice", one), domain.device("bob", one), domain.phone("joe", one)];
    const phone = domain.phone("alice", one);
    await alice.sendRegister([["Contact", `<${TEL}>`]]);
    await domain.time.until(joe.subscribe(alice.aor));
    await domain.time.advance(5_000);
    expect(joe.news().at(-1)).to.include({ basic: "closed" });
    expect((await bob.message(alice.aor, "for later")).status).to.equal(202);
    await domain.time.until(phone.publish("hello"));
    await domain.time.until(phone.publish(undefined, { expires: 0 }));
    await domain.time.advance(30_000);
    expect(one.locator.owned(alice.aor), "not let go of with the publication").to.not.equal(undefined);
    await alice.sendRegister([
      ["Contact", "*"],
      ["Expires", "0"],
    ]);
    await domain.time.advance(50);
    expect(one.locator.owned(alice.aor)).to.equal(undefined);
  });
});
