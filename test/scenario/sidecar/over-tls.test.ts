import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { systemClock } from "../../../node/runtime/clock.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import type { SipSide } from "../../../node/sip-side.ts";
import { createSipSide } from "../../../node/sip-side.ts";
import { TlsCertificates } from "../../../node/sip/transport/tls-certificates.ts";
import { openMemoryStorage } from "../../../node/storage/storage.ts";
import { CertificateFolder, certificateFor, loopbackCertificate } from "../../helpers/certificates.ts";
import { TestDirectories } from "../../helpers/directories.ts";
import { eventually } from "../../helpers/eventually.ts";
import type { TcpRelay } from "../../helpers/tcp-relay.ts";
import { startTcpRelay } from "../../helpers/tcp-relay.ts";
import { Agent, DOMAIN } from "../session/session-world.ts";
import { OtherServer } from "./other-server.ts";

const ANY_PORT = { address: "127.0.0.1", port: 0 };
const NAME = "kamailio.example.com";
const KATE = "sip:kate@example.com";

describe("a trusted server over TLS whose connection has closed", function () {
  this.timeout(60_000);
  const folder = new CertificateFolder();
  let directories: TestDirectories;
  let side: SipSide;
  let create: () => SipSide;
  let relay: TcpRelay;
  let other: OtherServer;
  let joe: Agent;
  let warnings: object[];
  const stop: (() => Promise<void>)[] = [];

  after(() => folder.remove());
  afterEach(async () => {
    for (const each of stop.splice(0).toReversed()) await each();
  });

  /**
   * Joe's agent at a node, and at the same node a server for `name`, which has registered Kate there with {@link NAME} in its Contact.
   * @param isKnown whether the node knows the authority of its certificate
   * @param trusted whom the node trusts
   */
  async function start({ name = NAME, isKnown = true, trusted = "127.0.0.1" } = {}): Promise<void> {
    directories = await TestDirectories.of(1, { leaseMs: 10_000 });
    stop.push(() => directories.stop());
    const { mesh, directory, counters } = directories.server(0);
    const own = (await loopbackCertificate()).files;
    const its = folder.write("other", await certificateFor([name], ["127.0.0.1"]));
    const authorities = join(folder.path, "authorities.pem");
    writeFileSync(authorities, readFileSync(isKnown ? its.certificate : own.certificate));
    const config = {
      sip: [ANY_PORT],
      ws: [],
      tls: [ANY_PORT],
      certificates: [own],
      authorities,
      trusted: [{ address: trusted }],
      authentication: "none",
      digest: "md5",
      onConflict: "takeover",
      historyMs: 0,
    } as const;
    warnings = [];
    const logger = { ...silentLogger, warn: (fields: object) => void warnings.push(fields), child: () => logger };
    const shared = {
      domain: DOMAIN,
      mesh,
      directory,
      storage: openMemoryStorage(),
      clock: systemClock,
      logger,
      counters,
    };
    create = () => createSipSide({ config, ...shared });
    side = create();
    await side.start();
    stop.push(async () => {
      await side.drain();
      await side.stop();
    });
    const at = (transport: string) => side.stack.listening().find((each) => each.transport === transport)!;
    relay = await startTcpRelay(at("TLS"));
    stop.push(() => relay.stop());
    const toNode = { transport: "TLS", address: "127.0.0.1", port: relay.port } as const;
    const agent = new Agent("kamailio", toNode, new TlsCertificates([its], own.certificate));
    joe = new Agent("joe", { ...at("UDP"), transport: "UDP" });
    for (const each of [agent, joe]) {
      await each.start();
      stop.push(() => each.stop());
    }
    other = new OtherServer(agent);
    const { port } = agent.stack.listening()[0]!;
    const contact = `<sip:${NAME}:${port};transport=tls>`;
    const from = `<${KATE}>;tag=s`;
    expect((await other.register("kate", { contact, from })).status).to.equal(200);
    // Of a server that is trusted, the node asks for its users' presence.
    if (trusted === "127.0.0.1") await eventually(() => agent.methods().includes("SUBSCRIBE"), "a SUBSCRIBE");
    await relay.cut();
  }

  const write = async () => (await joe.call(joe.outside("MESSAGE", KATE))).status;
  const messages = () => other.agent.methods().filter((method) => method === "MESSAGE").length;

  it("is connected to where its Contact says, under the name in it, also after a restart of the node", async () => {
    await start();
    expect(side.registrar.status().contacts).to.equal(1);
    expect(await write()).to.equal(200);
    await side.drain();
    await side.stop();
    side = create();
    await side.start();
    joe = new Agent("joe", {
      ...side.stack.listening().find(({ transport }) => transport === "UDP")!,
      transport: "UDP",
    });
    await joe.start();
    stop.push(() => joe.stop());
    expect(await write()).to.equal(200);
    expect(messages()).to.equal(2);
    expect(warnings).to.deep.equal([]);
  });

  it("hears of the end of a session that one of its users is in", async () => {
    await start();
    const invite = joe.invitation(KATE);
    const session = joe.dialogOf(invite, await joe.call(invite));
    session.ack();
    expect((await session.send("BYE")).status).to.equal(200);
  });

  for (const [what, options, reason] of [
    ["is another than the Contact says", { name: "other.example.com" }, /does not match/],
    ["has a certificate of an unknown authority", { isKnown: false }, /self[- ]signed/],
  ] as const) {
    it(`gets nothing when it ${what}: that is counted and in the log`, async () => {
      await start(options);
      expect(await write()).not.to.equal(200);
      expect(messages()).to.equal(0);
      expect(directories.server(0).counters.get("sip.tls_failures")).to.be.greaterThan(0);
      const [line] = warnings as { host: string; address: string; reason: string }[];
      expect(line).to.include({ host: NAME, address: "127.0.0.1" });
      expect(line!.reason).to.match(reason);
    });
  }

  it("is gone when it is no such server but a client", async () => {
    await start({ trusted: "192.0.2.1" });
    await eventually(() => side.registrar.status().contacts === 0, "no contact");
    expect(await write()).not.to.equal(200);
    expect(messages()).to.equal(0);
  });
});
