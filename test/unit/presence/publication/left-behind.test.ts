import { expect } from "chai";
import { parseAor } from "../../../../dht-schema/aor.ts";
import { LeftBehind } from "../../../../node/presence/publication/left-behind.ts";
import { limits } from "../../../../node/runtime/limits.ts";

const [ALICE, BOB, KIM] = ["alice", "bob", "kim"].map((user) => parseAor(`sip:${user}@example.com`)) as [
  ReturnType<typeof parseAor>,
  ReturnType<typeof parseAor>,
  ReturnType<typeof parseAor>,
];

describe("devices that were left behind", () => {
  it("are known by any of their names, for their time, until their user is here again", () => {
    const devices = new LeftBehind(10);
    devices.note(ALICE, ["desk", "Call-ID 1"], 1000);
    expect(devices.has(ALICE, ["other", "Call-ID 1"], 999)).to.equal(true);
    expect(devices.has(ALICE, ["desk"], 1000)).to.equal(false);
    expect(devices.has(BOB, ["desk"], 0)).to.equal(false);
    devices.forget(ALICE, ["desk", "Call-ID 1"]);
    expect(devices.has(ALICE, ["desk", "Call-ID 1"], 0)).to.equal(false);
  });

  it("of one user push out nobody else's, however many names they make up", () => {
    const devices = new LeftBehind(4);
    devices.note(ALICE, ["desk"], 1000);
    for (let n = 0; n < 1000; n++) devices.note(BOB, [`Call-ID ${n}`], 1000);
    expect(devices.has(ALICE, ["desk"], 0)).to.equal(true);
    expect(devices.has(BOB, ["Call-ID 999"], 0)).to.equal(true);
    expect(devices.has(BOB, [`Call-ID ${999 - limits.presence.leftBehindNames}`], 0)).to.equal(false);
    expect(devices.has(KIM, ["desk"], 0)).to.equal(false);
  });
});
