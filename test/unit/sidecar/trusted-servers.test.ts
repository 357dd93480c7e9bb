import { expect } from "chai";
import { trustedServer } from "../../../node/sidecar/trusted-servers.ts";
import type { SocketTransport } from "../../../node/sip/stack.ts";

const flow = (transport: SocketTransport, address: string, port: number) => ({ transport, address, port });

describe("a trusted server", () => {
  it("is known by its address, whatever port it sends from", () => {
    const servers = [{ address: "192.0.2.1" }];
    for (const transport of ["UDP", "TCP", "TLS"] as const)
      expect(trustedServer(servers, flow(transport, "192.0.2.1", 40_000))).to.equal("192.0.2.1 any");
    expect(trustedServer(servers, flow("TCP", "192.0.2.2", 40_000))).to.equal(undefined);
  });

  it("that is named with a port is known by it over UDP, and by nothing over streams, whose port is anybody's", () => {
    const servers = [{ address: "192.0.2.1", port: 5080 }];
    expect(trustedServer(servers, flow("UDP", "192.0.2.1", 5080))).to.equal("192.0.2.1 5080");
    expect(trustedServer(servers, flow("UDP", "192.0.2.1", 5081))).to.equal(undefined);
    for (const transport of ["TCP", "TLS"] as const)
      expect(trustedServer(servers, flow(transport, "192.0.2.1", 5080))).to.equal(undefined);
  });
});
