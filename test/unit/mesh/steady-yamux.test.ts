import type { MessageStream } from "@libp2p/interface";
import { StreamStateError } from "@libp2p/interface";
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
