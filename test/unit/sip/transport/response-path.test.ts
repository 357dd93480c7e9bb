import { expect } from "chai";
import fc from "fast-check";
import { createHeaders } from "../../../../node/sip/message/headers.ts";
import { parseVia } from "../../../../node/sip/message/via.ts";
import type { Flow } from "../../../../node/sip/stack.ts";
import { noteSource, responsePath } from "../../../../node/sip/transport/response-path.ts";

const UDP: Flow = { transport: "UDP", address: "192.0.2.9", port: 40_000, listener: "192.0.2.1:5060" };

function noted(text: string, flow: Flow = UDP): string[] {
  const headers = createHeaders([["Via", text]]);
  noteSource(headers, parseVia(text.split(",")[0] as string), flow);
  return headers.all("Via");
}

describe("the source of a request, noted in its Via", () => {
  it("is there when sent-by says something else", () => {
    expect(noted("SIP/2.0/UDP host.invalid;branch=z9hG4bK1")).to.deep.equal([
      "SIP/2.0/UDP host.invalid;branch=z9hG4bK1;received=192.0.2.9",
    ]);
  });

  it("is not there when sent-by says it already", () => {
    expect(noted("SIP/2.0/UDP  192.0.2.9;branch=z9hG4bK1")).to.deep.equal(["SIP/2.0/UDP  192.0.2.9;branch=z9hG4bK1"]);
  });

  it("has the port when rport asks for it, and the address then in any case", () => {
    expect(noted("SIP/2.0/UDP 192.0.2.9:5060;rport;branch=z9hG4bK1")).to.deep.equal([
      "SIP/2.0/UDP 192.0.2.9:5060;rport=40000;branch=z9hG4bK1;received=192.0.2.9",
    ]);
  });

  it("is the same however the Via that asks for it is written", () => {
    const params = ["rport", "branch=z9hG4bK1", 'x=";rport;"', "rport-x", "y=rport", "received=198.51.100.1", "ttl=1"];
    fc.assert(
      fc.property(fc.shuffledSubarray(params), fc.constantFrom(";", "; ", " ;"), (chosen, separator) => {
        const text = ["SIP/2.0/UDP host.invalid:5070", ...chosen].join(separator);
        const asked = chosen.includes("rport");
        const expected = new Map(parseVia(text).params).set("received", "192.0.2.9");
        if (asked) expected.set("rport", "40000");
        expect(noted(text)).to.have.length(1);
        expect(parseVia(noted(text)[0] as string)).to.deep.equal({ ...parseVia(text), params: expected });
      }),
    );
  });

  it("replaces what the sender claims it to be", () => {
    expect(noted("SIP/2.0/UDP 192.0.2.9;received=198.51.100.1;rport=9;branch=z9hG4bK1")).to.deep.equal([
      "SIP/2.0/UDP 192.0.2.9;received=192.0.2.9;rport=40000;branch=z9hG4bK1",
    ]);
  });

  it("is noted in the first of joined values only", () => {
    expect(noted("SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b")).to.deep.equal([
      "SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.9",
      "SIP/2.0/UDP b",
    ]);
  });
});

describe("the path of a response", () => {
  const via = parseVia("SIP/2.0/UDP host.invalid:5070;maddr=198.51.100.1;branch=z9hG4bK1");

  it("goes to the source address at the port of Via, and never where only the sender points", () => {
    expect(responsePath(UDP, via)).to.deep.equal({ flow: { ...UDP, port: 5070 } });
    expect(responsePath(UDP, parseVia("SIP/2.0/UDP host.invalid"))).to.deep.equal({ flow: { ...UDP, port: 5060 } });
  });

  it("goes to the source port with rport", () => {
    expect(responsePath(UDP, parseVia("SIP/2.0/UDP host.invalid:5070;rport=40000"))).to.deep.equal({ flow: UDP });
  });

  it("goes back over the connection; over TCP, and to a trusted server over TLS, to a new one when it is gone", () => {
    const tcp: Flow = { transport: "TCP", address: "192.0.2.9", port: 40_000, connection: "c" };
    expect(responsePath(tcp, via)).to.deep.equal({
      flow: tcp,
      fallback: { transport: "TCP", address: "192.0.2.9", port: 5070 },
    });
    const tls: Flow = { ...tcp, transport: "TLS" };
    expect(responsePath(tls, via), "no client has a certificate").to.deep.equal({ flow: tls });
    expect(responsePath({ ...tls, trusted: true }, via)).to.deep.equal({
      flow: { ...tls, trusted: true },
      fallback: { transport: "TLS", address: "192.0.2.9", port: 5070, host: "host.invalid", trusted: true },
    });
    const ws: Flow = { transport: "WS", address: "192.0.2.9", port: 40_000, connection: "c" };
    expect(responsePath(ws, via)).to.deep.equal({ flow: ws });
  });
});
