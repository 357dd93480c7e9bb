import { generateKeyPair } from "@libp2p/crypto/keys";
import type { Libp2p, MultiaddrConnection } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { multiaddr } from "@multiformats/multiaddr";
import { expect } from "chai";
import { Admission } from "../../../node/mesh/admission.ts";
import { meshCounter } from "../../../node/mesh/counters.ts";
import { Guard } from "../../../node/mesh/guard.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";

describe("the guard of the mesh", () => {
  it("counts all strangers, and does not let them fill the log", async () => {
    const nobody = { isServer: () => false, isFormer: () => false, isDoorOpen: () => false };
    const counters = createCounters();
    const lines: object[] = [];
    const logger = { ...silentLogger, warn: (fields: object) => void lines.push(fields) };
    const { denyInboundEncryptedConnection: deny } = new Guard(new Admission(nobody, []), counters, logger).gater();
    const stranger = peerIdFromPrivateKey(await generateKeyPair("Ed25519"));
    for (let n = 0; n < 10_000; n++) expect(await deny?.(stranger, {} as MultiaddrConnection)).to.equal(true);
    expect(counters.get(meshCounter.strangersRefused)).to.equal(10_000);
    expect(lines[0]).to.have.property("peer", stranger.toString());
    expect(lines).to.have.length.below(1000);
  });

  it("leaves places for other hosts where one begins handshakes and ends none", async () => {
    const all = { isServer: () => true, isFormer: () => false, isDoorOpen: () => false };
    const counters = createCounters();
    const gater = new Guard(new Admission(all, []), counters, silentLogger).gater();
    const peer = peerIdFromPrivateKey(await generateKeyPair("Ed25519"));
    const closes: (() => void)[] = [];
    const begin = async (from: string) => {
      const connection = {
        remoteAddr: multiaddr(`${from}/tcp/5000`),
        addEventListener: (_: "close", listener: () => void) => void closes.push(listener),
      } as MultiaddrConnection;
      return { connection, denied: await gater.denyInboundConnection?.(connection) };
    };
    const most = limits.mesh.inboundPendingPerSource;
    const held = [];
    for (let n = 0; n < most; n++) held.push(await begin(`/ip6/2001:db8::${n}`));
    expect(held.map(({ denied }) => denied)).to.deep.equal(Array<boolean>(most).fill(false));
    expect((await begin("/ip6/2001:db8::ffff")).denied, "of the same network").to.equal(true);
    expect(counters.get(meshCounter.handshakesRefused)).to.equal(1);
    for (const from of ["/ip6/2001:db8:0:1::1", "/ip4/192.0.2.1"])
      expect((await begin(from)).denied, from).to.equal(false);
    for (let n = 0; n <= most; n++) expect((await begin("/ip4/127.0.0.1")).denied, "this machine").to.equal(false);

    closes[0]!();
    expect((await begin("/ip6/2001:db8::1")).denied, "one has closed").to.equal(false);
    expect((await begin("/ip6/2001:db8::1")).denied).to.equal(true);
    await gater.denyInboundEncryptedConnection?.(peer, held[1]!.connection);
    closes[1]!();
    expect((await begin("/ip6/2001:db8::1")).denied, "one has shown whose it is").to.equal(false);
    expect((await begin("/ip6/2001:db8::1")).denied, "and is not counted twice").to.equal(true);
  });

  it("lets one host send its share of the strangers while an invite is open, and others theirs", async () => {
    const open = { isServer: () => false, isFormer: () => false, isDoorOpen: () => true };
    const guard = new Guard(new Admission(open, []), createCounters(), silentLogger);
    const host = new EventTarget();
    guard.watch(host as unknown as Libp2p);
    const stranger = peerIdFromPrivateKey(await generateKeyPair("Ed25519"));
    const staysOf = (from: string) => {
      let stays = true;
      const remoteAddr = multiaddr(`${from}/tcp/5000`);
      const detail = { remotePeer: stranger, remoteAddr, abort: () => void (stays = false) };
      host.dispatchEvent(new CustomEvent("connection:open", { detail }));
      return stays;
    };
    const share = limits.mesh.strangersPerSource;
    const crowd = Array.from({ length: share + 1 }, () => staysOf("/ip4/192.0.2.1"));
    expect(crowd).to.deep.equal([...Array<boolean>(share).fill(true), false]);
    const left = limits.mesh.strangers - share;
    const local = Array.from({ length: left }, () => staysOf("/ip4/127.0.0.1"));
    expect(local).to.deep.equal(Array<boolean>(left).fill(true));
    expect(staysOf("/ip4/192.0.2.2"), "more than there are places").to.equal(false);
    guard.stop();
  });
});
