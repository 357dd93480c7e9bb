import { expect } from "chai";
import fc from "fast-check";
import {
  formatDuration,
  formatSocketAddress,
  parseDomain,
  parseDuration,
  parseSize,
  parseSocketAddress,
} from "../../../node/config/values.ts";
import { isLoopback } from "../../../node/runtime/ip-addresses.ts";
import type { SocketAddress } from "../../../node/config/values.ts";
import { canonicalAddress } from "../../../node/sip/transport/networks.ts";

describe("a duration", () => {
  const texts: Record<string, number> = {
    "500ms": 500,
    "10s": 10_000,
    "2m": 120_000,
    "1h": 3_600_000,
    "7d": 604_800_000,
    "1500ms": 1500,
    "0.5s": 500,
    " 3s ": 3000,
    "0": 0,
  };
  for (const [text, durationMs] of Object.entries(texts)) {
    it(`may be written ${JSON.stringify(text)}`, () => expect(parseDuration(text)).to.equal(durationMs));
  }
  for (const text of ["", "s", "10", "1500", "10 s", "-1s", "1w", "1e3", "10S", "1s1m", "9999999999999s"]) {
    it(`is not ${JSON.stringify(text)}`, () => expect(parseDuration(text)).to.equal(undefined));
  }

  it("is printed in the units of its size", () => {
    const printed = [
      0, 999, 1000, 2500, 9940, 9960, 59_400, 59_999, 60_000, 90_000, 3_600_000, 5_400_000, 172_800_000,
    ].map(formatDuration);
    expect(printed).to.deep.equal([
      "0ms",
      "999ms",
      "1s",
      "2.5s",
      "9.9s",
      "10s",
      "59s",
      "1m",
      "1m",
      "1m30s",
      "1h",
      "1h30m",
      "2d",
    ]);
  });
});

describe("a size", () => {
  it("has a unit, by thousands or by 1024", () => {
    expect(["500MB", "0.5 GB", "4GiB", "1TiB"].map(parseSize)).to.deep.equal([5e8, 5e8, 4 * 1024 ** 3, 1024 ** 4]);
  });
  for (const text of ["", "500", "MB", "-1GB", "1gb", "4G", "1e3MB", "1,5GB"])
    it(`is not ${JSON.stringify(text)}`, () => expect(parseSize(text)).to.equal(undefined));
});

describe("a socket address", () => {
  it("has an IP literal and a port", () => {
    expect(parseSocketAddress("127.0.0.1:5060")).to.deep.equal({ address: "127.0.0.1", port: 5060 });
    expect(parseSocketAddress("[::1]:0")).to.deep.equal({ address: "::1", port: 0 });
  });

  for (const text of [
    "127.0.0.1",
    "5060",
    ":5060",
    "localhost:5060",
    "::1:5060",
    "[127.0.0.1]:5060",
    "1.2.3.4:65536",
    "1.2.3.4:-1",
    "1.2.3:5",
    "",
  ]) {
    it(`is not ${JSON.stringify(text)}`, () => expect(parseSocketAddress(text)).to.equal(undefined));
  }

  it("is read as it was printed", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(65_535), (address, port) => {
        const read = parseSocketAddress(formatSocketAddress({ address, port }));
        expect(read).to.deep.equal({ address: canonicalAddress(address), port });
        expect(parseSocketAddress(formatSocketAddress(read as SocketAddress))).to.deep.equal(read);
      }),
    );
  });

  it("is written as sockets write it, so that a wildcard is known as one", () => {
    expect(parseSocketAddress("[0:0::0:0]:5060")).to.deep.equal({ address: "::", port: 5060 });
    expect(parseSocketAddress("[2001:DB8:0::1]:5060")).to.deep.equal({ address: "2001:db8::1", port: 5060 });
  });

  it("is known as loopback or not", () => {
    expect(["127.0.0.1", "127.9.9.9", "::1"].every(isLoopback)).to.equal(true);
    expect(["0.0.0.0", "::", "192.0.2.1"].some(isLoopback)).to.equal(false);
  });
});

describe("a domain", () => {
  it("is lower case without a trailing dot", () => expect(parseDomain("Example.COM.")).to.equal("example.com"));
  for (const text of [
    "",
    ".",
    "-a.com",
    "a-.com",
    "a..b",
    "a_b.com",
    "sip:example.com",
    `${"a".repeat(64)}.com`,
    "a.".repeat(127) + "aa",
  ]) {
    it(`is not ${JSON.stringify(text.slice(0, 40))}`, () => expect(parseDomain(text)).to.equal(undefined));
  }
});
