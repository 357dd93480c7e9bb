import { expect } from "chai";
import { parseUri } from "../../../../node/sip/message/uri.ts";
import { flowOf } from "../../../../node/sip/transport/flow-of.ts";

describe("the way to a URI", () => {
  it("is its address, by UDP at port 5060 unless it says otherwise", () => {
    expect(flowOf(parseUri("sip:alice@192.0.2.1"))).to.deep.equal({
      transport: "UDP",
      address: "192.0.2.1",
      port: 5060,
    });
    expect(flowOf(parseUri("sip:[2001:db8::1]:5070;transport=tcp"))).to.deep.equal({
      transport: "TCP",
      address: "2001:db8::1",
      port: 5070,
    });
  });

  it("is unknown where a name has to be resolved, or a URI is not enough", () => {
    for (const uri of [
      "sip:alice@example.com",
      "sips:alice@192.0.2.1",
      "sip:a@192.0.2.1;transport=ws",
      "sip:a@192.0.2.1;transport=sctp",
    ]) {
      expect(flowOf(parseUri(uri)), uri).to.equal(undefined);
    }
  });
});
