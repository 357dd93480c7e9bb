import { expect } from "chai";
import { limits } from "../../../node/runtime/limits.ts";
import type { Phone } from "../../helpers/phone.ts";
import type { Device, SimulatedServer } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

/** Of a browser, by which it can only be reached over its connection. */
const CONTACT = "<sip:x7@k2.invalid;transport=ws>";

describe("a user whose client has lost its connection", () => {
  let domain: SimulatedDomain;
  let [one, two]: SimulatedServer[] = [];
  let browser: Device;
  let watchers: readonly Phone[];

  beforeEach(async () => {
    domain = new SimulatedDomain();
    [one, two] = [domain.server("one"), domain.server("two")];
    browser = await connected(two!);
    watchers = [domain.phone("joe", one!), domain.phone("dave", two!)];
    for (const watcher of watchers) await domain.time.until(watcher.subscribe(browser.aor));
    await domain.time.advance(100);
    expect(told()).to.deep.equal([["open"], ["open"]]);
  });

  async function connected(server: SimulatedServer): Promise<Device> {
    const device = domain.device("alice", server, { transport: "WS" });
    const registered = device.sendRegister([
      ["Contact", CONTACT],
      ["Expires", "600"],
    ]);
    expect((await domain.time.until(registered)).status).to.equal(200);
    return device;
  }

  /** Since the last call. */
  const told = () => watchers.map((watcher) => watcher.news().map(({ basic }) => basic));

  it("is shown as before, by all servers, when it makes another at once", async () => {
    browser.client.close();
    await domain.time.advance(limits.registrar.reconnectMs - 2000);
    const again = await connected(two!);
    await domain.time.advance(60_000);
    expect(told()).to.deep.equal([[], []]);
    expect(domain.contactsAt(two!, again.aor)).to.have.length(1);
  });

  it("is shown as before when it makes another to another server", async () => {
    browser.client.close();
    await domain.time.advance(2000);
    const there = await connected(one!);
    await domain.time.advance(60_000);
    expect(told().flat()).to.not.include("closed");
    expect(domain.contactsAt(one!, there.aor)).to.have.length(1);
    expect(domain.directory.ownerOf(there.aor)?.owner).to.equal(one!.locator);
  });

  it("is gone, and let go of, when it makes none", async () => {
    browser.client.close();
    await domain.time.advance(limits.registrar.reconnectMs - 1000);
    expect(told()).to.deep.equal([[], []]);
    await domain.time.advance(60_000);
    expect(told()).to.deep.equal([["closed"], ["closed"]]);
    expect(domain.directory.ownerOf(browser.aor)).to.equal(undefined);
  });

  it("is sent nothing meanwhile: what is written waits, and goes to the connection that it makes", async () => {
    browser.client.close();
    const joe = domain.device("joe", one!);
    await domain.time.until(joe.register());
    const written = joe.message(browser.aor, "are you there?");
    expect((await domain.time.until(written)).status).to.equal(202);
    const again = await connected(two!);
    await domain.time.advance(1000);
    expect(again.client.received.map(({ method, body }) => [method, Buffer.from(body).toString()])).to.deep.equal([
      ["MESSAGE", "are you there?"],
    ]);
  });
});
