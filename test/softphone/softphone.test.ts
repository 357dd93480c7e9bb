import { createHash } from "node:crypto";
import { expect } from "chai";
import type { PresenceNotification } from "../../node/softphone/presence-subscription.ts";
import { Softphone, type SoftphoneOptions } from "../../node/softphone/softphone.ts";
import { type RawAnswer, type RawRequest, respond, type SendRaw, SipResponder } from "../helpers/sip-responder.ts";

const pidf = (basic: string, note: string): string =>
  `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@example.com"><tuple id="t"><status>` +
  `<basic>${basic}</basic></status><note>${note}</note></tuple></presence>`;

const registered = (request: RawRequest): RawAnswer => ({
  status: "200 OK",
  headers: [`Contact: ${request.header("Contact")}`],
});

describe("The softphone", () => {
  const open: { close(): Promise<void> }[] = [];

  const listen = async (
    transport: "UDP" | "TCP" | "WS",
    answer: (request: RawRequest, send: SendRaw) => RawAnswer,
  ): Promise<SipResponder> => {
    const responder = await SipResponder.listen(transport, answer);
    open.push(responder);
    return responder;
  };

  const connect = async (
    responder: SipResponder,
    transport: "UDP" | "TCP" | "WS",
    more: Partial<SoftphoneOptions> = {},
  ): Promise<Softphone> => {
    const phone = await Softphone.open({
      aor: "sip:joe@example.com",
      server: { transport, host: "127.0.0.1", port: responder.port },
      ...more,
    });
    open.unshift({ close: () => phone.vanish() });
    return phone;
  };

  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
  });

  for (const transport of ["UDP", "TCP", "WS"] as const) {
    describe(`over ${transport}`, () => {
      it("registers the address that it can be reached at, and unregisters", async () => {
        const responder = await listen(transport, registered);
        const phone = await connect(responder, transport);
        expect(await phone.register()).to.deep.equal({ status: 200, reason: "OK" });
        expect(await phone.unregister()).to.deep.equal({ status: 200, reason: "OK" });
        const [first, second] = responder.requests;
        expect(first!.uri).to.equal("sip:example.com");
        expect(first!.header("Contact")).to.match(transport === "WS" ? /\.invalid;transport=ws/ : /@127\.0\.0\.1:\d+/);
        expect(first!.header("Contact")).to.match(/expires=600/);
        expect(second!.header("Contact")).to.match(/expires=0/);
        expect(second!.header("Call-ID")).to.equal(first!.header("Call-ID"));
      });

      it("follows somebody's presence until it closes", async () => {
        const responder = await listen(transport, (request, send) => {
          if (request.method !== "SUBSCRIBE") return { status: "200 OK" };
          const ends = request.header("Expires") === "0";
          const body = ends ? "" : pidf("open", "at home – höme");
          send(notify(request, ends ? "terminated;reason=timeout" : "active;expires=600", body));
          return { status: "200 OK", headers: ["Expires: 600", `Contact: <sip:server@127.0.0.1:${responder.port}>`] };
        });
        const phone = await connect(responder, transport);
        const seen: PresenceNotification[] = [];
        await phone.subscribePresence("sip:alice@example.com", (notification) => seen.push(notification));
        expect(seen).to.deep.equal([{ state: "active", presence: { basic: "open", note: "at home – höme" } }]);
        await phone.close();
        expect(seen.at(-1)).to.deep.equal({ state: "terminated", reason: "timeout" });
        expect(phone.requestsSent("SUBSCRIBE")).to.equal(2);
      });

      it("sends a message and tells how it ended", async () => {
        const responder = await listen(transport, ({ uri }) => ({
          status: uri.includes("alice") ? "202 Accepted" : "404 Not Found",
        }));
        const phone = await connect(responder, transport);
        expect((await phone.sendMessage("sip:alice@example.com", "hé 🌍")).status).to.equal(202);
        expect((await phone.sendMessage("sip:nobody@example.com", "hi")).status).to.equal(404);
        expect(responder.requests[0]!.body).to.equal("hé 🌍");
      });

      it("receives a message", async () => {
        const responder = await listen(transport, (request, send) => {
          send(incomingMessage(request, "lunch? ünd 🍜"));
          return registered(request);
        });
        const phone = await connect(responder, transport);
        const received = new Promise((resolve) => phone.onMessage(resolve));
        await phone.register();
        expect(await received).to.deep.equal({ from: "sip:alice@example.com", text: "lunch? ünd 🍜" });
      });
    });
  }

  it("answers a digest challenge with its credentials", async () => {
    const credentials = { username: "joe", password: "open sesame" };
    const responder = await listen("UDP", (request) => {
      const authorization = request.header("Authorization");
      if (authorization === undefined) {
        return {
          status: "401 Unauthorized",
          headers: [`WWW-Authenticate: Digest realm="example.com", nonce="n1", qop="auth"`],
        };
      }
      return isValidDigest(authorization, request, credentials) ? registered(request) : { status: "403 Forbidden" };
    });
    const phone = await connect(responder, "UDP", { credentials });
    expect((await phone.register()).status).to.equal(200);
    const stranger = await connect(responder, "UDP", { credentials: { ...credentials, password: "guess" } });
    expect((await stranger.register()).status).to.equal(403);
  });

  it("publishes, modifies with the entity-tag it was given, and starts anew when the server has forgotten it", async () => {
    let forgets = false;
    const responder = await listen("TCP", (request) => {
      const tag = request.header("SIP-If-Match");
      if (forgets && tag !== undefined) return { status: "412 Conditional Request Failed" };
      return { status: "200 OK", headers: [`SIP-ETag: after-${tag ?? "nothing"}`, "Expires: 600"] };
    });
    const phone = await connect(responder, "TCP");
    expect((await phone.publishPresence({ basic: "open", note: "here" })).status).to.equal(200);
    expect((await phone.publishPresence({ basic: "closed" })).status).to.equal(200);
    forgets = true;
    expect((await phone.publishPresence({ basic: "open" })).status).to.equal(200);
    expect(responder.requests.map((request) => request.header("SIP-If-Match"))).to.deep.equal([
      undefined,
      "after-nothing",
      "after-after-nothing",
      undefined,
    ]);
    expect(responder.requests[0]!.body).to.include("<basic>open</basic>").and.to.include("<note>here</note>");
  });

  it("publishes again after a refusal", async () => {
    let busy = true;
    const responder = await listen("TCP", () =>
      busy ? { status: "503 Service Unavailable" } : { status: "200 OK", headers: ["SIP-ETag: a", "Expires: 600"] },
    );
    const phone = await connect(responder, "TCP");
    expect((await phone.publishPresence({ basic: "open" })).status).to.equal(503);
    busy = false;
    expect((await phone.publishPresence({ basic: "open" })).status).to.equal(200);
  });

  it("says why a subscription was refused", async () => {
    const phone = await connect(await listen("UDP", () => ({ status: "403 Forbidden" })), "UDP");
    let error: unknown;
    await phone.subscribePresence("sip:alice@example.com", () => {}).catch((thrown: unknown) => (error = thrown));
    expect(error)
      .to.be.an("error")
      .with.property("message", "SUBSCRIBE to sip:alice@example.com was answered 403 Forbidden.");
  });

  it("repeats a request over UDP that got lost", async () => {
    let dropped = 0;
    const responder = await listen("UDP", () => (dropped++ === 0 ? undefined : { status: "200 OK" }));
    const phone = await connect(responder, "UDP");
    expect((await phone.sendMessage("sip:alice@example.com", "hello")).status).to.equal(200);
    expect(responder.requests).to.have.lengthOf(2);
    expect(responder.requests[1]!.header("Via")).to.equal(responder.requests[0]!.header("Via"));
    expect(phone.requestsSent("MESSAGE")).to.equal(1);
  });

  it("takes a message once that comes again over UDP", async () => {
    let contact: RawRequest | undefined;
    const responder = await listen("UDP", (request, send) => {
      contact ??= request;
      const isRegister = request.method === "REGISTER";
      const branches = isRegister ? ["z9hG4bKfirst"] : ["z9hG4bKfirst", "z9hG4bKsecond"];
      for (const branch of branches) send(incomingMessage(contact, branch, branch));
      return isRegister ? registered(request) : { status: "200 OK" };
    });
    const phone = await connect(responder, "UDP");
    const texts: string[] = [];
    const arrival = (text: string) =>
      new Promise<void>((resolve) => phone.onMessage((message) => message.text === text && resolve()));
    phone.onMessage(({ text }) => texts.push(text));
    const [first, second] = [arrival("z9hG4bKfirst"), arrival("z9hG4bKsecond")];
    await phone.register();
    await first;
    await phone.sendMessage("sip:alice@example.com", "once more, please");
    await second;
    expect(texts).to.deep.equal(["z9hG4bKfirst", "z9hG4bKsecond"]);
  });

  it("survives messages that SIP.js chokes on", async () => {
    const responder = await listen("UDP", (request, send) => {
      send("SIP/2.0 200\r\n\r\n");
      send(respond(request, { status: "700 Beyond The Standard" }));
      return { status: "200 OK" };
    });
    const phone = await connect(responder, "UDP");
    expect((await phone.sendMessage("sip:alice@example.com", "hello")).status).to.equal(200);
    expect(phone.faults).to.equal(1);
  });

  for (const [what, ask] of [
    ["a MESSAGE", (phone: Softphone) => phone.sendMessage("sip:alice@example.com", "hello")],
    ["a REGISTER", (phone: Softphone) => phone.register()],
    ["a PUBLISH", (phone: Softphone) => phone.publishPresence({ basic: "open" })],
  ] as const) {
    it(`vanishes although ${what} is unanswered, and settles what waits for it`, async () => {
      let reached = (): void => {};
      const arrived = new Promise<void>((resolve) => (reached = resolve));
      const responder = await listen("TCP", () => {
        reached();
        return undefined;
      });
      const phone = await connect(responder, "TCP");
      const outcome = ask(phone);
      await arrived;
      await phone.vanish();
      expect(await outcome).to.deep.equal({ status: 503, reason: "The client closed" });
    });
  }

  it("does not open without a server", async () => {
    const responder = await SipResponder.listen("TCP", () => undefined);
    await responder.close();
    let error: unknown;
    await connect(responder, "TCP").catch((thrown: unknown) => (error = thrown));
    expect(error).to.have.property("code", "ECONNREFUSED");
  });
});

function notify(subscribe: RawRequest, state: string, body: string): string {
  const to = subscribe.header("To")!;
  return [
    `NOTIFY ${/<([^>]+)>/.exec(subscribe.header("Contact")!)![1]} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK${Math.random()}`,
    "Max-Forwards: 70",
    `From: ${to.includes("tag=") ? to : `${to};tag=responder`}`,
    `To: ${subscribe.header("From")}`,
    `Call-ID: ${subscribe.header("Call-ID")}`,
    `CSeq: ${subscribe.header("CSeq")!.split(" ")[0]} NOTIFY`,
    "Contact: <sip:server@127.0.0.1>",
    "Event: presence",
    `Subscription-State: ${state}`,
    "Content-Type: application/pidf+xml",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "",
    body,
  ].join("\r\n");
}

function incomingMessage(register: RawRequest, text: string, branch = "z9hG4bKincoming"): string {
  return [
    `MESSAGE ${/<([^>]+)>/.exec(register.header("Contact")!)![1]} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1;branch=${branch}`,
    "Max-Forwards: 70",
    "From: <sip:alice@example.com>;tag=a",
    "To: <sip:joe@example.com>",
    `Call-ID: ${branch}`,
    "CSeq: 1 MESSAGE",
    "Content-Type: text/plain;charset=utf-8",
    `Content-Length: ${Buffer.byteLength(text)}`,
    "",
    text,
  ].join("\r\n");
}

/** @see RFC 2617 §3.2.2 */
function isValidDigest(header: string, { method }: RawRequest, user: { username: string; password: string }): boolean {
  const field = (name: string): string => new RegExp(`\\b${name}="?([^",]+)`).exec(header)?.[1] ?? "";
  const md5 = (text: string): string => createHash("md5").update(text).digest("hex");
  const a1 = md5(`${user.username}:${field("realm")}:${user.password}`);
  const a2 = md5(`${method}:${field("uri")}`);
  return field("response") === md5(`${a1}:n1:${field("nc")}:${field("cnonce")}:auth:${a2}`);
}
