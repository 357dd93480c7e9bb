import { expect } from "chai";
import { TestDomain } from "../helpers/meshes.ts";

const text = (message: Uint8Array): string => Buffer.from(message).toString();

describe("mesh links on real sockets", function () {
  this.timeout(30_000);
  let domain: TestDomain;
  beforeEach(() => (domain = new TestDomain()));
  afterEach(() => domain.stop());

  it("carry messages both ways on both channels", async () => {
    domain = await TestDomain.of(2);
    const [a, b] = [domain.server(0).mesh, domain.server(1).mesh];
    for (const channel of ["directory", "sip"] as const) {
      const heard = new Promise<string>((resolve) =>
        a.receive(channel, (from, message) => resolve(`${from} ${text(message)}`)),
      );
      b.receive(channel, (from, message) => void a.send(from, channel, Buffer.from(`echo ${text(message)}`)));
      const back = new Promise<string>((resolve) =>
        b.receive(channel, (from, message) => resolve(`${from} ${text(message)}`)),
      );
      expect(a.send(b.self, channel, Buffer.from("to b"))).equals(true);
      expect(b.send(a.self, channel, Buffer.from("to a"))).equals(true);
      expect(await heard).equals(`${b.self} to a`);
      expect(await back).equals(`${a.self} to b`);
    }
  });

  it("form between all pairs of five servers", async () => {
    domain = await TestDomain.of(5);
    for (const { mesh } of domain.servers) {
      expect(mesh.peers().map((peer) => peer.state)).deep.equals(["up", "up", "up", "up"]);
      expect(mesh.roster().servers).lengthOf(5);
    }
  });
});
