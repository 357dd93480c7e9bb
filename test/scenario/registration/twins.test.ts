import { expect } from "chai";
import { Phone } from "../../helpers/phone.ts";
import { readReginfo } from "../../helpers/reginfo.ts";
import type { Device, SimulatedServer } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const HOST = "192.168.1.5:5060";
const CONTACT = `sip:bob@${HOST}`;
const [HOME, OFFICE] = ["192.0.2.1", "198.51.100.1"];

/** A server, and phones of Bob that all have the same address behind their NATs. */
function setUp() {
  const domain = new SimulatedDomain();
  const one = domain.server("one");
  const at = (address: string, server = one) =>
    domain.device("bob", server, { address, sentBy: HOST, contact: CONTACT });
  return { domain, one, at };
}

const register = async (device: Device, params = "", expiresSeconds = 3600) => {
  const answer = await device.sendRegister([
    ["Contact", `<${CONTACT}>${params}`],
    ["Expires", String(expiresSeconds)],
  ]);
  expect(answer.status).to.equal(200);
  return answer.headers.all("Contact");
};
const instance = (name: string) => `;+sip.instance="<urn:uuid:${name}>"`;

/** Where they are that are registered. */
function places(server: SimulatedServer, { aor }: Device): (string | undefined)[] {
  return server.registrar.contactsOf(aor).map(({ flow }) => ("address" in flow ? flow.address : undefined));
}

describe("two phones of a user with the same Contact, behind two NATs", () => {
  for (const named of [true, false]) {
    const params = (name: string) => (named ? instance(name) : "");
    describe(named ? "that say who they are" : "that are told apart by their NATs", () => {
      it("are both registered and reached, over refreshes and restarts of the server", async () => {
        const { domain, one, at } = setUp();
        const [home, office, eve] = [at(HOME), at(OFFICE), domain.device("eve", one)];
        for (const round of [1, 2]) {
          expect(await register(home, params("h")), `${round}`).to.have.length(1);
          expect(await register(office, params("o")), `${round}`).to.have.length(1);
        }
        expect((await eve.message(home.aor, "one")).status).to.equal(200);
        domain.kill(one);
        const again = domain.restart(one);
        await domain.time.advance(20_000);
        expect(places(again, home)).to.have.members([HOME, OFFICE]);
        expect((await eve.message(home.aor, "two")).status).to.equal(200);
        for (const phone of [home, office]) expect(phone.texts()).to.deep.equal(["one", "two"]);
      });

      it("hear of themselves, and of the other when they ask for all", async () => {
        const { at } = setUp();
        const [home, office] = [at(HOME), at(OFFICE)];
        await register(home, params("h"), 600);
        const [own] = await register(office, params("o"), 60);
        expect(own).to.include("expires=60");
        const all = (await home.sendRegister([])).headers.all("Contact");
        expect(all.map((contact) => /expires=(\d+)/.exec(contact)?.[1])).to.have.members(["600", "60"]);
      });

      it("sign off each for itself", async () => {
        const { one, at } = setUp();
        const [home, office] = [at(HOME), at(OFFICE)];
        await register(home, params("h"));
        await register(office, params("o"));
        expect(await register(home, params("h"), 0)).to.deep.equal([]);
        expect(places(one, home)).to.deep.equal([OFFICE]);
        await register(office, params("o"), 0);
        expect(places(one, home)).to.deep.equal([]);
      });

      it("are told as two (RFC 3680)", async () => {
        const { domain, one, at } = setUp();
        const [home, office, desk] = [at(HOME), at(OFFICE), domain.phone("bob", one)];
        await register(home, params("h"));
        await register(office, params("o"));
        await domain.time.until(desk.subscribe(home.aor, { event: "reg" }));
        await domain.time.advance(1_000);
        await register(home, params("h"), 0);
        await domain.time.advance(1_000);
        expect(desk.notifies("reg").map(({ body }) => readReginfo(body))).to.deep.equal([
          `0 full active, ${CONTACT} active registered, ${CONTACT} active registered`,
          `1 partial active, ${CONTACT} terminated unregistered`,
        ]);
      });

      it("watch each for itself, wherever the other registers", async () => {
        const { domain, one, at } = setUp();
        const [home, office] = [at(HOME), at(OFFICE)];
        const alice = domain.phone("alice", one);
        const homes = new Phone(home.aor, one, home.client);
        await domain.time.until(alice.publish("at work"));
        await register(home, params("h"));
        await domain.time.until(homes.subscribe(alice.aor));
        await domain.time.advance(1_000);
        for (const phone of [office, home, office]) await register(phone, params(phone === home ? "h" : "o"));
        await domain.time.until(alice.publish("at lunch"));
        await domain.time.advance(1_000);
        expect(homes.news().at(-1)).to.include({ note: "at lunch" });
        expect(office.client.received).to.deep.equal([]);
      });
    });
  }

  it("leave nothing behind where a NAT has given one another port or address", async () => {
    const { one, at } = setUp();
    const home = at(HOME);
    await register(home);
    for (const address of [HOME, "192.0.2.9"]) {
      const moved = at(address);
      moved.continues(home);
      await register(moved);
      home.continues(moved);
      expect(places(one, home)).to.deep.equal([address]);
    }
  });

  it("leave nothing behind where one was started anew at the same place, or is known by its instance at another", async () => {
    const { one, at } = setUp();
    await register(at(HOME));
    const home = at(HOME);
    await register(home);
    expect(places(one, home)).to.deep.equal([HOME]);
    await register(at(OFFICE), instance("o"));
    await register(at("203.0.113.1"), instance("o"));
    expect(places(one, home)).to.deep.equal([HOME, "203.0.113.1"]);
  });
});

describe("two registrations of one Contact that is no address behind a NAT", () => {
  it("are of one device, as RFC 3261 has it", async () => {
    const { domain, one } = setUp();
    for (const sentBy of [HOME, "192.168.1.5:5060"]) {
      const contact = `sip:bob@${HOME}:5060`;
      for (const address of [HOME, OFFICE]) {
        const phone = domain.device("bob", one, { address, sentBy, contact });
        expect((await phone.register()).status).to.equal(200);
        expect(places(one, phone)).to.deep.equal([address]);
      }
    }
  });
});
