import { expect } from "chai";
import { formatRate, readMaxRate } from "../../../../node/presence/subscription/notify-rate.ts";

describe("max-rate (RFC 6446)", () => {
  it("is read as the least time between NOTIFYs", () => {
    expect(["1", "0.1", "0.0500", "10", "0.0000001"].map(readMaxRate)).to.deep.equal([
      1000, 10_000, 20_000, 100, 7_200_000,
    ]);
  });

  it("that asks for nothing that can be done is passed over", () => {
    for (const text of [undefined, "", "0", "0.0", "-1", "1e3", "a", "100", "."])
      expect(readMaxRate(text)).to.equal(undefined);
  });

  it("is written back as it was asked", () => {
    expect(["1", "0.1", "0.05", "10"].map((text) => formatRate(readMaxRate(text) ?? 0))).to.deep.equal([
      "1",
      "0.1",
      "0.05",
      "10",
    ]);
  });
});
