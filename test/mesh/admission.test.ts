import { generateKeyPair } from "@libp2p/crypto/keys";
import type { Libp2p, PrivateKey } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { expect } from "chai";
import { JOIN_PROTOCOL } from "../../dht-schema/join-messages.ts";
import { KAD_PROTOCOL, LINK_PROTOCOL, SIP_PROTOCOL } from "../../dht-schema/link-frames.ts";
import { meshCounter } from "../../node/mesh/counters.ts";
import { limits } from "../../node/runtime/limits.ts";
import type { TestServer } from "../helpers/meshes.ts";
import { TestDomain, down } from "../helpers/meshes.ts";
import type { Outsider } from "../helpers/outsider.ts";
import { addressOf, createOutsider, disconnected } from "../helpers/outsider.ts";

const IDENTIFY_PROTOCOL = "/ipfs/id/1.0.0";
const PING_PROTOCOL = "/ipfs/ping/1.0.0";

describe("admission to the mesh", function () {
  this.timeout(30_000);
  let domain: TestDomain;
  let founder: TestServer;
  let outsider: Outsider;
  let observerKey: PrivateKey;
  beforeEach(async () => {
    observerKey = await generateKeyPair("Ed25519");
    domain = new TestDomain();
    founder = await domain.found({ observers: [peerIdFromPrivateKey(observerKey).toString()] });
    await founder.mesh.start();
    outsider = await createOutsider();
  });
  afterEach(async () => {
    await outsider.stop();
    await domain.stop();
  });

  const refused = (): number => founder.counters.get(meshCounter.strangersRefused);

  it("closes a stranger's connection and counts it", async () => {
    await outsider.dial(addressOf(founder.mesh)).catch(() => undefined);
    await disconnected(outsider);
    expect(refused()).equals(1);
  });

  it("lets a stranger speak nothing but join while an invite is open, and cuts it off when it does not join", async () => {
    founder.mesh.createInvite({ ttlMs: 60_000, steward: false });
    const connection = await outsider.dial(addressOf(founder.mesh));
    const join = await connection.newStream(JOIN_PROTOCOL);
    expect(join.status).equals("open");
    for (const protocol of [LINK_PROTOCOL, SIP_PROTOCOL, KAD_PROTOCOL, IDENTIFY_PROTOCOL, PING_PROTOCOL]) {
      expect(await isReset(connection.newStream(protocol)), protocol).equals(true);
    }
    expect(refused()).equals(0);
    await disconnected(outsider);
    expect(refused()).equals(1);
    expect(founder.counters.get(meshCounter.joinsAccepted)).equals(0);
  });

  it("refuses strangers beyond a bound while an invite is open", async () => {
    founder.mesh.createInvite({ ttlMs: 60_000, steward: false });
    const crowd = await Promise.all(Array.from({ length: limits.mesh.strangers }, () => createOutsider()));
    try {
      for (const one of crowd) await one.dialProtocol(addressOf(founder.mesh), JOIN_PROTOCOL);
      expect(refused()).equals(0);
      await outsider.dial(addressOf(founder.mesh)).catch(() => undefined);
      await disconnected(outsider);
      expect(refused()).equals(1);
    } finally {
      await Promise.all(crowd.map(async (one) => one.stop()));
    }
  });

  it("lets an observer identify, ping and speak kad-dht, and nothing else", async () => {
    const observer = await createOutsider(observerKey);
    try {
      const connection = await observer.dial(addressOf(founder.mesh));
      expect((await observer.services.identify.identify(connection)).protocols).includes(KAD_PROTOCOL);
      expect(await observer.services.ping.ping(connection.remotePeer)).greaterThan(-1);
      expect((await connection.newStream(KAD_PROTOCOL)).status).equals("open");
      for (const protocol of [LINK_PROTOCOL, SIP_PROTOCOL, JOIN_PROTOCOL]) {
        expect(await isReset(connection.newStream(protocol)), protocol).equals(true);
      }
      expect(connection.status).equals("open");
      expect(refused()).equals(0);
    } finally {
      await observer.stop();
    }
  });

  it("disconnects a server that is taken out of the roster, and refuses it from then on", async () => {
    const second = await domain.join(founder);
    await second.mesh.start();
    await domain.allUp();
    const roster = founder.mesh.roster();
    await founder.mesh.publishRoster({ ...roster, revision: roster.revision + 1, servers: roster.servers.slice(0, 1) });
    await down(second.mesh, founder.mesh.self);
    expect(founder.mesh.peers()).deep.equals([]);
    expect(second.mesh.isUp(founder.mesh.self)).equals(false);
  });
});

/** Whether the other side reset the stream, at once or after negotiation. */
async function isReset(opening: ReturnType<Libp2p["dialProtocol"]>): Promise<boolean> {
  try {
    const stream = await opening;
    if (stream.status === "reset") return true;
    return await new Promise((resolve) => {
      stream.addEventListener("close", () => resolve(stream.status === "reset"));
      stream.addEventListener("message", () => resolve(false));
    });
  } catch {
    return true;
  }
}
