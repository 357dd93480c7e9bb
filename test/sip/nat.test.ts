import { expect } from "chai";
import { createResponse } from "../../node/sip/message/build.ts";
import type { RawClient, TestStack } from "./harness.ts";
import { rawClient, rawRequest, startStack } from "./harness.ts";

describe("a UDP client behind a NAT", () => {
  let server: TestStack;
  let client: RawClient;

  beforeEach(async () => {
    server = await startStack(["UDP"]);
    client = await rawClient(server.address("UDP"));
  });
  afterEach(async () => {
    client.close();
    await server.stack.stop();
  });

  it("is answered, and asked, where it sends from, though it does not know what rport is", async () => {
    client.send(rawRequest({ via: "SIP/2.0/UDP 10.0.0.5:5060" }));
    const { request, flow, respond } = await server.requests.next();
    respond(createResponse(request, 200));
    expect(await client.received.next()).to.match(/^SIP\/2\.0 200 [^]*;received=127\.0\.0\.1/);
    for (const contact of ["sip:device@10.0.0.5:5060", "sip:device@127.0.0.1:9"]) {
      server.stack.keepAlive(contact, flow);
      expect(await client.received.next(), contact).to.equal("\r\n\r\n");
    }
  });

  it("is told by STUN where it is seen (RFC 5626 §8), and an indication of STUN gets no answer", async () => {
    const request = (type: string) => Buffer.from(`${type}00002112a442b7e7a701bc34d686fa87dfae`, "hex");
    client.send(request("0011"));
    client.send(request("0001"));
    const answer = Buffer.from(await client.received.next(), "latin1");
    expect(answer.subarray(0, 2).toString("hex")).to.equal("0101");
    expect(server.counters.get("sip.stun")).to.equal(2);
    expect([server.counters.get("sip.malformed"), client.received.unread]).to.deep.equal([0, 0]);
  });
});
