import { expect } from "chai";
import { clientBehind, forwardedFor } from "../../../../node/sip/auth/client-behind.ts";
import { createRequest } from "../../../../node/sip/message/build.ts";

const PROXY = "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1;received=192.0.2.9";

function through(...vias: readonly string[]) {
  const headers = vias.map((via): [string, string] => ["Via", via]);
  return createRequest({ method: "OPTIONS", uri: "sip:b", from: "<sip:a@b>;tag=1", to: "<sip:b>", headers });
}

describe("the client for whom a proxy sends", () => {
  it("is at the address that the proxy has noted in the Via before its own, whatever stands below that", () => {
    const seen = (via: string) => clientBehind(through(PROXY, via, "SIP/2.0/UDP 203.0.113.1"), {});
    expect(seen("SIP/2.0/UDP 192.168.1.5:5060;rport=4000;received=198.51.100.7;branch=z9hG4bK2")).to.equal(
      "198.51.100.7",
    );
    expect(seen("SIP/2.0/TCP 198.51.100.8:5060;branch=z9hG4bK2")).to.equal("198.51.100.8");
    expect(seen("SIP/2.0/TCP [2001:db8::1];branch=z9hG4bK2")).to.equal("2001:db8::1");
  });

  it("is not known where the proxy does not say", () => {
    expect(clientBehind(through(PROXY), {})).to.equal(undefined);
    expect(clientBehind(through(PROXY, "SIP/2.0/TCP phone.example.com;branch=z9hG4bK2"), {})).to.equal(undefined);
    expect(clientBehind(through(PROXY, "gibberish"), {})).to.equal(undefined);
  });

  it("is at the last address of X-Forwarded-For: what stands before it the client may have written", () => {
    expect(forwardedFor("203.0.113.1, 198.51.100.7")).to.equal("198.51.100.7");
    expect(forwardedFor("2001:db8::1")).to.equal("2001:db8::1");
    for (const header of [undefined, "", "unknown", "198.51.100.7, ", "198.51.100.7:80"])
      expect(forwardedFor(header), header).to.equal(undefined);
    expect(clientBehind(through(PROXY), { forwardedFor: "198.51.100.7" })).to.equal("198.51.100.7");
  });
});
