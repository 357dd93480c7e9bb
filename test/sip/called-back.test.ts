import { expect } from "chai";
import { createRequest, createResponse } from "../../node/sip/message/build.ts";
import type { SipRequest } from "../../node/sip/message/message.ts";
import type { Flow, SocketTransport } from "../../node/sip/stack.ts";
import type { TestStack } from "./harness.ts";
import { rawClient, rawRequest, startStack } from "./harness.ts";

/** A request of a dialog. */
function within(uri: string, routes: readonly string[] = [], method = "NOTIFY"): SipRequest {
  const headers = routes.map((route): [string, string] => ["Route", route]);
  return createRequest({ method, uri, from: "<sip:a@b>;tag=1", to: "<sip:c@d>;tag=2", headers });
}

describe("a client whose connection has closed", () => {
  let server: TestStack;
  let device: TestStack;

  beforeEach(async () => {
    server = await startStack(["TCP", "TLS", "WS"]);
    device = await startStack(["TCP"]);
  });
  afterEach(async () => {
    await server.stack.stop();
    await device.stack.stop();
  });

  /** The flow of a client that has been here. */
  async function flowOfGone(transport: SocketTransport): Promise<Flow> {
    const closed = new Promise((resolve) => server.stack.onFlowClosed(resolve));
    const client = await rawClient(server.address(transport));
    client.send(rawRequest({ via: `SIP/2.0/${transport} client.invalid` }));
    const { flow } = await server.requests.next();
    client.close();
    await closed;
    return flow;
  }

  const contact = (host = "127.0.0.1") => `sip:device@${host}:${device.address("TCP").port};transport=tcp`;

  it("gets a request over TCP where its Contact says that it listens, and an ACK", async () => {
    const flow = await flowOfGone("TCP");
    const answer = server.stack.send(within(contact()), flow);
    const incoming = await device.requests.next();
    expect(incoming.request).to.include({ method: "NOTIFY", uri: contact() });
    incoming.respond(createResponse(incoming.request, 200));
    expect((await answer).status).to.equal(200);
    server.stack.acknowledge(within(contact(), [], "ACK"), flow);
    expect((await device.requests.next()).request.method).to.equal("ACK");
  });

  it("gets it by the first proxy on the way there", async () => {
    const answer = server.stack.send(within("sip:c@192.0.2.7", [`<${contact()};lr>`]), await flowOfGone("TCP"));
    const incoming = await device.requests.next();
    incoming.respond(createResponse(incoming.request, 200));
    expect((await answer).status).to.equal(200);
  });

  it("has nothing sent to another host, whatever its Contact or Route says", async () => {
    const flow = await flowOfGone("TCP");
    for (const [uri, ...routes] of [[contact("127.0.0.2")], [contact(), `<${contact("127.0.0.2")};lr>`]] as const)
      expect((await server.stack.send(within(uri, routes), flow)).status).to.equal(503);
    expect(device.requests.unread).to.equal(0);
  });

  for (const transport of ["TLS", "WS"] as const) {
    it(`can only come again by itself over ${transport}`, async () => {
      expect((await server.stack.send(within(contact()), await flowOfGone(transport))).status).to.equal(503);
      expect(device.requests.unread).to.equal(0);
    });
  }
});
