import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import { HeldRoom } from "../../../node/messaging/held-room.ts";
import { limits } from "../../../node/runtime/limits.ts";

const { heldBytes, heldBytesPerUser } = limits.messaging;
const BOB = parseAor("sip:bob@example.com");

describe("the room for messages that wait", () => {
  it("on one server is never all of one sender, however many they write to", () => {
    const room = new HeldRoom();
    let recipients = 0;
    const nobody = () => parseAor(`sip:nobody${recipients}@example.com`);
    while (room.isLeft(nobody(), "eve", heldBytesPerUser / 2)) {
      room.add(nobody(), "eve", heldBytesPerUser / 2);
      recipients++;
    }
    expect(recipients * (heldBytesPerUser / 2)).to.equal(heldBytes / 2);
    expect(room.isLeft(BOB, "joe", 1024)).to.equal(true);
  });

  it("for one recipient is never all of one sender", () => {
    const room = new HeldRoom();
    room.add(BOB, "eve", heldBytesPerUser / 2);
    expect([room.isLeft(BOB, "eve", 1), room.isLeft(BOB, "joe", 1)]).to.deep.equal([false, true]);
  });

  it("is there again when what was in it is gone", () => {
    const room = new HeldRoom();
    room.reset([{ recipient: BOB, sender: "eve", messages: 2, bytes: heldBytesPerUser / 2 }]);
    expect(room.isLeft(BOB, "eve", 1)).to.equal(false);
    room.remove(BOB, "eve", 1024);
    expect(room.isLeft(BOB, "eve", 512)).to.equal(true);
    room.reset([]);
    expect(room.isLeft(BOB, "eve", heldBytesPerUser / 2)).to.equal(true);
  });
});
