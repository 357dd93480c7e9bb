import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import { digestSecrets } from "../../../node/cli/commands/user/digest-secrets.ts";
import { systemClock } from "../../../node/runtime/clock.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import type { SipSide } from "../../../node/sip-side.ts";
import { createSipSide } from "../../../node/sip-side.ts";
import type { ReceivedMessage, SoftphoneTransport } from "../../../node/softphone/softphone.ts";
import { Softphone } from "../../../node/softphone/softphone.ts";
import { openMemoryStorage } from "../../../node/storage/storage.ts";
import { TestDirectories } from "../../helpers/directories.ts";
import { eventually } from "../../helpers/eventually.ts";

const DOMAIN = "example.com";
const ANY_PORT = { address: "127.0.0.1", port: 0 };

describe("SIP.js clients over UDP, TCP and WebSocket on one node", function () {
  this.timeout(30_000);
  let directories: TestDirectories;
  let side: SipSide;
  const phones: Softphone[] = [];

  before(async () => {
    directories = await TestDirectories.of(1);
    const { mesh, directory, counters } = directories.server(0);
    const storage = openMemoryStorage();
    for (const username of ["anna", "ben", "carl"]) {
      const secrets = digestSecrets(username, DOMAIN, `secret-of-${username}`);
      storage.users.put({ aor: parseAor(`sip:${username}@${DOMAIN}`), username, realm: DOMAIN, ...secrets });
    }
    const config = {
      sip: [ANY_PORT],
      ws: [ANY_PORT],
      authentication: "digest",
      digest: "md5",
      onConflict: "takeover",
      historyMs: 60_000,
    } as const;
    const shared = { domain: DOMAIN, mesh, directory, storage, clock: systemClock, logger: silentLogger, counters };
    side = createSipSide({ config, ...shared });
    await side.start();
  });

  afterEach(async () => {
    await Promise.all(phones.splice(0).map((phone) => phone.vanish()));
  });

  after(async () => {
    await side.drain();
    await side.stop();
    await directories.stop();
  });

  async function open(user: string, transport: SoftphoneTransport, password = `secret-of-${user}`): Promise<Softphone> {
    const { port } = side.stack.listening().find((listener) => listener.transport === transport) ?? ANY_PORT;
    const server = { transport, host: "127.0.0.1", port };
    const phone = await Softphone.open({
      aor: `sip:${user}@${DOMAIN}`,
      server,
      credentials: { username: user, password },
    });
    phones.push(phone);
    return phone;
  }

  it("register by digest, and write to each other whatever the transport", async () => {
    const users: [string, SoftphoneTransport][] = [
      ["anna", "UDP"],
      ["ben", "TCP"],
      ["carl", "WS"],
    ];
    const inboxes = new Map<string, ReceivedMessage[]>();
    const agents = new Map<string, Softphone>();
    for (const [user, transport] of users) {
      const phone = await open(user, transport);
      expect((await phone.register()).status).to.equal(200);
      const inbox: ReceivedMessage[] = [];
      phone.onMessage((message) => void inbox.push(message));
      inboxes.set(phone.aor, inbox);
      agents.set(phone.aor, phone);
    }
    for (const [from, phone] of agents) {
      for (const to of agents.keys()) {
        if (to === from) continue;
        const outcome = await phone.sendMessage(to, `from ${from} 🜁`);
        expect(outcome.status, `${from} to ${to}`).to.equal(200);
      }
    }
    for (const [to, inbox] of inboxes) {
      const others = [...agents.keys()].filter((from) => from !== to);
      expect(inbox.map(({ from }) => from)).to.have.members(others);
      expect(inbox.map(({ text }) => text)).to.have.members(others.map((from) => `from ${from} 🜁`));
    }
    expect(side.registrar.status()).to.include({ users: 3, contacts: 3 });
    await Promise.all([...agents.values()].map((phone) => phone.unregister()));
    await eventually(() => side.registrar.status().contacts === 0, "no contacts after all have signed off");
    expect(directories.ownersOf(parseAor("sip:carl@example.com"))).to.deep.equal([]);
  });

  it("do not get in with a wrong password", async () => {
    const phone = await open("anna", "TCP", "guess");
    expect((await phone.register()).status).to.equal(401);
    expect((await phone.sendMessage("sip:ben@example.com", "hi")).status).to.equal(407);
    expect(directories.ownersOf(parseAor("sip:anna@example.com"))).to.deep.equal([]);
  });

  it("leave the registrar with their WebSocket connection, and their user is free when they make no other", async () => {
    const phone = await open("carl", "WS");
    expect((await phone.register()).status).to.equal(200);
    expect(directories.ownersOf(parseAor("sip:carl@example.com"))).to.have.length(1);
    await phone.vanish();
    await eventually(() => side.registrar.status().contacts === 0, "no contact over a closed connection");
    expect(directories.ownersOf(parseAor("sip:carl@example.com"))).to.have.length(1);
    const isFree = () => directories.ownersOf(parseAor("sip:carl@example.com")).length === 0;
    await eventually(isFree, "the user is free", limits.registrar.reconnectMs + 8000);
  });
});
