import { expect } from "chai";
import { trustedServers } from "../../../node/sidecar/trusted-servers.ts";
import type { SocketTransport } from "../../../node/sip/stack.ts";

const flow = (transport: SocketTransport, address: string, port: number) => ({ transport, address, port });

describe("a trusted server", () => {
  it("is known by its address, whatever port it sends from", () => {
    const servers = [{ address: "192.0.2.1" }];
    for (const transport of ["UDP", "TCP", "TLS"] as const)
      expect(trustedServers(servers)(flow(transport, "192.0.2.1", 40_000))).to.equal("192.0.2.1 any");
    expect(trustedServers(servers)(flow("TCP", "192.0.2.2", 40_000))).to.equal(undefined);
  });

  it("that is named with a port is known by it over UDP, and by nothing over streams, whose port is anybody's", () => {
    const servers = [{ address: "192.0.2.1", port: 5080 }];
    expect(trustedServers(servers)(flow("UDP", "192.0.2.1", 5080))).to.equal("192.0.2.1 5080");
    expect(trustedServers(servers)(flow("UDP", "192.0.2.1", 5081))).to.equal(undefined);
    for (const transport of ["TCP", "TLS"] as const)
      expect(trustedServers(servers)(flow(transport, "192.0.2.1", 5080))).to.equal(undefined);
  });

  it("is each address of a network that is named, and no other", () => {
    const placeOf = trustedServers([{ address: "10.1.0.0/16" }, { address: "2001:db8::/32" }]);
    expect(placeOf(flow("UDP", "10.1.2.3", 5060))).to.equal("10.1.2.3 any");
    expect(placeOf(flow("TLS", "10.1.2.4", 40_000))).to.equal("10.1.2.4 any");
    expect(placeOf(flow("TCP", "2001:db8:7::1", 40_000))).to.equal("2001:db8:7::1 any");
    for (const address of ["10.2.0.1", "2001:db9::1", "fe80::1%eth0"])
      expect(placeOf(flow("UDP", address, 5060)), address).to.equal(undefined);
  });
});
