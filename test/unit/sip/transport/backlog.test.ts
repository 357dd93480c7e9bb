import { expect } from "chai";
import { Backlogs } from "../../../../node/sip/transport/backlog.ts";

const NOBODY = (): void => {};
/** 256 octets of each write are its own. */
const octets = (bytes: number): number => bytes - 256;

describe("what waits for peers that do not read", () => {
  it("is bounded for each of them, and makes room when it has left", () => {
    const backlogs = new Backlogs({ perConnection: 2000, inAll: 100_000 });
    const backlog = backlogs.open(NOBODY);
    const written = backlog.add(octets(1500));
    expect(written).to.not.equal(undefined);
    written?.();
    expect(backlogs.bytes).to.equal(0);
    expect(backlog.add(octets(2000))).to.not.equal(undefined);
    expect(backlog.add(octets(257))).to.equal(undefined);
    expect(backlogs.bytes).to.equal(0);
  });

  it("is counted with what a write takes, however few octets it has", () => {
    const backlog = new Backlogs({ perConnection: 100_000, inAll: 1_000_000 }).open(NOBODY);
    let writes = 0;
    while (backlog.add(2) !== undefined) writes++;
    expect(writes).to.be.lessThan(100_000 / 256);
  });

  it("is bounded for all: those lose their connection for whom the most waits, and nobody else", () => {
    const backlogs = new Backlogs({ perConnection: 12_000, inAll: 100_000 });
    const closed: number[] = [];
    const greedy = Array.from({ length: 12 }, (_, i) => backlogs.open(() => closed.push(i)));
    for (let bytes = 0; bytes < 8000; bytes += 1000) for (const each of greedy) each.add(octets(1000));
    expect(closed).to.deep.equal([]);
    const modest = backlogs.open(() => closed.push(-1));
    for (let i = 0; i < 8; i++) expect(modest.add(octets(1000))).to.not.equal(undefined);
    expect(closed).to.deep.equal([0]);
    expect(backlogs.bytes).to.equal(96_000);
    // Now it is the one for whom the most waits.
    modest.add(octets(1000));
    modest.add(octets(1000));
    expect(greedy[1]?.add(octets(2500))).to.not.equal(undefined);
    expect(closed).to.deep.equal([0, -1]);
  });

  it("closes who asks for room where the most waits for them", () => {
    const backlogs = new Backlogs({ perConnection: 10_000, inAll: 10_000 });
    let isClosed = false;
    const one = backlogs.open(() => (isClosed = true));
    backlogs.open(NOBODY).add(octets(2000));
    one.add(octets(7000));
    expect(one.add(octets(2000))).to.equal(undefined);
    expect(isClosed).to.equal(true);
    expect(backlogs.bytes).to.equal(2000);
  });

  it("is gone with its connection, whatever its writes say afterwards", () => {
    const backlogs = new Backlogs({ perConnection: 10_000, inAll: 100_000 });
    const [one, two] = [backlogs.open(NOBODY), backlogs.open(NOBODY)];
    const written = one.add(octets(3000));
    two.add(octets(4000));
    one.end();
    expect(backlogs.bytes).to.equal(4000);
    written?.();
    expect(backlogs.bytes).to.equal(4000);
  });
});
