import { expect } from "chai";
import type { Socket } from "node:net";
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { limits } from "../../../node/runtime/limits.ts";
import { randomTag } from "../../../node/sip/message/tags.ts";
import { eventually } from "../../helpers/eventually.ts";
import { ringing } from "./calls.ts";
import { SessionWorld } from "./session-world.ts";

const ALICE = "sip:alice@example.com";
const CALL_ID = "of-who-goes";

/** What came over a connection so far, as text. */
function heard(socket: Socket): () => string {
  let text = "";
  socket.setEncoding("latin1").on("data", (more: string) => (text += more));
  return () => text;
}

/** @param listener where the caller says that it is reached */
const invitation = (listener: number): string =>
  [
    `INVITE ${ALICE} SIP/2.0`,
    `Via: SIP/2.0/TCP 127.0.0.1:${listener};branch=z9hG4bK${randomTag()}`,
    "Max-Forwards: 70",
    "From: <sip:joe@example.com>;tag=j",
    `To: <${ALICE}>`,
    `Call-ID: ${CALL_ID}`,
    "CSeq: 1 INVITE",
    `Contact: <sip:joe@127.0.0.1:${listener};transport=tcp>`,
    "Content-Length: 0",
    "\r\n",
  ].join("\r\n");

describe("a call whose caller is gone while it rings", function () {
  this.timeout(60_000);
  let world: SessionWorld;

  before(async () => {
    world = await SessionWorld.of(3);
  });
  afterEach(() => world.endAgents());
  after(() => world.stop());

  /** Alice, who rings at the second server. */
  async function callee() {
    const alice = await world.registered("alice", 1);
    alice.rings();
    return alice;
  }
  /** Who calls her by a connection to the first server, and hears her ring. */
  async function called(listener: number) {
    const { port } = world.sides[0]!.stack.listening().find(({ transport }) => transport === "TCP")!;
    const socket = connect(port, "127.0.0.1");
    const text = heard(socket);
    await once(socket, "connect");
    socket.write(invitation(listener));
    await eventually(() => text().includes("SIP/2.0 180 "), "a 180");
    return socket;
  }

  it("ends when their connection has closed, for nobody would hear the answer", async () => {
    const alice = await callee();
    const nobody = createServer().listen(0, "127.0.0.1");
    await once(nobody, "listening");
    const { port } = nobody.address() as { port: number };
    nobody.close();
    (await called(port)).destroy();
    await eventually(() => alice.cancelled.length > 0, "a CANCEL");
    expect(alice.cancelled).to.deep.equal([CALL_ID]);
    expect(alice.reasons, "as if they had hung up").to.deep.equal([undefined]);
    await alice.register(0);
  });

  it("goes on where they are reached by another connection (RFC 3261 §18.2.2)", async () => {
    const alice = await callee();
    const listener = createServer().listen(0, "127.0.0.1");
    await once(listener, "listening");
    const again = once(listener, "connection") as Promise<[Socket]>;
    (await called((listener.address() as { port: number }).port)).destroy();
    const [socket] = await again;
    const text = heard(socket);
    await eventually(() => text().includes("SIP/2.0 180 "), "a 180 again");
    alice.answer(alice.received[0]!);
    await eventually(() => text().includes("SIP/2.0 200 "), "a 200");
    expect(alice.cancelled).to.deep.equal([]);
    socket.destroy();
    listener.close();
    await alice.register(0);
  });

  it("ends some time after the link to their server has broken, when that one has told them that it has", async () => {
    const alice = await callee();
    const joe = await world.agent("joe", 2);
    const { answer } = await ringing(joe, ALICE);
    await world.cutOff(2);
    expect((await answer).status, "as far as it finds a majority").to.be.oneOf([480, 503]);
    await eventually(() => alice.cancelled.length > 0, "a CANCEL", 2 * limits.sip.repeatedWithinMs);
  });
});
