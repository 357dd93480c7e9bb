import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import { digestSecrets } from "../../../node/cli/commands/user/digest-secrets.ts";
import { Softphone } from "../../../node/softphone/softphone.ts";
import { digestResponse } from "../../../node/sip/auth/digest-response.ts";
import { formatCredentials, parseCredentials } from "../../../node/sip/message/credentials.ts";
import type { SipResponse } from "../../../node/sip/message/message.ts";
import { parseMessage } from "../../../node/sip/message/parse-message.ts";
import { EdgeNode } from "../../helpers/edge-node.ts";
import type { RawClient } from "../../sip/harness.ts";
import { rawClient } from "../../sip/harness.ts";

const AOR = parseAor("sip:user@example.com");

describe("A REGISTER that is not what it seems, at a node", () => {
  let node: EdgeNode;
  let client: RawClient;
  const phones: Softphone[] = [];

  beforeEach(async () => {
    node = await EdgeNode.start("digest");
    client = await rawClient(node.listener("UDP"));
  });

  afterEach(async () => {
    client.close();
    await Promise.all(phones.splice(0).map((phone) => phone.vanish()));
    await node.stop();
  });

  async function register(contact: string, authorization?: string): Promise<SipResponse> {
    client.send(
      [
        "REGISTER sip:example.com SIP/2.0",
        `Via: SIP/2.0/UDP client.invalid;rport;branch=z9hG4bK${crypto.randomUUID()}`,
        `From: <${AOR}>;tag=1`,
        `To: <${AOR}>`,
        `Call-ID: ${crypto.randomUUID()}`,
        "CSeq: 1 REGISTER",
        "Max-Forwards: 70",
        `Contact: <${contact}>`,
        ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
        "Content-Length: 0",
        "",
        "",
      ].join("\r\n"),
    );
    return parseMessage(Buffer.from(await client.received.next())) as SipResponse;
  }

  /** What somebody who knows the password answers to a challenge. */
  function credentialsFor(challenged: SipResponse): string {
    const challenge = challenged.headers
      .all("WWW-Authenticate")
      .map(parseCredentials)
      .find(({ params }) => params.get("algorithm") === "MD5");
    const nonce = challenge?.params.get("nonce") ?? "";
    const [realm, uri, nc, cnonce] = ["example.com", "sip:example.com", "00000001", "c"];
    const input = { algorithm: "MD5", nonce, method: "REGISTER", uri, qop: { nc, cnonce } } as const;
    const response = digestResponse(digestSecrets("user", realm, "secret").ha1Md5, input);
    const params = { username: "user", realm, nonce, uri, response, algorithm: "MD5", qop: "auth", nc, cnonce };
    return formatCredentials({ scheme: "digest", params: new Map(Object.entries(params)) });
  }

  it("is challenged when it has the credentials of another, captured, and binds nothing", async () => {
    const sent: string[] = [];
    const { address: host, port } = node.listener("UDP");
    const phone = await Softphone.open({
      aor: AOR,
      server: { transport: "UDP", host, port },
      credentials: { username: "user", password: "secret" },
      onWire: (direction, message) => direction === "sent" && sent.push(message),
    });
    phones.push(phone);
    expect(await phone.register()).to.include({ status: 200 });
    const captured = sent.map((message) => /^Authorization: (.*)\r$/im.exec(message)?.[1]).find(Boolean);
    expect(captured).to.include("nc=00000001");

    const answer = await register(`sip:user@127.0.0.1:${client.port}`, captured);
    expect(answer.status).to.equal(401);
    expect(
      answer.headers.all("WWW-Authenticate").map((each) => parseCredentials(each).params.get("stale")),
    ).to.deep.equal(["true"]);
    expect(node.counters.get("sip.auth.replayed")).to.equal(1);
    expect(node.side.registrar.status()).to.include({ users: 1, contacts: 1 });

    // SIP.js begins each REGISTER with the credentials of the last, which are refused in the same way.
    await phone.unregister();
    const before = node.counters.get("sip.auth.replayed");
    expect(
      (await register(`sip:user@127.0.0.1:${client.port}`, captured)).status,
      "nor when its owner has gone",
    ).to.equal(401);
    expect(node.counters.get("sip.auth.replayed")).to.equal(before + 1);
    expect(node.side.registrar.status()).to.include({ users: 0, contacts: 0 });
  });

  for (const transport of ["UDP", "TCP", "WS"] as const) {
    it(`is refused when its Contact is where the node itself listens on ${transport}, whoever sends it, and binds nothing`, async () => {
      const { address, port } = node.listener(transport);
      const contact = `sip:user@${address}:${port};transport=${transport.toLowerCase()}`;
      const right = credentialsFor(await register("sip:user@192.0.2.1"));
      const before = node.counters.get("edge.refused.403");

      expect(await register(contact, right)).to.include({ status: 403, reason: "Contact Is This Server" });
      expect(node.counters.get("edge.refused.403")).to.equal(before + 1);
      expect(node.side.registrar.status()).to.include({ users: 0, contacts: 0 });
      expect(node.directories.ownersOf(AOR)).to.deep.equal([]);

      // It was for the Contact: with another, these credentials are good.
      expect(await register("sip:user@192.0.2.1", right)).to.include({ status: 200 });
      expect(node.side.registrar.status()).to.include({ users: 1, contacts: 1 });
    });
  }
});
