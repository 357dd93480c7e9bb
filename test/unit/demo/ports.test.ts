import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { expect } from "chai";
import { freePorts, ownPorts } from "../../../node/demo/ports.ts";

describe("Free ports", () => {
  it("leave out what is taken by TCP or by UDP alone", async () => {
    const [tcpPort, udpPort] = (await freePorts(25_061, 2)) as [number, number];
    const tcp = createServer().listen(tcpPort, "127.0.0.1");
    const udp = createSocket("udp4").bind(udpPort, "127.0.0.1");
    try {
      await Promise.all([once(tcp, "listening"), once(udp, "listening")]);
      const found = await freePorts(tcpPort, 2);
      expect(found).to.have.lengthOf(2).and.not.include(tcpPort).and.not.include(udpPort);
    } finally {
      tcp.close();
      udp.close();
    }
  });

  it("of a process are never those of connections that go out, nor those it was given just before", async () => {
    const some = [...(await ownPorts(3)), ...(await ownPorts(3))];
    expect(new Set(some)).to.have.lengthOf(6);
    // More than what is left of its stretch: from the beginning.
    const many = [...(await ownPorts(40)), ...(await ownPorts(40))];
    expect(Math.max(...some, ...many)).to.be.below(32_768);
  });

  it("run out with an error", async () => {
    const error = await freePorts(65_530, 10).catch((thrown: unknown) => thrown);
    expect(error).to.be.an("error").with.property("message").that.includes("no 10 free ports");
  });
});
