import { expect } from "chai";
import { OperationalError } from "../../../node/runtime/errors.ts";
import { openMemoryStorage } from "../../../node/storage/storage.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

describe("a publication that is not on disk because that is full", () => {
  it("has its user all the same, when the last contact has gone", async () => {
    const domain = new SimulatedDomain();
    const storage = openMemoryStorage();
    const put = (): never => {
      throw new OperationalError("DISK_FULL", "no room left");
    };
    const one = domain.server("one", { storage: { ...storage, publications: { ...storage.publications, put } } });
    const [desk, phone] = [domain.device("alice", one), domain.phone("alice", one)];
    const joe = domain.phone("joe", one);
    await desk.register();
    expect((await domain.time.until(phone.publish("here"))).status).to.equal(200);
    await domain.time.until(joe.subscribe(phone.aor));
    await desk.register(0);
    await domain.time.advance(10_000);
    expect(joe.news().map(({ note }) => note)).to.deep.equal(["here", "here"]);
    expect((await domain.time.until(phone.publish("still here"))).status, "by its entity-tag").to.equal(200);
    await domain.time.until(phone.publish(undefined, { expires: 0 }));
    await domain.time.advance(10_000);
    expect(one.locator.owned(phone.aor), "let go of with it").to.equal(undefined);
  });
});
