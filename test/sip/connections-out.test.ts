import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import type { Socket } from "node:net";
import { createServer } from "node:net";
import { expect } from "chai";
import { createResponse } from "../../node/sip/message/build.ts";
import type { SipRequest } from "../../node/sip/message/message.ts";
import { parseMessage } from "../../node/sip/message/parse-message.ts";
import { serializeMessage } from "../../node/sip/message/serialize-message.ts";
import type { Flow } from "../../node/sip/stack.ts";
import { AORTA_LOCAL, LOCAL_CUT_OFF } from "../../node/sip/stack.ts";
import type { TestStack } from "./harness.ts";
import { Inbox, outgoing, startStack } from "./harness.ts";

describe("a connection that the stack makes", () => {
  let server: TestStack;
  const peers: { close(): void }[] = [];

  beforeEach(async () => {
    server = await startStack(["TCP", "TLS"]);
  });
  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.close();
    await server.stack.stop();
  });

  /** A peer that knows nothing of SIP, and the flow to it. */
  async function peer(accept: (socket: Socket) => void, transport: "TCP" | "TLS" = "TCP") {
    const listener = createServer((socket) => accept(socket.on("error", () => {})));
    peers.push(listener);
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as { port: number };
    const flow: Flow = { transport, address: "127.0.0.1", port };
    return { listener, flow };
  }

  const answerTo = (bytes: Uint8Array) =>
    serializeMessage(createResponse(parseMessage(bytes) as SipRequest, 200, { toTag: "t" }));
  const answerFor = async (flow: Flow) => {
    const { status, headers } = await server.stack.send(outgoing(), flow);
    return { status, mark: headers.get(AORTA_LOCAL) };
  };

  it("and that is refused, or proves nothing, has carried nothing: whoever sends need not fear that it has arrived", async () => {
    const { listener, flow } = await peer(() => {});
    listener.close();
    await once(listener, "close");
    expect(await answerFor(flow)).to.deep.equal({ status: 503, mark: "1" });
    const { flow: noTls } = await peer((socket) => socket.end("no TLS is spoken here"), "TLS");
    expect(await answerFor(noTls)).to.deep.equal({ status: 503, mark: "1" });
  });

  it("and that its peer closes without an answer has carried the request, for all that is known", async () => {
    const { flow } = await peer((socket) => socket.once("data", () => socket.end()));
    expect(await answerFor(flow)).to.deep.equal({ status: 503, mark: LOCAL_CUT_OFF });
  });

  it("after one that its peer has ended does not fail with it, however soon it is made", async () => {
    const made = new Inbox<Socket>();
    const note = (message: unknown) => made.put((message as { socket: Socket }).socket);
    subscribe("net.client.socket", note);
    try {
      let accepted = 0;
      const { flow } = await peer((socket) => {
        const isFirst = ++accepted === 1;
        socket.on("data", (bytes) => (isFirst ? socket.end(answerTo(bytes)) : socket.write(answerTo(bytes))));
      });
      const first = answerFor(flow);
      const ended = once(await made.next(), "end");
      expect((await first).status).to.equal(200);
      await ended;
      expect(await answerFor(flow), "while the first is closing").to.deep.equal({ status: 200, mark: undefined });
      expect(accepted).to.equal(2);
    } finally {
      unsubscribe("net.client.socket", note);
    }
  });
});
