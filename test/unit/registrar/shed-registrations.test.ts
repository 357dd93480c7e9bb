import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { ShedRegistrations } from "../../../node/registrar/shed-registrations.ts";

const ALICE = "sip:alice@example.com" as Aor;

describe("memory of shed registrations", () => {
  it("knows a refresh by its Call-ID until the registration would have expired", () => {
    const shed = new ShedRegistrations(10);
    shed.add(ALICE, [{ callId: "one", expiresAtMs: 5000 }]);
    expect(shed.has(ALICE, "one", 4999)).to.equal(true);
    expect(shed.has(ALICE, "one", 5000)).to.equal(false);
    expect(shed.has(ALICE, "two", 0)).to.equal(false);
    expect(shed.has("sip:bob@example.com" as Aor, "one", 0)).to.equal(false);
  });

  it("knows the last CSeq of a registration, however often and in whatever order it was noted; long Call-IDs too", () => {
    const shed = new ShedRegistrations(10);
    const long = "x".repeat(8000);
    for (const callId of ["one", long]) {
      expect(shed.lastCSeq(ALICE, callId)).to.equal(0);
      for (const cseq of [3, 7, 5]) shed.add(ALICE, [{ callId, cseq, expiresAtMs: 5000 }]);
      shed.add(ALICE, [{ callId, expiresAtMs: 5000 }]);
      expect(shed.lastCSeq(ALICE, callId)).to.equal(7);
    }
    expect(shed.has(ALICE, `${long}y`, 0)).to.equal(false);
  });

  it("forgets what the client took back", () => {
    const shed = new ShedRegistrations(10);
    shed.add(ALICE, [{ callId: "one", expiresAtMs: 5000 }]);
    shed.forget(ALICE, "one");
    expect(shed.has(ALICE, "one", 0)).to.equal(false);
  });

  it("forgets the oldest beyond its capacity, and a note renewed is not the oldest", () => {
    const shed = new ShedRegistrations(2);
    shed.add(ALICE, [{ callId: "one", expiresAtMs: 5000 }]);
    shed.add(ALICE, [{ callId: "two", expiresAtMs: 5000 }]);
    shed.add(ALICE, [{ callId: "one", expiresAtMs: 4000 }]);
    shed.add(ALICE, [{ callId: "three", expiresAtMs: 5000 }]);
    expect(["one", "two", "three"].map((callId) => shed.has(ALICE, callId, 4500))).to.deep.equal([true, false, true]);
  });

  it("drops what has run out", () => {
    const shed = new ShedRegistrations(10);
    shed.add(ALICE, [
      { callId: "one", expiresAtMs: 5000 },
      { callId: "two", expiresAtMs: 9000 },
    ]);
    shed.expire(5000);
    expect(shed.size).to.equal(1);
  });
});
