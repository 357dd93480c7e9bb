import { expect } from "chai";
import { FrameSplitter } from "../../../dht-schema/frame-splitter.ts";
import { frameType } from "../../../dht-schema/link-frames.ts";
import { Outbox } from "../../../node/mesh/outbox.ts";
import { limits } from "../../../node/runtime/limits.ts";

/** A stream that takes a given number of writes before it is full. */
class TestStream extends EventTarget {
  readonly writes: Uint8Array[] = [];
  takes = Infinity;
  writableNeedsDrain = false;
  broken = false;

  send(data: Uint8Array): boolean {
    if (this.broken) throw new Error("stream is closed");
    this.writes.push(data);
    this.writableNeedsDrain = this.writes.length >= this.takes;
    return !this.writableNeedsDrain;
  }

  drain(takes: number): void {
    this.takes = this.writes.length + takes;
    this.writableNeedsDrain = false;
    this.dispatchEvent(new Event("drain"));
  }

  /** Types of the frames of one write; data frames by their first octet. */
  frames(write: number): string[] {
    const frames: string[] = [];
    new FrameSplitter().push(this.writes[write] as Uint8Array, (type, body) => {
      frames.push(type === frameType.data ? `data ${body[0]}` : `control ${type}`);
      return true;
    });
    return frames;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("an outbox", () => {
  let stream: TestStream;
  let outbox: Outbox;
  let failures: string[];
  beforeEach(() => {
    stream = new TestStream();
    failures = [];
    outbox = new Outbox(stream, (error) => failures.push(error.message));
  });

  it("writes at once, in order, what was queued in one turn", async () => {
    for (let i = 0; i < 5; i++) expect(outbox.data(Uint8Array.of(i))).equals(true);
    expect(stream.writes).lengthOf(0);
    await turn();
    expect(stream.writes).lengthOf(1);
    expect(stream.frames(0)).deep.equals(["data 0", "data 1", "data 2", "data 3", "data 4"]);
    expect(outbox).include({ framesOut: 5, bytesOut: 15 });
  });

  it("lets control frames overtake data that waits", async () => {
    stream.takes = 1;
    outbox.data(Uint8Array.of(0));
    await turn();
    outbox.data(Uint8Array.of(1));
    outbox.control(frameType.ping, new Uint8Array());
    await turn();
    expect(stream.writes).lengthOf(1);
    stream.drain(9);
    expect(stream.frames(1)).deep.equals([`control ${frameType.ping}`, "data 1"]);
  });

  it("cuts a long queue into writes of whole frames, and goes on where it stopped", async () => {
    stream.takes = 2;
    const message = new Uint8Array(limits.mesh.batchBytes / 2);
    for (let i = 0; i < 7; i++) outbox.data(Uint8Array.from(message).fill(i));
    await turn();
    expect(stream.writes).lengthOf(2);
    stream.drain(99);
    expect(stream.writes.flatMap((_, write) => stream.frames(write))).deep.equals(
      [0, 1, 2, 3, 4, 5, 6].map((i) => `data ${i}`),
    );
  });

  it("sends a message larger than a write by itself", async () => {
    outbox.data(new Uint8Array(3));
    outbox.data(new Uint8Array(limits.mesh.batchBytes * 3));
    outbox.data(new Uint8Array(3));
    await turn();
    expect(stream.writes.map((write) => write.length > limits.mesh.batchBytes)).deep.equals([false, true, false]);
  });

  it("refuses what would exceed the bound, and takes more once some has left", async () => {
    stream.takes = 1;
    outbox.data(new Uint8Array(1));
    await turn();
    const half = new Uint8Array(limits.mesh.queueBytes / 2);
    expect([outbox.data(half), outbox.data(half), outbox.data(new Uint8Array(1))]).deep.equals([true, true, false]);
    stream.drain(1);
    expect(outbox.data(half)).equals(true);
  });

  it("keeps thousands of waiting messages in order through many partial drains", async () => {
    stream.takes = 1;
    const sent: number[] = [];
    for (let i = 0; i < 5000; i++) {
      outbox.data(new Uint8Array(100).fill(i % 251));
      sent.push(i % 251);
    }
    await turn();
    for (let i = 0; i < 40; i++) stream.drain(1);
    expect(stream.writes.flatMap((_, write) => stream.frames(write))).deep.equals(sent.map((i) => `data ${i}`));
  });

  it("reports a stream that refuses a write, once, and writes no more", async () => {
    stream.broken = true;
    outbox.data(new Uint8Array(1));
    await turn();
    outbox.data(new Uint8Array(1));
    await turn();
    expect(failures).deep.equals(["stream is closed"]);
  });

  it("tells when all has been written, and when nothing more will be", async () => {
    await outbox.emptied();
    stream.takes = 1;
    outbox.data(Uint8Array.of(0));
    await turn();
    outbox.data(Uint8Array.of(1));
    const told: string[] = [];
    const done = outbox.emptied().then(() => told.push("empty"));
    await turn();
    expect(told).deep.equals([]);
    stream.drain(9);
    await done;
    stream.broken = true;
    outbox.data(Uint8Array.of(2));
    await outbox.emptied();
    expect(failures).deep.equals(["stream is closed"]);
  });
});
