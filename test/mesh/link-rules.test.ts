import { privateKeyFromProtobuf } from "@libp2p/crypto/keys";
import type { Connection, Libp2p, Stream } from "@libp2p/interface";
import { expect } from "chai";
import { FrameSplitter } from "../../dht-schema/frame-splitter.ts";
import type { Hello } from "../../dht-schema/link-frames.ts";
import {
  LINK_PROTOCOL,
  SIP_PROTOCOL,
  decodeBye,
  encodeFrame,
  encodeHello,
  frameType,
} from "../../dht-schema/link-frames.ts";
import { meshCounter } from "../../node/mesh/counters.ts";
import type { PeerStatus } from "../../node/mesh/mesh.ts";
import { setting } from "../../node/mesh/settings-names.ts";
import { limits } from "../../node/runtime/limits.ts";
import { eventually } from "../helpers/eventually.ts";
import type { TestServer } from "../helpers/meshes.ts";
import { TestDomain, down, up } from "../helpers/meshes.ts";
import { addressOf, createOutsider } from "../helpers/outsider.ts";

/** Frames of a stream, to be awaited one by one. */
class FrameReader {
  readonly #frames: { type: number; body: Uint8Array }[] = [];
  #wake: () => void = () => undefined;

  constructor(stream: Stream) {
    const splitter = new FrameSplitter();
    stream.addEventListener("message", ({ data }) => {
      splitter.push(data.subarray(), (type, body) => this.#frames.push({ type, body: body.slice() }) > 0);
      this.#wake();
    });
  }

  async next(type: number): Promise<Uint8Array> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame?.type === type) return frame.body;
      if (frame === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

describe("a peer that breaks the rules of a link", function () {
  this.timeout(30_000);
  let domain: TestDomain;
  let founder: TestServer;
  /** A bare libp2p node with the key of a server of the roster. */
  let rogue: Libp2p;
  beforeEach(async () => {
    domain = new TestDomain();
    founder = await domain.found();
    await founder.mesh.start();
    const second = await domain.join(founder);
    await second.mesh.stop();
    rogue = await createOutsider(privateKeyFromProtobuf(second.settings.get(setting.peerKey) as Uint8Array));
  });
  afterEach(async () => {
    await rogue.stop();
    await domain.stop();
  });

  const hello = (change: Partial<Hello> = {}): Uint8Array =>
    encodeFrame(
      frameType.hello,
      encodeHello({
        minVersion: 1,
        maxVersion: 1,
        software: "rogue",
        name: "server-2",
        boot: 1,
        instance: 77,
        rosterVersion: 1,
        rosterRevision: 1,
        rosterDigest: 0,
        addresses: [],
        ...change,
      }),
    );
  const counted = (name: string): number => founder.counters.get(name);
  const seen = (): PeerStatus => founder.mesh.peers()[0] as PeerStatus;

  /** A link stream between the rogue and the founder, whoever has to open it. */
  async function link(): Promise<{ stream: Stream; connection: Connection; frames: FrameReader }> {
    const arrived = new Promise<[Stream, Connection]>((resolve) => {
      void rogue.handle(LINK_PROTOCOL, (stream, connection) => resolve([stream, connection]), { force: true });
    });
    const connection = await rogue.dial(addressOf(founder.mesh));
    const opens = rogue.peerId.toString() < founder.mesh.self;
    const [stream, on] = opens ? [await connection.newStream(LINK_PROTOCOL), connection] : await arrived;
    return { stream, connection: on, frames: new FrameReader(stream) };
  }

  /** A link that the founder believes to be up. */
  async function linkUp(greeting = hello()) {
    const sipArrived = new Promise<Stream>((resolve) => void rogue.handle(SIP_PROTOCOL, (stream) => resolve(stream)));
    const { stream, connection, frames } = await link();
    stream.send(greeting);
    await frames.next(frameType.hello);
    const opens = rogue.peerId.toString() < founder.mesh.self;
    const sip = opens ? await connection.newStream(SIP_PROTOCOL) : await sipArrived;
    stream.send(encodeFrame(frameType.ready, new Uint8Array()));
    await up(founder.mesh, rogue.peerId.toString() as typeof founder.mesh.self);
    return { stream, sip, frames };
  }

  it("is told why when it speaks no version that we speak, and so is the operator", async () => {
    const { stream, frames } = await link();
    stream.send(hello({ minVersion: 7, maxVersion: 9 }));
    const bye = decodeBye(await frames.next(frameType.bye));
    expect(bye.code).equals("UNKNOWN_VERSION");
    expect(bye.reason).equals("peer speaks protocol versions 7 to 9, this server 1 to 1");
    expect(counted(meshCounter.versionsIncompatible)).equals(1);
    expect(seen()).include({ state: "down", lastError: bye.reason });
  });

  it("is accepted with a HELLO of a later version that knows ours, and has more fields", async () => {
    const later = hello({ minVersion: 1, maxVersion: 3, software: "later" });
    const body = Buffer.concat([later.subarray(2), Buffer.from("more")]);
    await linkUp(encodeFrame(frameType.hello, body));
    expect(seen()).include({ state: "up", protocol: 1, software: "later" });
  });

  it("is cut off when a frame is larger than the bound, before it has come", async () => {
    const { stream, frames } = await linkUp();
    const oversized = limits.mesh.frameBytes + 1;
    stream.send(Uint8Array.of((oversized & 0x7f) | 0x80, ((oversized >> 7) & 0x7f) | 0x80, oversized >> 14));
    expect(decodeBye(await frames.next(frameType.bye)).code).equals("FRAME_TOO_LARGE");
    expect(counted(meshCounter.framesOversized)).equals(1);
    expect(founder.mesh.isUp(seen().id)).equals(false);
  });

  for (const [what, octets] of [
    ["of an unknown type", encodeFrame(99, new Uint8Array(3))],
    ["without a type", Uint8Array.of(0)],
    ["whose body is malformed", encodeFrame(frameType.ping, Uint8Array.of(0xff))],
    ["that is a second HELLO", encodeFrame(frameType.hello, new Uint8Array())],
  ] as const) {
    it(`is cut off for a frame ${what}`, async () => {
      const { stream, frames } = await linkUp();
      stream.send(octets);
      expect(decodeBye(await frames.next(frameType.bye)).code).equals("BAD_FRAME");
      expect(counted(meshCounter.framesMalformed)).equals(1);
    });
  }

  it("is cut off for anything but data on the SIP stream", async () => {
    const { sip, frames } = await linkUp();
    sip.send(hello());
    expect(decodeBye(await frames.next(frameType.bye)).code).equals("BAD_FRAME");
    expect(counted(meshCounter.framesMalformed)).equals(1);
  });

  it("is cut off for data before the link is up", async () => {
    const { stream, frames } = await link();
    stream.send(hello());
    stream.send(encodeFrame(frameType.data, Buffer.from("too early")));
    expect(decodeBye(await frames.next(frameType.bye)).code).equals("BAD_FRAME");
  });

  it("is cut off when it does not say HELLO in time", async () => {
    const { frames } = await link();
    expect(decodeBye(await frames.next(frameType.bye)).code).equals("GREETING_LATE");
    expect(counted(meshCounter.greetingsLate)).equals(1);
  });

  it("is noticed within two seconds when it falls silent", async () => {
    const { frames } = await linkUp();
    await frames.next(frameType.ping);
    await down(founder.mesh, seen().id);
    expect(counted(meshCounter.linksSilent)).equals(1);
    expect(seen().lastError).equals("nothing heard for 1500 ms");
  });

  it("cannot put a roster in force that the domain's key has not signed", async () => {
    const { stream } = await linkUp();
    const other = await domain.create({ name: "other", membership: { kind: "found", domain: "example.com" } });
    const roster = other.mesh.roster();
    await other.mesh.publishRoster({ ...roster, version: 9 });
    stream.send(encodeFrame(frameType.roster, other.settings.get(setting.roster) as Uint8Array));
    await eventually(() => counted(meshCounter.rostersRefused) === 1, "refusal of the roster");
    expect(founder.mesh.roster().version).equals(1);
  });
});
