import type { MessageStream, Stream, StreamMuxer } from "@libp2p/interface";
import { StreamStateError } from "@libp2p/interface";
import { multiaddrConnectionPair } from "@libp2p/utils";
import { yamux as stockYamux } from "@libp2p/yamux";
import { expect } from "chai";
import fc from "fast-check";
import type { YamuxHeader } from "../../../node/mesh/yamux-frames.ts";
import { encodeHeader, YamuxReader } from "../../../node/mesh/yamux-frames.ts";
import { yamux } from "../../../node/mesh/yamux.ts";

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
  const open = () => yamux()().createStreamMuxer(connection as unknown as MessageStream);
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
    const nearMuxer = yamux()().createStreamMuxer(near);
    const farMuxer = yamux()().createStreamMuxer(far);
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

describe("yamux's frames", () => {
  const header = fc.record({
    type: fc.constant(0),
    flags: fc.nat(15),
    stream: fc.nat(0xffff_ffff),
    length: fc.nat(40),
  });

  it("are read the same however they are cut", () => {
    fc.assert(
      fc.property(fc.array(header, { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 30 })), (headers, cuts) => {
        const bodies = headers.map(({ length }, index) => new Uint8Array(length).fill(index + 1));
        const octets = Buffer.concat(headers.flatMap((each, index) => [encodeHeader(each), bodies[index]!]));
        const read: { header: YamuxHeader; octets: number[]; ends: number }[] = [];
        const reader = new YamuxReader({
          header: (each) => void read.push({ header: each, octets: [], ends: 0 }),
          data: (some, isLast) => {
            read.at(-1)!.octets.push(...some);
            if (isLast) read.at(-1)!.ends++;
          },
        });
        for (let at = 0, turn = 0; at < octets.length; turn++) {
          const size = cuts[turn % cuts.length] ?? octets.length;
          reader.push(octets.subarray(at, at + size));
          at += size;
        }
        const whole = headers.map((each, index) => {
          return { header: each, octets: [...bodies[index]!], ends: each.length > 0 ? 1 : 0 };
        });
        expect(read).deep.equals(whole);
      }),
    );
  });

  it("of another version or type are refused", () => {
    const push = (octets: number[]) =>
      new YamuxReader({ header() {}, data() {} }).push(Uint8Array.from([...octets, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    expect(() => push([1, 0])).throws("not a frame of yamux");
    expect(() => push([0, 4])).throws("not a frame of yamux");
  });
});

const kinds = { ours: yamux, stock: stockYamux };

for (const [near, far] of [
  ["ours", "ours"],
  ["ours", "stock"],
  ["stock", "ours"],
] as const) {
  describe(`a session of yamux, ${near} to ${far}`, () => {
    let muxers: StreamMuxer[] = [];
    const open = (): { near: StreamMuxer; far: StreamMuxer; accepted: (n: number) => Promise<Stream[]> } => {
      const [a, b] = multiaddrConnectionPair();
      const [one, two] = [kinds[near]()().createStreamMuxer(a), kinds[far]()().createStreamMuxer(b)];
      const streams: Stream[] = [];
      let wake = () => {};
      two.addEventListener("stream", ({ detail }: CustomEvent<Stream>) => {
        streams.push(detail);
        wake();
      });
      const accepted = async (count: number) => {
        while (streams.length < count) await new Promise<void>((resolve) => (wake = resolve));
        return streams;
      };
      muxers.push(one, two);
      return { near: one, far: two, accepted };
    };
    afterEach(() => {
      for (const muxer of muxers) muxer.abort(new Error("the test is over"));
      muxers = [];
    });

    /** All that a stream brings until the other side ends it. */
    const readAll = async (stream: Stream): Promise<Uint8Array> => {
      const parts: Uint8Array[] = [];
      for await (const part of stream) parts.push(part.subarray());
      return Buffer.concat(parts);
    };

    it("carries streams side by side, whole and in order, up to their ends", async () => {
      const { near: muxer, accepted } = open();
      const streams = await Promise.all([1, 2, 3].map(() => muxer.createStream()));
      const there = await accepted(3);
      const texts = streams.map((_, index) => Buffer.alloc(700_000 + index, `stream ${index}, `));
      const readings = there.map(readAll);
      for (const [index, stream] of streams.entries()) {
        const text = texts[index]!;
        for (let at = 0; at < text.length;) {
          const size = 1 + ((at * 7919) % 100_000);
          if (!stream.send(text.subarray(at, at + size))) await stream.onDrain();
          at += size;
        }
        await stream.close();
      }
      const received = await Promise.all(readings);
      // Streams are accepted in the order in which they were opened.
      for (const [index, text] of texts.entries()) expect(text.equals(received[index]!)).equals(true);
    });

    it("answers on the stream on which it was asked, both ways of opening", async () => {
      const { near: muxer, accepted } = open();
      const stream = await muxer.createStream();
      const [there] = await accepted(1);
      there!.addEventListener("message", ({ data }) => void there!.send(Buffer.from(data.subarray()).reverse()));
      const answer = new Promise<Uint8Array>((resolve) =>
        stream.addEventListener("message", ({ data }) => resolve(data.subarray()), { once: true }),
      );
      stream.send(Buffer.from("abc"));
      expect(Buffer.from(await answer).toString()).equals("cba");
    });

    it("tells the other side of a reset", async () => {
      const { near: muxer, accepted } = open();
      const stream = await muxer.createStream();
      const [there] = await accepted(1);
      const closed = new Promise<string | undefined>((resolve) =>
        there!.addEventListener("close", ({ error }) => resolve(error?.name), { once: true }),
      );
      stream.abort(new Error("no longer wanted"));
      expect(await closed).equals("StreamResetError");
      expect(muxer.streams).deep.equals([]);
    });

    it("holds what comes while a stream is paused, and no more than the window", async () => {
      const { near: muxer, accepted } = open();
      const stream = await muxer.createStream();
      const [there] = await accepted(1);
      there!.pause();
      const total = 3 * 1024 * 1024;
      let received = 0;
      const all = new Promise<void>((resolve) =>
        there!.addEventListener("message", ({ data }) => {
          if ((received += data.byteLength) === total) resolve();
        }),
      );
      let sent = 0;
      while (sent < total && stream.send(new Uint8Array(64 * 1024))) {
        sent += 64 * 1024;
        await turn();
      }
      sent += 64 * 1024;
      expect(sent).lessThan(total);
      expect(received).equals(0);
      there!.resume();
      for (; sent < total; sent += 64 * 1024) {
        await stream.onDrain();
        stream.send(new Uint8Array(64 * 1024));
      }
      await all;
      expect(received).equals(total);
    });
  });
}

describe("a yamux peer that breaks the rules", () => {
  const frame = (type: number, flags: number, stream: number, length: number) =>
    encodeHeader({ type, flags, stream, length });

  /** A session in which the test writes the peer's frames by hand. */
  function session() {
    const [near, far] = multiaddrConnectionPair();
    const muxer = yamux()().createStreamMuxer(near);
    const closed = new Promise<void>((resolve) => near.addEventListener("close", () => resolve(), { once: true }));
    return { muxer, far, closed };
  }

  const offences: Record<string, Uint8Array[]> = {
    "sends more than the window has room for": [frame(1, 1, 2, 0), frame(0, 0, 2, 2 ** 31)],
    "opens a stream by a number of ours": [frame(1, 1, 1, 0)],
    "opens a stream twice": [frame(1, 1, 2, 0), frame(1, 1, 2, 0)],
    "sends data outside of streams": [frame(0, 0, 0, 1)],
    "pings on a stream": [frame(2, 1, 2, 1)],
    "speaks another protocol": [Buffer.from("GET / HTTP/1.1\r\n")],
  };
  for (const [offence, octets] of Object.entries(offences)) {
    it(`is cut off when it ${offence}`, async () => {
      const { muxer, far, closed } = session();
      for (const each of octets) far.send(each);
      await closed;
      expect(muxer.status).equals("closed");
    });
  }

  it("may send for streams that are gone: that is dropped", async () => {
    const { muxer, far } = session();
    const stream = await muxer.createStream();
    await turn();
    stream.abort(new Error("no longer wanted"));
    far.send(Buffer.concat([frame(0, 0, 1, 3), Buffer.from("abc"), frame(1, 0, 1, 5), frame(2, 1, 0, 77)]));
    const pong = new Promise<Uint8Array>((resolve) =>
      far.addEventListener("message", ({ data }) => {
        const octets = data.subarray();
        if (octets[1] === 2) resolve(octets);
      }),
    );
    expect([...(await pong)]).deep.equals([...frame(2, 2, 0, 77)]);
    expect(muxer.status).equals("open");
    muxer.abort(new Error("the test is over"));
  });
});
