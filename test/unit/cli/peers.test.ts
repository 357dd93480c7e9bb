import { expect } from "chai";
import { addressOf } from "../../../node/cli/commands/peers/handler.ts";

describe("the address of a server in `aorta peers`", () => {
  const loopback = ["/ip4/127.0.0.1/tcp/4060", "/ip6/::1/tcp/4060"];

  it("is one by which others reach it, and one of loopback where there is no other", () => {
    expect(addressOf({ addresses: [...loopback, "/ip4/192.0.2.1/tcp/4060"] })).to.equal("/ip4/192.0.2.1/tcp/4060");
    expect(addressOf({ addresses: loopback })).to.equal("/ip4/127.0.0.1/tcp/4060");
    expect(addressOf({ addresses: [] })).to.equal("");
  });
});
