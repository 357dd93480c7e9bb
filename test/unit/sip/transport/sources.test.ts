import { expect } from "chai";
import fc from "fast-check";
import type { SourceRules } from "../../../../node/sip/transport/sources.ts";
import { sourceRules, Sources } from "../../../../node/sip/transport/sources.ts";
import { sourceOf } from "../../../../node/runtime/ip-addresses.ts";

const RULES: SourceRules = {
  connections: 5,
  connectionsPerSource: 3,
  connectionsPerSecond: 10,
  burstConnections: 20,
  messagesPerSecond: 10,
  burstMessages: 20,
  octetsPerMessage: 1000,
  remembered: 4,
  isExempt: (address) => address === "127.0.0.1",
};
const A = "192.0.2.1";
const B = "192.0.2.2";

describe("limits of one source", () => {
  it("let in as many connections as a source and all sources may have, and again when one has closed", () => {
    const sources = new Sources(RULES);
    expect([A, A, A, A, B, B, B].map((address) => sources.connect(address))).to.deep.equal([
      true,
      true,
      true,
      false,
      true,
      true,
      false,
    ]);
    expect(sources.connections).to.equal(5);
    sources.disconnect(A);
    expect(sources.connect(B)).to.equal(true);
    expect(sources.connect(A)).to.equal(false);
  });

  it("let a source make no more new connections than its share, however soon it closes them, and others theirs", () => {
    const sources = new Sources(RULES);
    const comeAndGo = (address: string, nowMs: number): boolean => {
      const isIn = sources.accept(address, nowMs);
      if (isIn) sources.disconnect(address);
      return isIn;
    };
    const many = (address: string, nowMs: number) =>
      Array.from({ length: 100 }, () => comeAndGo(address, nowMs)).filter(Boolean).length;
    expect(many(A, 0)).to.equal(RULES.burstConnections);
    expect(many(B, 0)).to.equal(RULES.burstConnections);
    expect(many("127.0.0.1", 0)).to.equal(100);
    expect(many(A, 500)).to.equal(RULES.connectionsPerSecond / 2);
    expect(many(A, 60_000)).to.equal(RULES.burstConnections);
    // What is refused for want of room costs none of its share.
    for (let i = 0; i < RULES.connectionsPerSource; i++) sources.connect(A);
    expect(many(A, 120_000)).to.equal(0);
    sources.disconnect(A);
    expect(many(A, 120_000)).to.equal(RULES.burstConnections);
    expect(sources.connections).to.equal(RULES.connectionsPerSource - 1);
  });

  it("let an exempt source have all connections, and send what it likes", () => {
    const sources = new Sources(RULES);
    const home = "127.0.0.1";
    expect(Array.from({ length: 6 }, () => sources.connect(home)).filter(Boolean)).to.have.length(5);
    for (let i = 0; i < 1000; i++) {
      expect(sources.message(home, 0, 500)).to.equal(0);
      expect(sources.datagram(home, 0, 500)).to.equal("serve");
    }
    expect(sources.remembered).to.equal(0);
  });

  it("serve a burst of datagrams, refuse ten a second of what is above it, drop the rest, and serve again in time", () => {
    const sources = new Sources(RULES);
    const verdicts = Array.from({ length: 30 }, () => sources.datagram(A, 0, 500));
    expect(verdicts.filter((each) => each === "serve")).to.have.length(20);
    expect(verdicts.filter((each) => each === "refuse")).to.have.length(1);
    expect(sources.datagram(B, 0, 500), "another source").to.equal("serve");
    expect(sources.datagram(A, 99, 500)).to.equal("drop");
    expect(sources.datagram(A, 100, 500)).to.equal("serve");
    expect(sources.datagram(A, 100, 500)).to.equal("refuse");
    expect(sources.datagram(A, 10_000, 500)).to.equal("serve");
  });

  it("take a long message for several, as it takes more time to read", () => {
    const sources = new Sources(RULES);
    const long = 10 * RULES.octetsPerMessage;
    expect([1, 2, 3].map(() => sources.datagram(A, 0, long))).to.deep.equal(["serve", "serve", "refuse"]);
    expect([1, 2].map(() => sources.message(B, 0, long))).to.deep.equal([0, 0]);
    expect(sources.message(B, 0, long)).to.equal(1000);
  });

  it("slow a stream down to the rate of a source, however it sends", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 50 }), fc.nat({ max: 5000 })), { minLength: 1, maxLength: 300 }),
        (sent) => {
          const sources = new Sources(RULES);
          let nowMs = 0;
          let served = 0;
          for (const [gapMs, octets] of sent) {
            nowMs += gapMs;
            const waitMs = sources.message(A, nowMs, octets);
            served += Math.max(1, octets / RULES.octetsPerMessage);
            nowMs += waitMs;
            expect(served).to.be.at.most(RULES.burstMessages + (nowMs * RULES.messagesPerSecond) / 1000 + 1);
          }
        },
      ),
    );
  });

  it("remember no more sources than they may, and forget those not seen for longest", () => {
    const sources = new Sources(RULES);
    while (sources.datagram(A, 0, 500) === "serve");
    for (let i = 0; i < 4; i++) sources.datagram(`198.51.100.${i}`, 0, 500);
    expect(sources.remembered).to.be.within(2, 4);
    expect(sources.datagram(A, 0, 500)).to.equal("serve");
  });

  it("take a /64 of IPv6 for one source", () => {
    for (const [address, source] of [
      ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
      ["2001:db8:1:2::1", "2001:db8:1:2::/64"],
      ["2001:0DB8::1", "2001:db8:0:0::/64"],
      ["::1", "0:0:0:0::/64"],
      ["fe80::1%eth0", "fe80:0:0:0::/64"],
      ["1::192.0.2.1", "1:0:0:0::/64"],
      ["192.0.2.1", "192.0.2.1"],
    ] as const) {
      expect(sourceOf(address), address).to.equal(source);
    }
  });

  it("leave files to others where few can be open", () => {
    const connectionsOf = (openFiles: number) => sourceRules([], openFiles).connections;
    expect([Infinity, 1_000_000, 20_000, 1024, 256].map(connectionsOf)).to.deep.equal([
      20_000, 20_000, 19_488, 512, 128,
    ]);
  });

  it("exempt this machine, whose programs are no strangers, and whom the operator names", () => {
    const { isExempt } = sourceRules(["198.51.100.7", "203.0.113.0/25"]);
    expect(
      ["127.0.0.1", "127.5.5.5", "::1", "198.51.100.7", "203.0.113.9"].filter((address) => !isExempt(address)),
    ).to.deep.equal([]);
    for (const address of ["192.0.2.1", "203.0.113.129", "2001:db8::1"])
      expect(isExempt(address), address).to.equal(false);
  });
});
