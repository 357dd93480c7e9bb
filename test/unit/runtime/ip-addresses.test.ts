import { expect } from "chai";
import fc from "fast-check";
import { canonicalAddress } from "../../../node/sip/transport/networks.ts";
import { ipv6Groups } from "../../../node/runtime/ip-addresses.ts";

describe("the groups of an IPv6 address", () => {
  it("are eight, however it is written", () => {
    for (const [address, groups] of Object.entries({
      "::": [0, 0, 0, 0, 0, 0, 0, 0],
      "::1": [0, 0, 0, 0, 0, 0, 0, 1],
      "2001:db8::": [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0],
      "fe80::1:2%eth0": [0xfe80, 0, 0, 0, 0, 0, 1, 2],
      "1:2:3:4:5:6:7:8": [1, 2, 3, 4, 5, 6, 7, 8],
      "64:ff9b::192.0.2.33": [0x64, 0xff9b, 0, 0, 0, 0, 0xc000, 0x221],
      "1:2:3:4:5:6:192.0.2.33": [1, 2, 3, 4, 5, 6, 0xc000, 0x221],
    }))
      expect(ipv6Groups(address), address).to.deep.equal(groups);
  });

  it("are the same before and after it is written as sockets do", () => {
    // What holds an IPv4 address is that address to us.
    const groups = fc.array(fc.constantFrom(0, 1, 0xff, 0x2001, 0xffff), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(groups, (all) => {
        const canonical = canonicalAddress(all.map((group) => group.toString(16).padStart(4, "0")).join(":")) as string;
        if (canonical.includes(":")) expect(ipv6Groups(canonical)).to.deep.equal(all);
        else expect(all.slice(0, 6)).to.deep.equal([0, 0, 0, 0, 0, 0xffff]);
      }),
    );
  });
});
