import { expect } from "chai";
import { parseAor } from "../../../../dht-schema/aor.ts";
import type { Ballot } from "../../../../dht-schema/ballot.ts";
import { CoreNetwork } from "../../../helpers/core-network.ts";
import { jointAfter, numbersTo, stableAfter, testRoster } from "../../../helpers/rosters.ts";

const ALICE = parseAor("sip:alice@example.com");
const owner = (epoch: Ballot) => ({ kind: "owner", epoch });
const NOBODY = { kind: "nobody" };
const MISSED = { kind: "missed" };

/** Server 3 watches; the others move the user about. */
function watching(servers = 3): CoreNetwork {
  const net = new CoreNetwork({ servers });
  net.watch(3, ALICE);
  net.run(1_000);
  return net;
}

describe("a watch among servers", () => {
  it("hears of every claim, move and release, in order and once", () => {
    const net = watching(5);
    const first = net.own(1, ALICE);
    net.run(100);
    const second = net.own(2, ALICE);
    net.run(100);
    const third = net.own(3, ALICE);
    net.run(100);
    net.release(3, ALICE);
    net.run(100);
    expect(net.told(3, ALICE)).to.deep.equal([NOBODY, owner(first), owner(second), owner(third), NOBODY]);
  });

  it("hears of a move one way after the replicas do", () => {
    const net = new CoreNetwork({ servers: 3, delayMs: 10 });
    net.watch(3, ALICE);
    net.run(1_000);
    net.own(1, ALICE);
    const ownedAtMs = net.nowMs;
    net.until("the watcher knows", () => net.told(3, ALICE).at(-1)?.kind === "owner");
    expect(net.nowMs - ownedAtMs).to.be.at.most(10);
  });

  it("hears that the owner died when its sessions are over", () => {
    const net = watching();
    const epoch = net.own(1, ALICE);
    net.run(100);
    net.crash(1);
    net.run(10_001);
    expect(net.told(3, ALICE)).to.deep.equal([NOBODY, owner(epoch), NOBODY]);
  });

  it("answers from memory while it hears a majority, and not when it does not", () => {
    const net = watching();
    const epoch = net.own(1, ALICE);
    net.run(100);
    net.takeTrace();
    const known = () => net.act(3, (core, nowMs) => core.watched(nowMs, ALICE));
    expect(known()).to.deep.equal(owner(epoch));
    expect(net.takeTrace()).to.deep.equal([]);
    net.isolate(3);
    net.run(8_600);
    expect(known(), "within the lease").to.deep.equal(owner(epoch));
    net.run(1_400);
    expect(known()).to.equal(undefined);
    expect(net.told(3, ALICE).at(-1)).to.deep.equal(MISSED);
  });

  it("is told the present owner after a cut that outlasted its leases", () => {
    const net = watching();
    net.own(1, ALICE);
    net.run(100);
    net.isolate(3);
    net.run(1_000);
    const epoch = net.own(2, ALICE);
    net.run(20_000);
    expect(net.told(3, ALICE).at(-1)).to.deep.equal(MISSED);
    net.rejoin(3);
    net.run(100);
    expect(net.told(3, ALICE).at(-1)).to.deep.equal(owner(epoch));
  });

  it("is told of a move that happened during a cut shorter than its leases as soon as the links are back", () => {
    const net = watching();
    const before = net.own(1, ALICE);
    net.run(100);
    net.isolate(3);
    const epoch = net.own(2, ALICE);
    expect(net.told(3, ALICE).at(-1)).to.deep.equal(owner(before));
    net.rejoin(3);
    net.run(10);
    expect(net.told(3, ALICE).at(-1)).to.deep.equal(owner(epoch));
  });

  it("is registered in the end although the links broke when it was begun", () => {
    const net = new CoreNetwork({ servers: 3 });
    const epoch = net.own(1, ALICE);
    net.watch(3, parseAor("sip:bob@example.com"));
    net.run(1_000);
    net.watch(3, ALICE);
    net.isolate(3);
    net.rejoin(3);
    net.run(10);
    expect(net.told(3, ALICE)).to.deep.equal([owner(epoch)]);
  });

  it("survives restarts of the replicas", () => {
    const net = watching();
    for (const replica of [1, 2]) {
      net.crash(replica);
      net.start(replica);
      net.run(20_000);
    }
    const epoch = net.own(2, ALICE);
    net.run(100);
    expect(net.told(3, ALICE).at(-1)).to.deep.equal(owner(epoch));
  });

  it("does not survive a restart of the watcher, and costs the replicas nothing after its session", () => {
    const net = watching();
    net.crash(3);
    net.run(10_001);
    expect(net.act(1, (core, nowMs) => core.stats(nowMs).watches)).to.equal(0);
  });

  it("follows the user to other replicas when the voters change", () => {
    const stable = testRoster(7, { voters: [1, 2, 3] });
    const joint = jointAfter(stable, [5, 6, 7]);
    const net = new CoreNetwork({ roster: stable });
    net.watch(4, ALICE);
    net.run(100);
    const first = net.own(1, ALICE);
    net.run(100);
    for (const roster of [joint, stableAfter(joint)]) {
      for (const number of numbersTo(7)) net.install(number, roster);
      net.run(2_000);
    }
    for (const replica of [1, 2, 3]) net.cut(4, replica);
    net.run(20_000);
    const second = net.own(6, ALICE);
    net.run(100);
    expect(net.told(4, ALICE)).to.deep.equal([NOBODY, owner(first), owner(second)]);
  });

  it("is registered although its request crossed a change of the voters", () => {
    const stable = testRoster(4, { voters: [1, 2, 3] });
    const joint = jointAfter(stable, [1, 2, 4]);
    const net = new CoreNetwork({ roster: stable });
    const epoch = net.own(1, ALICE);
    net.watch(4, parseAor("sip:bob@example.com"));
    net.run(1_000);
    for (const number of [1, 2, 3]) net.install(number, joint);
    net.watch(4, ALICE);
    net.run(5);
    expect(net.told(4, ALICE), "asked under the former version").to.deep.equal([]);
    net.install(4, joint);
    net.run(20);
    expect(net.told(4, ALICE)).to.deep.equal([owner(epoch)]);
  });
});
