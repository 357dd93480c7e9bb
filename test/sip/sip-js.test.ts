import { createHash } from "node:crypto";
import { expect } from "chai";
import { Messager, Registerer, RegistererState, UserAgent, UserAgentState } from "sip.js";
import type { Aor } from "../../dht-schema/aor.ts";
import { systemClock } from "../../node/runtime/clock.ts";
import { silentLogger } from "../../node/runtime/logger.ts";
import { createCounters } from "../../node/runtime/metrics.ts";
import { createDigestAuthenticator } from "../../node/sip/auth/digest-authenticator.ts";
import { createRequest, createResponse } from "../../node/sip/message/build.ts";
import type { IncomingRequest } from "../../node/sip/stack.ts";
import { Softphone } from "../../node/softphone/softphone.ts";
import { loopbackCertificate } from "../helpers/certificates.ts";
import type { TestStack } from "./harness.ts";
import { Inbox, startStack } from "./harness.ts";

const REALM = "example.com";
const AOR = "sip:alice@example.com" as Aor;

function hex(algorithm: string, text: string): string {
  return createHash(algorithm).update(text).digest("hex");
}

const secret = `alice:${REALM}:secret`;
const alice = {
  aor: AOR,
  username: "alice",
  realm: REALM,
  ha1Md5: hex("md5", secret),
  ha1Sha256: hex("sha256", secret),
};

/** A server of one user: REGISTER and MESSAGE with digest, accepted as they are. */
function serve(server: TestStack): { readonly accepted: Inbox<IncomingRequest> } {
  const accepted = new Inbox<IncomingRequest>();
  const authenticator = createDigestAuthenticator({
    realm: REALM,
    offer: "both",
    findUser: (username) => (username === "alice" ? alice : undefined),
    clock: systemClock,
    counters: createCounters(),
    logger: silentLogger,
  });
  server.stack.onRequest((incoming) => {
    const { request } = incoming;
    const result = authenticator.authenticate(request, request.method === "REGISTER" ? "registrar" : "proxy", {
      transport: "UDP",
      address: "127.0.0.1",
    });
    if (result.kind === "refused") {
      const { status, reason, headers } = result.refusal;
      return incoming.respond(createResponse(request, status, { reason, headers }));
    }
    accepted.put(incoming);
    const contact = request.headers.get("Contact");
    const headers: [string, string][] = contact === undefined ? [] : [["Contact", `${contact};expires=600`]];
    incoming.respond(createResponse(request, 200, { headers }));
  });
  return { accepted };
}

describe("SIP.js clients at the SIP stack", () => {
  let server: TestStack;

  beforeEach(async () => {
    server = await startStack(["UDP", "TCP", "TLS", "WS", "WSS"]);
  });

  afterEach(() => server.stack.stop());

  for (const transport of ["UDP", "TCP", "TLS", "WS", "WSS"] as const) {
    it(`register with digest over ${transport}, and get a MESSAGE back over the flow they registered from`, async () => {
      const { accepted } = serve(server);
      const { port } = server.address(transport);
      const phone = await Softphone.open({
        aor: AOR,
        server: { transport, host: "127.0.0.1", port, authorities: (await loopbackCertificate()).cert },
        credentials: { username: "alice", password: "secret" },
      });
      try {
        expect((await phone.register()).status).to.equal(200);
        const { flow, request } = await accepted.next();
        const texts = new Inbox<string>();
        phone.onMessage((message) => texts.put(message.text));
        const contact = /<([^>]*)>/.exec(request.headers.get("Contact") as string)?.[1] as string;
        const message = createRequest({
          method: "MESSAGE",
          uri: contact,
          from: "<sip:joe@example.com>;tag=1",
          to: `<${AOR}>`,
          headers: [["Content-Type", "text/plain"]],
          body: "grüß dich",
        });
        expect((await server.stack.send(message, flow)).status).to.equal(200);
        expect(await texts.next()).to.equal("grüß dich");
        expect((await phone.sendMessage("sip:joe@example.com", "hello")).status).to.equal(200);
        expect(Buffer.from((await accepted.next()).request.body).toString()).to.equal("hello");
      } finally {
        await phone.close();
      }
    });
  }

  it("as browsers run them, with their own WebSocket transport, register and send", async () => {
    const { accepted } = serve(server);
    const agent = new UserAgent({
      uri: UserAgent.makeURI(AOR) as NonNullable<ReturnType<typeof UserAgent.makeURI>>,
      authorizationUsername: "alice",
      authorizationPassword: "secret",
      transportOptions: { server: `ws://127.0.0.1:${server.address("WS").port}`, keepAliveInterval: 1 },
      logBuiltinEnabled: false,
      gracefulShutdown: false,
    });
    await agent.start();
    const registerer = new Registerer(agent);
    try {
      const states = new Inbox<RegistererState>();
      registerer.stateChange.addListener((state) => states.put(state));
      await registerer.register();
      expect(await states.next()).to.equal(RegistererState.Registered);
      const incoming = await accepted.next();
      expect(incoming.flow.transport).to.equal("WS");
      await new Messager(agent, UserAgent.makeURI("sip:joe@example.com") as never, "hello").message();
      expect((await accepted.next()).request.method).to.equal("MESSAGE");
    } finally {
      await registerer.dispose(); // an agent that stops without grace leaves the registerer's timers running
      await agent.stop();
    }
    expect(agent.state).to.equal(UserAgentState.Stopped);
  });

  it("with a wrong password are refused", async () => {
    serve(server);
    const phone = await Softphone.open({
      aor: AOR,
      server: { transport: "TCP", host: "127.0.0.1", port: server.address("TCP").port },
      credentials: { username: "alice", password: "guess" },
    });
    try {
      expect((await phone.register()).status).to.equal(401);
    } finally {
      await phone.close();
    }
  });
});
