import { expect } from "chai";
import { ownPorts } from "../../node/demo/ports.ts";
import type { MeshNode } from "../../node/mesh/mesh-node.ts";
import type { Direction } from "../../sim/chaos/cut-transport.ts";
import { Cuts, cuttableTcp } from "../../sim/chaos/cut-transport.ts";
import { down, TestDomain, up } from "../helpers/meshes.ts";

describe("TCP whose directions can be cut", function () {
  this.timeout(20_000);
  const domain = new TestDomain();
  const cuts = new Cuts();
  let ports: number[];
  let meshes: MeshNode[];
  const direction = (from: number, to: number): Direction => [ports[from] as number, ports[to] as number];
  const mesh = (index: number) => meshes[index] as MeshNode;

  /** Resolves with what a mesh receives next. */
  const next = (index: number) =>
    new Promise<string>((resolve) =>
      mesh(index).receive("sip", (_from, bytes) => resolve(Buffer.from(bytes).toString())),
    );
  const send = (from: number, to: number, text: string) =>
    mesh(from).send(mesh(to).self, "sip", new TextEncoder().encode(text));

  before(async () => {
    ports = await ownPorts(2);
    for (const port of ports) {
      const options = { listen: [`/ip4/127.0.0.1/tcp/${port}`], transport: cuttableTcp(port, cuts) };
      const [founder] = domain.servers;
      const server = founder === undefined ? await domain.found(options) : await domain.join(founder, options);
      await server.mesh.start();
    }
    meshes = domain.servers.map((server) => server.mesh);
    await domain.allUp();
  });
  after(() => domain.stop());

  for (const [name, directions] of [
    ["both ways", () => [direction(0, 1), direction(1, 0)]],
    ["one way", () => [direction(0, 1)]],
    ["the other way", () => [direction(1, 0)]],
  ] as const) {
    it(`is silent when cut ${name}, so that the link ends at both, and comes up again when it heals`, async () => {
      cuts.set(directions());
      await Promise.all([down(mesh(0), mesh(1).self), down(mesh(1), mesh(0).self)]);
      cuts.set([]);
      await domain.allUp();
      const received = next(1);
      expect(send(0, 1, "hello")).to.equal(true);
      expect(await received).to.equal("hello");
    });
  }

  it("delivers what was sent into a short cut when it heals, in order; the other direction goes on", async () => {
    const received: string[] = [];
    const all = new Promise<void>((resolve) =>
      mesh(1).receive("sip", (_from, bytes) => {
        received.push(Buffer.from(bytes).toString());
        if (received.length === 3) resolve();
      }),
    );
    cuts.set([direction(0, 1)]);
    for (const text of ["one", "two", "three"]) send(0, 1, text);
    const back = next(0);
    send(1, 0, "still here");
    expect(await back).to.equal("still here");
    expect(received).to.deep.equal([]);
    cuts.set([]);
    await all;
    expect(received).to.deep.equal(["one", "two", "three"]);
    await up(mesh(0), mesh(1).self);
  });
});
