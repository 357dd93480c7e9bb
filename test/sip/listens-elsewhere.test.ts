import { expect } from "chai";
import { createRequest, createResponse } from "../../node/sip/message/build.ts";
import type { Flow } from "../../node/sip/stack.ts";
import type { RawClient, TestStack } from "./harness.ts";
import { rawClient, rawRequest, startStack } from "./harness.ts";

describe("a UDP client that sends from another port than it listens on", () => {
  let server: TestStack;
  let listening: TestStack;
  let sending: RawClient;

  beforeEach(async () => {
    server = await startStack(["UDP"]);
    listening = await startStack(["UDP"]);
    sending = await rawClient(server.address("UDP"));
  });
  afterEach(async () => {
    sending.close();
    await server.stack.stop();
    await listening.stack.stop();
  });

  async function flowOf(viaParams = ""): Promise<Flow> {
    sending.send(rawRequest({ via: `SIP/2.0/UDP 127.0.0.1:${listening.address("UDP").port}${viaParams}` }));
    return (await server.requests.next()).flow;
  }

  const contact = (host = "127.0.0.1") => `sip:device@${host}:${listening.address("UDP").port}`;
  const notify = (uri: string, routes: readonly string[] = []) =>
    createRequest({
      method: "NOTIFY",
      uri,
      from: "<sip:a@b>;tag=1",
      to: "<sip:c@d>;tag=2",
      headers: routes.map((route): [string, string] => ["Route", route]),
    });

  it("gets requests at the port of its Contact, or of the first proxy on the way there", async () => {
    const flow = await flowOf();
    for (const request of [notify(contact()), notify("sip:device@192.0.2.7", [`<${contact()};lr>`])]) {
      const answer = server.stack.send(request, flow);
      const incoming = await listening.requests.next();
      incoming.respond(createResponse(incoming.request, 200));
      expect((await answer).status).to.equal(200);
    }
  });

  for (const [what, viaParams, host] of [
    ["whose Via has rport", ";rport", "127.0.0.1"],
    ["whose Contact is on another host", "", "127.0.0.2"],
    ["whose Contact is a name", "", "localhost"],
  ] as const) {
    it(`gets them where it sends from: one ${what}`, async () => {
      const flow = await flowOf(viaParams);
      void server.stack.send(notify(contact(host)), flow);
      expect(await sending.received.next()).to.match(/^NOTIFY /);
      expect(listening.requests.unread).to.equal(0);
    });
  }
});
