import { expect } from "chai";
import { Outgoing } from "../../../node/directory/outgoing.ts";
import { settle } from "../../helpers/virtual-time.ts";

const batchesFor = (to: number, versions: readonly number[]) =>
  versions.map((rosterVersion) => ({ to, batch: { rosterVersion, messages: [] } }));

function sending() {
  const sent: string[] = [];
  const outgoing = new Outgoing((to, { rosterVersion }) => sent.push(`${to}: ${rosterVersion}`));
  return { sent, outgoing };
}

describe("what the directory sends", () => {
  it("leaves at once, where it is little", () => {
    const { sent, outgoing } = sending();
    outgoing.push(batchesFor(2, [1, 2]));
    outgoing.push(batchesFor(3, [3]));
    expect(sent).to.deep.equal(["2: 1", "2: 2", "3: 3"]);
  });

  it("leaves some in a turn of the event loop, where it is much, and in order", async () => {
    const { sent, outgoing } = sending();
    const many = Array.from({ length: 100 }, (_, i) => i);
    outgoing.push(batchesFor(2, many));
    const first = sent.length;
    expect(first).to.be.within(1, 10);
    outgoing.push(batchesFor(2, [100]));
    expect(sent.length, "behind the others").to.equal(first);
    for (let before = first; before < 101; before = sent.length) {
      await settle();
      expect(sent.length - before).to.be.within(1, 10);
    }
    expect(sent).to.deep.equal([...many, 100].map((version) => `2: ${version}`));
    outgoing.push(batchesFor(3, [101]));
    expect(sent.at(-1), "at once again").to.equal("3: 101");
  });

  it("leaves all at once at the end, and once", async () => {
    const { sent, outgoing } = sending();
    outgoing.push(
      batchesFor(
        2,
        Array.from({ length: 50 }, (_, i) => i),
      ),
    );
    outgoing.finish();
    expect(sent).to.have.length(50);
    await settle();
    expect(sent).to.have.length(50);
  });
});
