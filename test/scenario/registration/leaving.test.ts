import { expect } from "chai";
import { limits } from "../../../node/runtime/limits.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { createRequest } from "../../../node/sip/message/build.ts";
import type { Device } from "../../helpers/simulated-domain.ts";
import { DOMAIN, SimulatedDomain } from "../../helpers/simulated-domain.ts";

const PIDF = (aor: string) =>
  `<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${aor}"><tuple id="t"><status><basic>open</basic></status></tuple></presence>`;

function publish(device: Device): Promise<{ status: number }> {
  const address = `<${device.aor}>`;
  const headers: [string, string][] = [
    ["Event", "presence"],
    ["Expires", "120"],
    ["Content-Type", "application/pidf+xml"],
  ];
  const fields = { from: `${address};tag=p`, to: address, headers, body: PIDF(device.aor) };
  return device.send(createRequest({ method: "PUBLISH", uri: device.aor, ...fields }));
}

describe("the end of a registration", () => {
  it("lets go of the user with the last contact, not with one before", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [desk, mobile] = [domain.device("alice", one), domain.device("alice", one)];
    await desk.register();
    await mobile.register();
    expect((await desk.register(0)).headers.get("Contact")).to.contain(mobile.client.contact);
    await domain.time.advance(10);
    expect(one.locator.owned(desk.aor)).to.not.equal(undefined);
    expect((await mobile.register(0)).headers.has("Contact")).to.equal(false);
    await domain.time.advance(10);
    expect(domain.directory.ownerOf(desk.aor)).to.equal(undefined);
    expect([...one.store.list()]).to.deep.equal([]);
  });

  it("lets go of the user when the last contact expires, and tells those who look at contacts", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const alice = domain.device("alice", one);
    await alice.register(60);
    const told: string[][] = [];
    one.registrar.onChange((aor) => void told.push(domain.contactsAt(one, aor)));
    await domain.time.advance(59_900);
    expect(told).to.deep.equal([]);
    await domain.time.advance(1_200);
    expect(told).to.deep.equal([[]]);
    expect(domain.directory.ownerOf(alice.aor)).to.equal(undefined);
    expect([...one.store.list()]).to.deep.equal([]);
  });

  it("keeps the user while a publication remains", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const alice = domain.device("alice", one);
    await alice.register();
    expect((await publish(alice)).status).to.equal(200);
    await alice.register(0);
    await domain.time.advance(60_000);
    expect(one.locator.owned(alice.aor)).to.not.equal(undefined);
    await domain.time.advance(70_000);
    expect(domain.directory.ownerOf(alice.aor)).to.equal(undefined);
  });

  it("removes everything with Contact *", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [desk, mobile] = [domain.device("alice", one), domain.device("alice", one)];
    await desk.register();
    await mobile.register();
    expect(
      (
        await desk.sendRegister([
          ["Contact", "*"],
          ["Expires", "0"],
        ])
      ).status,
    ).to.equal(200);
    expect(domain.contactsAt(one, desk.aor)).to.deep.equal([]);
  });

  it("does not let a REGISTER that comes while the user is let go of fall between", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [desk, mobile] = [domain.device("alice", one), domain.device("alice", one)];
    await desk.register();
    const answers = await Promise.all([desk.register(0), mobile.register()]);
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200]);
    await domain.time.advance(100);
    expect(one.locator.owned(desk.aor)).to.not.equal(undefined);
    expect(domain.contactsAt(one, desk.aor)).to.deep.equal([mobile.client.contact]);
  });

  it("does not let go of a user who has registered again while others waited for a claim", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const alice = domain.device("alice", one);
    const answers = await Promise.all([alice.register(), alice.register(0), alice.register()]);
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 200]);
    await domain.time.advance(100);
    expect(one.locator.claims).to.have.length(1);
    expect(one.locator.owned(alice.aor)).to.not.equal(undefined);
    expect(domain.contactsAt(one, alice.aor)).to.deep.equal([alice.client.contact]);
  });

  it("comes with the connection of a WebSocket client, who can be reached in no other way", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [browser, phone] = [domain.device("alice", one, { transport: "WS" }), domain.device("alice", one)];
    await browser.register();
    await phone.register();
    browser.client.close();
    expect(domain.contactsAt(one, phone.aor)).to.deep.equal([phone.client.contact]);
    await phone.register(0);
    // It may come back.
    await domain.time.advance(limits.registrar.reconnectMs - 1000);
    expect(domain.directory.ownerOf(phone.aor)?.owner).to.equal(one.locator);
    await domain.time.advance(2000);
    expect(domain.directory.ownerOf(phone.aor)).to.equal(undefined);
  });

  for (const onConflict of ["reject", "redirect"] as const)
    it(`lets go of a user at once whose only connection has ended, where others do not take them (${onConflict}): they may connect elsewhere`, async () => {
      const domain = new SimulatedDomain();
      const one = domain.server("one", { policy: onConflict });
      const browser = domain.device("alice", one, { transport: "WS" });
      await browser.register();
      browser.client.close();
      await domain.time.advance(10);
      expect(domain.directory.ownerOf(browser.aor)).to.equal(undefined);
    });

  it("leaves nothing behind of a WebSocket client whose connection closes while its registration is under way", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const browser = domain.device("alice", one, { transport: "WS" });
    domain.network.onReceived = ({ request }) => request.method === "REGISTER" && browser.client.close();
    void browser.register();
    await domain.time.advance(100);
    expect(one.counters.get("registrar.accepted")).to.equal(1);
    expect(one.registrar.registrationsOf(browser.aor)).to.deep.equal([]);
    expect([...one.store.list()]).to.deep.equal([]);
    expect(domain.directory.ownerOf(browser.aor)).to.equal(undefined);
  });

  it("does not come with the connection of a TCP client that can be called back", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const phone = domain.device("alice", one, { transport: "TCP" });
    await phone.register();
    phone.client.close();
    const { address, port } = phone.client.flow;
    expect(one.registrar.contactsOf(phone.aor).map(({ flow }) => flow)).to.deep.equal([
      { transport: "TCP", address, port },
    ]);
  });

  it("refuses to register for others", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const alice = domain.device("alice", one);
    const fields = { from: `<${alice.aor}>;tag=1`, to: `<sip:bob@${DOMAIN}>` };
    const answer = await alice.send(createRequest({ method: "REGISTER", uri: `sip:${DOMAIN}`, ...fields }));
    expect(answer.status).to.equal(403);
  });

  it("refuses a device that could not be stored, and serves on who is here", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [alice, another] = [domain.device("alice", one), domain.device("alice", one)];
    await alice.register(600);
    const [kept] = [...one.store.list()];
    for (const write of ["put", "remove"] as const)
      one.store[write] = () => {
        throw new Error("disk full");
      };
    const refused = await another.register();
    expect(refused.status, "it goes to another server, RFC 3263 §4.3").to.equal(503);
    expect(refused.headers.get("Retry-After")).to.match(/^\d+$/);
    expect((await alice.register(1200)).headers.get("Contact"), "a refresh").to.match(/expires=1200$/);
    await domain.time.advance(601_000);
    expect(domain.contactsAt(one, alice.aor)).to.deep.equal([alice.client.contact]);
    expect([...one.store.list()]).to.deep.equal([kept]);
    expect((await alice.register(0)).status, "an end").to.equal(200);
    await domain.time.advance(10);
    expect(domain.directory.ownerOf(alice.aor)).to.equal(undefined);
  });

  it("has few lines in the log, however many devices could not be stored", async () => {
    const lines: object[] = [];
    const logger = { ...silentLogger, error: (fields: object) => void lines.push(fields) };
    const domain = new SimulatedDomain();
    const one = domain.server("one", { logger });
    for (const write of ["put", "remove"] as const)
      one.store[write] = () => {
        throw new Error("disk full");
      };
    const devices = Array.from({ length: 50 }, (_, n) => domain.device(`user${n}`, one));
    await Promise.all(devices.map((device) => device.register()));
    expect(lines).to.have.length(1);
    await domain.time.advance(1_000);
    await devices[0]?.register();
    expect(lines[1]).to.include({ aor: devices[0]?.aor, leftOut: 99 });
  });

  it("is refused to an operator while the disk is full, as contacts would be back after a restart", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const alice = domain.device("alice", one);
    await alice.register();
    const { remove } = one.store;
    one.store.remove = () => {
      throw new Error("disk full");
    };
    const failure = await one.registrar.removeContacts(alice.aor).catch((error: unknown) => error);
    expect(failure).to.include({ family: "operational", code: "NOT_STORED" });
    expect(domain.contactsAt(one, alice.aor)).to.deep.equal([alice.client.contact]);
    one.store.remove = remove;
    expect(await one.registrar.removeContacts(alice.aor)).to.deep.equal([alice.client.contact]);
    expect(domain.contactsAt(one, alice.aor)).to.deep.equal([]);
    expect([...one.store.list()]).to.deep.equal([]);
  });

  it("takes nobody from another server who could not be kept here", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    await domain.device("alice", one).register(600);
    two.storage.group.isWritable = () => false;
    const moved = domain.device("alice", two);
    expect((await moved.register()).status).to.equal(503);
    expect(one.locator.owned(moved.aor)).to.not.equal(undefined);
    expect([...one.store.list()]).to.have.length(1);
    two.storage.group.isWritable = () => true;
    expect((await moved.register()).status).to.equal(200);
    expect(one.locator.owned(moved.aor)).to.equal(undefined);
  });

  it("is what becomes of a user who was claimed for a device that then could not be stored", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    await domain.device("alice", one).register(600);
    two.store.put = () => {
      throw new Error("disk full");
    };
    const moved = domain.device("alice", two);
    expect((await moved.register()).status).to.equal(503);
    await domain.time.advance(10);
    expect(domain.directory.ownerOf(moved.aor)).to.equal(undefined);
  });
});
