import { expect } from "chai";
import { openMemoryDatabase } from "../../../node/storage/database.ts";
import { createMessageStore } from "../../../node/storage/message-store.ts";

describe("names of delivered messages on disk", () => {
  it("are forgotten when their time is over, and the oldest where there are too many, over a restart too", () => {
    const database = openMemoryDatabase({ bytesMax: 1024 ** 2 });
    const store = createMessageStore(database, 3);
    const known = (of = store) => ["a", "b", "c", "d", "e", "f"].filter((key) => of.wasDelivered(key)).join("");
    ["a", "b", "c", "d", "e"].forEach((key, i) => store.delivered(key, 1000 + i));
    store.delivered("e", 2000);
    store.expire(1000);
    expect(known()).to.equal("cde");
    const next = createMessageStore(database, 3);
    next.delivered("f", 500);
    next.expire(400);
    expect(known(next)).to.equal("cde");
    next.expire(1003);
    expect(known(next)).to.equal("e");
    database.close();
  });
});
