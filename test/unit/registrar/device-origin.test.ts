import { expect } from "chai";
import { deviceOriginOf } from "../../../node/registrar/device-origin.ts";
import { createRequest } from "../../../node/sip/message/build.ts";
import type { Flow } from "../../../node/sip/stack.ts";

const FLOW: Flow = { transport: "TCP", address: "192.0.2.7", port: 40_000, connection: "c" };
const from = (...vias: string[]) =>
  createRequest({
    ...{ method: "REGISTER", uri: "sip:example.com", from: "<sip:a@example.com>;tag=1", to: "<sip:a@example.com>" },
    headers: vias.map((via) => ["Via", via] as const),
  });

describe("the origin of a device's request", () => {
  it("is the same over UDP and TCP, from whatever port, with or without a port that goes without saying", () => {
    const udp = from("SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK1;rport=1024;received=192.0.2.7");
    const tcp = from("SIP/2.0/TCP 10.0.0.5:5060;branch=z9hG4bK2");
    const origin = { name: "192.0.2.7 10.0.0.5 5060", isRelayed: false };
    expect(deviceOriginOf(udp, { transport: "UDP", address: "192.0.2.7", port: 1024 })).to.deep.equal(origin);
    expect(deviceOriginOf(tcp, FLOW)).to.deep.equal(origin);
  });

  it("is behind proxies the address at which the first of them has seen the device", () => {
    const relayed = from(
      "SIP/2.0/TCP 192.0.2.7:5060;branch=z9hG4bK2",
      "SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bK1;received=198.51.100.1",
    );
    expect(deviceOriginOf(relayed, FLOW)).to.deep.equal({ name: "198.51.100.1 10.0.0.5 5062", isRelayed: true });
    expect(deviceOriginOf(from("SIP/2.0/UDP 10.0.0.5"), { transport: "MESH", server: "s" as never })).to.deep.equal({
      ...{ name: "10.0.0.5 10.0.0.5 5060", isRelayed: true },
    });
  });

  it("is not known where the Via at the bottom cannot be read", () => {
    expect(deviceOriginOf(from("SIP/2.0/TCP h;branch=z9hG4bK2", "nonsense"), FLOW)).to.equal(undefined);
  });
});
