import { generateKeyPair } from "@libp2p/crypto/keys";
import type { MultiaddrConnection } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { expect } from "chai";
import { Admission } from "../../../node/mesh/admission.ts";
import { meshCounter } from "../../../node/mesh/counters.ts";
import { Guard } from "../../../node/mesh/guard.ts";
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
});
