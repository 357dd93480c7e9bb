import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { once } from "node:events";
import { expect } from "chai";
import type { ServerId } from "../../dht-schema/roster.ts";
import { meshCounter } from "../../node/mesh/counters.ts";
import type { MeshEvent } from "../../node/mesh/mesh.ts";
import { limits } from "../../node/runtime/limits.ts";
import { codeOf } from "../helpers/codes.ts";
import type { TestServer } from "../helpers/meshes.ts";
import { TestDomain, down, until, up } from "../helpers/meshes.ts";
import { eventually } from "../helpers/eventually.ts";

const text = (message: Uint8Array): string => Buffer.from(message).toString();
const uint32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

describe("mesh links on real sockets", function () {
  this.timeout(60_000);
  let domain: TestDomain;
  beforeEach(() => {
    domain = new TestDomain();
  });
  afterEach(() => domain.stop());

  it("carry messages both ways on both channels", async () => {
    domain = await TestDomain.of(2);
    const [a, b] = [domain.server(0).mesh, domain.server(1).mesh];
    for (const channel of ["directory", "sip"] as const) {
      const atA = new Promise<string>((resolve) => {
        a.receive(channel, (from, message) => resolve(`${from} ${text(message)}`));
      });
      const atB = new Promise<string>((resolve) => {
        b.receive(channel, (from, message) => resolve(`${from} ${text(message)}`));
      });
      expect(a.send(b.self, channel, Buffer.from("to b"))).equals(true);
      expect(b.send(a.self, channel, Buffer.from("to a"))).equals(true);
      expect(await atA).equals(`${b.self} to a`);
      expect(await atB).equals(`${a.self} to b`);
    }
  });

  it("form between all pairs of five servers", async () => {
    domain = await TestDomain.of(5);
    for (const { mesh } of domain.servers) {
      expect(mesh.peers().map((peer) => peer.state)).deep.equals(["up", "up", "up", "up"]);
      expect(mesh.roster().servers).lengthOf(5);
    }
  });

  it("refuse messages to servers without a link, to oneself and to strangers", async () => {
    domain = await TestDomain.of(1);
    const { mesh } = domain.server(0);
    expect(mesh.send(mesh.self, "directory", new Uint8Array(1))).equals(false);
    expect(mesh.send("12D3KooWnobody" as ServerId, "sip", new Uint8Array(1))).equals(false);
  });

  it("deliver 100,000 messages in order", async () => {
    domain = await TestDomain.of(2);
    const [a, b] = [domain.server(0).mesh, domain.server(1).mesh];
    const count = 100_000;
    let expected = 0;
    const all = new Promise<void>((resolve, reject) => {
      b.receive("directory", (_from, message) => {
        const value = Buffer.from(message).readUInt32LE();
        if (value !== expected) reject(new Error(`${value} came where ${expected} was due`));
        if (++expected === count) resolve();
      });
    });
    for (let i = 0; i < count; i++) expect(a.send(b.self, "directory", uint32(i))).equals(true);
    await all;
    expect(b.peers()[0]?.framesIn).greaterThan(count);
  });

  it("deliver what a server sent last before it stopped, whoever opened the link, and however much it is", async () => {
    domain = await TestDomain.of(3);
    const large = 4 * 1024 * 1024;
    for (const leaver of [0, 1, 2]) {
      const others = domain.servers.filter((_, index) => index !== leaver).map(({ mesh }) => mesh);
      const { mesh } = domain.server(leaver);
      const received = others.map(
        (other) =>
          new Promise<number>((resolve) => {
            let bytes = 0;
            other.receive("directory", (_from, message) => {
              bytes += message.length;
              if (text(message.subarray(-4)) === "last") resolve(bytes);
            });
          }),
      );
      for (const other of others) {
        for (let sent = 0; sent < large; sent += 65_536) mesh.send(other.self, "directory", new Uint8Array(65_536));
        mesh.send(other.self, "directory", Buffer.from("last"));
      }
      await mesh.stop();
      expect(await Promise.all(received)).deep.equals([large + 4, large + 4]);
      await (await domain.restart(domain.server(leaver))).mesh.start();
      await domain.allUp();
    }
  });

  it("deliver messages of every size up to the frame limit, and refuse a larger one", async () => {
    domain = await TestDomain.of(2);
    const [a, b] = [domain.server(0).mesh, domain.server(1).mesh];
    const sizes = [0, 1, 127, 128, 16_383, 16_384, 65_536, 300_000, limits.mesh.frameBytes - 1];
    const received: number[] = [];
    const all = new Promise<void>((resolve) => {
      b.receive("sip", (_from, message) => {
        received.push(message.length);
        if (received.length === sizes.length) resolve();
      });
    });
    for (const size of sizes) expect(a.send(b.self, "sip", new Uint8Array(size))).equals(true);
    expect(a.send(b.self, "sip", new Uint8Array(limits.mesh.frameBytes))).equals(false);
    await all;
    expect(received).deep.equals(sizes);
    expect(domain.server(0).counters.get(meshCounter.sendsOversized)).equals(1);
    expect(a.isUp(b.self)).equals(true);
  });

  it("queue up to a bound, then refuse and count; what was accepted arrives", async () => {
    domain = await TestDomain.of(2);
    const [a, b] = [domain.server(0), domain.server(1)];
    let arrived = 0;
    b.mesh.receive("sip", () => void arrived++);
    const message = new Uint8Array(64 * 1024);
    const fit = limits.mesh.queueBytes / message.length;
    for (let i = 0; i < fit; i++) expect(a.mesh.send(b.mesh.self, "sip", message)).equals(true);
    for (let i = 0; i < 3; i++) expect(a.mesh.send(b.mesh.self, "sip", message)).equals(false);
    expect(a.counters.get(meshCounter.sendsRefused)).equals(3);
    expect(a.mesh.send(b.mesh.self, "directory", message), "the other channel has a queue of its own").equals(true);
    await eventually(() => arrived === fit, "arrival of all that was accepted");
    expect(a.mesh.send(b.mesh.self, "sip", message)).equals(true);
  });

  it("outlive a standstill of our own event loop that is longer than any silence they bear", async () => {
    domain = await TestDomain.of(2);
    const [a, b] = [domain.server(0), domain.server(1)];
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * limits.mesh.silentMs);
    const framesIn = (): number => a.mesh.peers()[0]?.framesIn ?? 0;
    const before = framesIn();
    await eventually(() => framesIn() >= before + 4, "pings after the standstill");
    for (const { mesh, counters } of [a, b]) {
      expect(mesh.peers()[0]?.state).equals("up");
      expect(counters.get(meshCounter.linksDown)).equals(0);
    }
  });

  it("come back after a restart of the peer at another port, and the roster learns the new address", async () => {
    domain = await TestDomain.of(3);
    const [a, b, c] = [domain.server(0).mesh, domain.server(1), domain.server(2).mesh];
    await b.mesh.stop();
    await down(a, b.mesh.self);
    expect(a.peers().find((peer) => peer.id === b.mesh.self)).include({
      lastError: "the peer closed: the server is stopping",
    });
    const again = await domain.restart(b);
    await again.mesh.start();
    for (const mesh of [a, c]) {
      await up(mesh, b.mesh.self);
      expect(mesh.peers().find((peer) => peer.id === b.mesh.self)?.boot).equals(2);
      const known = (): readonly string[] => mesh.roster().servers[1]?.addresses ?? [];
      await until(mesh, () => known().join() === again.mesh.addresses().join(), "roster with the new address");
    }
  });

  it("find a server that has moved through a third one when the roster cannot be corrected", async () => {
    domain = await TestDomain.of(4);
    const [steward, b, c, third] = [domain.server(0), domain.server(1), domain.server(2), domain.server(3)];
    await steward.mesh.stop();
    await Promise.all([b.mesh.stop(), c.mesh.stop()]);
    const [movedB, movedC] = [await domain.restart(b), await domain.restart(c)];
    await movedB.mesh.start();
    await movedC.mesh.start();
    for (const moved of [movedB, movedC]) await up(moved.mesh, third.mesh.self);
    await until(movedB.mesh, () => movedB.mesh.isUp(movedC.mesh.self), "link between the two that have moved", 20_000);
    expect(movedB.mesh.roster().servers[2]?.addresses).not.deep.equals(movedC.mesh.addresses());
  });

  it("carry a new roster to all servers, also to one that was away", async () => {
    domain = await TestDomain.of(3);
    const [a, b, c] = [domain.server(0).mesh, domain.server(1).mesh, domain.server(2)];
    await c.mesh.stop();
    await down(a, c.mesh.self);
    const heard: MeshEvent[] = [];
    b.on((event) => heard.push(event));
    const next = { ...a.roster(), version: 2, voters: [1, 2], oldVoters: [1] };
    await a.publishRoster(next);
    await until(b, () => b.roster().version === 2, "roster version 2");
    expect(b.roster()).deep.equals(next);
    expect(heard).deep.includes({ kind: "roster", roster: next });
    const again = await domain.restart(c);
    expect(again.mesh.roster().version).equals(1);
    await again.mesh.start();
    await until(again.mesh, () => again.mesh.roster().version === 2, "roster version 2 after the restart");
  });

  it("do not let a server without the domain's key, or an older roster, change anything", async () => {
    domain = await TestDomain.of(2);
    const [a, b] = [domain.server(0).mesh, domain.server(1).mesh];
    const roster = a.roster();
    expect(await codeOf(b.publishRoster({ ...roster, version: 2 }))).equals("NOT_A_STEWARD");
    expect(await codeOf(a.publishRoster(roster))).equals("STALE_ROSTER");
    expect(await codeOf(a.publishRoster({ ...roster, version: 0 }))).equals("STALE_ROSTER");
    expect(await codeOf(a.publishRoster({ ...roster, version: 2, domain: "example.org" }))).equals("STALE_ROSTER");
    expect(a.roster()).equals(roster);
  });

  describe("to a process of its own", () => {
    let founder: TestServer;
    let child: ChildProcess;
    let id: ServerId;
    beforeEach(async () => {
      founder = await domain.found();
      await founder.mesh.start();
      const token = founder.mesh.createInvite({ ttlMs: 60_000, steward: false });
      child = fork(new URL("./fixtures/server-process.js", import.meta.url), [token]);
      const [{ self }] = (await once(child, "message")) as [{ self: ServerId }];
      id = self;
      await up(founder.mesh, id);
    });
    afterEach(() => void child.kill("SIGKILL"));

    const status = () => founder.mesh.peers()[0];

    it("end within two seconds when it is frozen, and come back when it thaws", async () => {
      child.kill("SIGSTOP");
      await down(founder.mesh, id);
      expect(status()?.lastError).equals("nothing heard for 1500 ms");
      expect(founder.counters.get(meshCounter.linksSilent)).equals(1);
      child.kill("SIGCONT");
      await up(founder.mesh, id);
      const echo = new Promise<string>((resolve) => {
        founder.mesh.receive("directory", (_from, message) => resolve(text(message)));
      });
      founder.mesh.send(id, "directory", Buffer.from("again"));
      expect(await echo).equals("again");
    });

    it("end at once when it is killed", async () => {
      child.kill("SIGKILL");
      await down(founder.mesh, id);
      expect(founder.counters.get(meshCounter.linksSilent)).equals(0);
    });

    it("queue no more than the bound for a frozen one, however long one tries", async () => {
      child.kill("SIGSTOP");
      const message = new Uint8Array(64 * 1024);
      let accepted = 0;
      while (founder.mesh.isUp(id)) {
        while (founder.mesh.send(id, "directory", message)) accepted += message.length;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(accepted).within(limits.mesh.queueBytes, 1.5 * limits.mesh.queueBytes);
      expect(founder.counters.get(meshCounter.sendsRefused)).greaterThan(0);
    });

    it("measure the round trip and count what they carry", async () => {
      await eventually(() => status()?.roundTripMs !== undefined, "a measured round trip");
      expect(status()).include({ state: "up", name: "child", number: 2, protocol: 1, boot: 1 });
      expect(status()?.bytesIn).greaterThan(0);
      expect(status()?.bytesOut).greaterThan(0);
    });
  });
});
