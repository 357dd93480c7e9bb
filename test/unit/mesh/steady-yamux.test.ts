import type { MessageStream, Stream, StreamMuxer } from "@libp2p/interface";
import { StreamStateError } from "@libp2p/interface";
import { multiaddrConnectionPair } from "@libp2p/utils";
import { expect } from "chai";
import { steadyYamux } from "../../../node/mesh/steady-yamux.ts";

/** A connection whose writes fail with `fault` once it is set. */
class FaultyConnection extends EventTarget {
  readonly direction = "outbound";
  readonly log = silentLog();
  writes = 0;
  fault: Error | undefined;

  send(): boolean {
    this.writes++;
    if (this.fault !== undefined) throw this.fault;
    return true;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function silentLog() {
  const log = () => undefined;
  return Object.assign(log, { trace: log, error: log, enabled: false, newScope: (): unknown => silentLog() });
}

describe("yamux over a connection that is closing", () => {
  let connection: FaultyConnection;
  const open = () => steadyYamux()().createStreamMuxer(connection as unknown as MessageStream);
  beforeEach(() => {
    connection = new FaultyConnection();
  });

  it("does not end the process when a stream is opened before the muxer has heard of it", async () => {
    connection.fault = new StreamStateError("Cannot write to a stream that is closed");
    const stream = await open().createStream();
    await turn();
    expect(connection.writes).greaterThan(0);
    expect(stream.send(new Uint8Array(3))).equals(false);
  });

  it("does not hide any other fault", async () => {
    const stream = await open().createStream();
    await turn();
    connection.fault = new RangeError("a mistake of ours");
    expect(() => stream.send(new Uint8Array(3))).throws(RangeError);
  });
});

describe("yamux's window", () => {
  let muxers: StreamMuxer[] = [];
  afterEach(() => {
    for (const muxer of muxers) muxer.abort(new Error("the test is over"));
    muxers = [];
  });

  /** One stream from end to end, and the window updates that each side writes. */
  async function connected() {
    const [near, far] = multiaddrConnectionPair();
    const updates = { near: 0, far: 0 };
    const count = (connection: MessageStream, side: keyof typeof updates) => {
      const send = connection.send.bind(connection);
      connection.send = (data) => {
        // A header is version, type (1: window update), flags, stream, length.
        if (data.subarray(0, 2)[1] === 1) updates[side]++;
        return send(data);
      };
    };
    count(near, "near");
    count(far, "far");
    const nearMuxer = steadyYamux()().createStreamMuxer(near);
    const farMuxer = steadyYamux()().createStreamMuxer(far);
    muxers.push(nearMuxer, farMuxer);
    const arrived = new Promise<Stream>((resolve) =>
      farMuxer.addEventListener("stream", ({ detail }) => resolve(detail as Stream)),
    );
    const sender = await nearMuxer.createStream();
    return { sender, receiver: await arrived, updates };
  }

  it("is not opened again for every message", async () => {
    const { sender, receiver, updates } = await connected();
    let received = 0;
    const all = new Promise<void>((resolve) =>
      receiver.addEventListener("message", ({ data }) => {
        received += data.byteLength;
        if (received === 100 * 64) resolve();
      }),
    );
    for (let i = 0; i < 100; i++) {
      sender.send(new Uint8Array(64));
      await turn();
    }
    await all;
    // The one that accepts the stream.
    expect(updates.far).equals(1);
  });

  it("never runs dry, however much is sent", async () => {
    const { sender, receiver } = await connected();
    const total = 4 * 1024 * 1024;
    let received = 0;
    const all = new Promise<void>((resolve) =>
      receiver.addEventListener("message", ({ data }) => {
        received += data.byteLength;
        if (received === total) resolve();
      }),
    );
    const chunk = new Uint8Array(48 * 1024 + 1);
    for (let left = total; left > 0; left -= chunk.length) {
      if (!sender.send(chunk.subarray(0, Math.min(left, chunk.length)))) await sender.onDrain();
    }
    await all;
    expect(received).equals(total);
  });
});
