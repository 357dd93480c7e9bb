import { expect } from "chai";
import { parseAor } from "../../../../dht-schema/aor.ts";
import type { Epoch } from "../../../../dht-schema/ballot.ts";
import type { OwnerState } from "../../../../node/directory/core/context.ts";
import { SeenEpochs } from "../../../../node/directory/core/seen-epochs.ts";

const ALICE = parseAor("sip:alice@example.com");
const epoch = (counter: number, member = 2): Epoch => ({ version: 1, counter, member });

/** What the core of a server knows by itself. */
class Known {
  owned = (): Epoch | undefined => undefined;
  forwardingNote = (): Epoch | undefined => undefined;
  watched = (): OwnerState | undefined => undefined;
}

describe("the epochs that a server has seen", () => {
  it("refuses what is lower than what it was shown, and takes the same again", () => {
    const seen = new SeenEpochs(new Known(), 10);
    expect(seen.newest(0, ALICE)).to.equal(undefined);
    expect(seen.observe(0, ALICE, epoch(5))).to.equal(true);
    expect(seen.observe(0, ALICE, epoch(4))).to.equal(false);
    expect(seen.observe(0, ALICE, epoch(5))).to.equal(true);
    expect(seen.observe(0, ALICE, epoch(5, 1))).to.equal(false);
    expect(seen.newest(0, ALICE)).to.deep.equal(epoch(5));
  });

  for (const source of ["owned", "forwardingNote"] as const) {
    it(`refuses what is lower than its ${source}`, () => {
      const known = new Known();
      known[source] = () => epoch(7);
      const seen = new SeenEpochs(known, 10);
      expect(seen.observe(0, ALICE, epoch(6))).to.equal(false);
      expect(seen.observe(0, ALICE, epoch(8))).to.equal(true);
      expect(seen.newest(0, ALICE)).to.deep.equal(epoch(8));
    });
  }

  it("refuses what is lower than the owner that it watches", () => {
    const known = new Known();
    known.watched = () => ({ kind: "owner", epoch: epoch(7) });
    expect(new SeenEpochs(known, 10).observe(0, ALICE, epoch(6))).to.equal(false);
    known.watched = () => ({ kind: "missed" });
    expect(new SeenEpochs(known, 10).observe(0, ALICE, epoch(6))).to.equal(true);
  });

  it("forgets whom it has not heard of for longest when it knows too many", () => {
    const seen = new SeenEpochs(new Known(), 4);
    const [bob, carol] = [parseAor("sip:bob@example.com"), parseAor("sip:carol@example.com")];
    seen.observe(0, ALICE, epoch(1));
    seen.observe(0, bob, epoch(2));
    seen.observe(0, ALICE, epoch(3));
    seen.observe(0, carol, epoch(4));
    expect(seen.newest(0, bob)).to.equal(undefined);
    expect(seen.newest(0, ALICE)).to.deep.equal(epoch(3));
  });
});
