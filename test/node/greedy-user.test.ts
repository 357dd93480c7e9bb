import { expect } from "chai";
import { digestSecrets } from "../../node/cli/commands/user/digest-secrets.ts";
import { limits } from "../../node/runtime/limits.ts";
import { digestResponse } from "../../node/sip/auth/digest-response.ts";
import { formatCredentials, parseCredentials } from "../../node/sip/message/credentials.ts";
import type { SipResponse } from "../../node/sip/message/message.ts";
import { parseMessage } from "../../node/sip/message/parse-message.ts";
import { EdgeNode } from "../helpers/edge-node.ts";
import type { RawClient } from "../sip/harness.ts";
import { rawClient } from "../sip/harness.ts";

const URI = "sip:user@example.com";
const AT_ONCE = 8;

/** About as much as one may publish, and dear to compose. */
const DOCUMENT =
  `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${URI}">` +
  Array.from({ length: 700 }, (_, i) => `<note>${i}</note>`).join("") +
  `</presence>`;

describe("A user who asks for more than a node has time for", () => {
  let node: EdgeNode;
  let client: RawClient;

  beforeEach(async () => {
    node = await EdgeNode.start("digest");
    client = await rawClient(node.listener("UDP"));
  });

  afterEach(async () => {
    client.close();
    await node.stop();
  });

  it("is told to come back later, after much that was served", async () => {
    let sent = 0;
    const publish = (nonce?: string): void => {
      const nc = (++sent).toString(16).padStart(8, "0");
      const qop = { nc, cnonce: "c" };
      const input = { algorithm: "MD5", nonce: nonce ?? "", method: "PUBLISH", uri: URI, qop } as const;
      const response = digestResponse(digestSecrets("user", "example.com", "secret").ha1Md5, input);
      const params = { username: "user", realm: "example.com", nonce: nonce ?? "", uri: URI, response, ...qop };
      const credentials = formatCredentials({
        scheme: "digest",
        params: new Map(Object.entries({ ...params, algorithm: "MD5", qop: "auth" })),
      });
      client.send(
        [
          `PUBLISH ${URI} SIP/2.0`,
          `Via: SIP/2.0/UDP client.invalid;rport;branch=z9hG4bK${sent}`,
          `From: <${URI}>;tag=1`,
          `To: <${URI}>`,
          `Call-ID: ${sent}`,
          "CSeq: 1 PUBLISH",
          "Max-Forwards: 70",
          "Event: presence",
          "Expires: 600",
          "Content-Type: application/pidf+xml",
          ...(nonce === undefined ? [] : [`Authorization: ${credentials}`]),
          `Content-Length: ${DOCUMENT.length}`,
          "",
          DOCUMENT,
        ].join("\r\n"),
      );
    };
    const answer = async () => parseMessage(Buffer.from(await client.received.next())) as SipResponse;

    publish();
    const nonce = parseCredentials((await answer()).headers.get("WWW-Authenticate") ?? "").params.get("nonce") ?? "";
    for (let i = 0; i < AT_ONCE; i++) publish(nonce);
    let served = 0;
    let refused: SipResponse | undefined;
    // There is an end to it where nobody is ever refused.
    while (refused === undefined && sent < 1_500) {
      const next = await answer();
      if (next.status === 200) served++;
      else refused = next;
      publish(nonce);
    }
    expect(refused?.status).to.equal(480);
    expect(refused?.headers.get("Retry-After")).to.equal(String(limits.sip.retryAfterSeconds));
    expect(served).to.be.greaterThan(0);
    expect(node.counters.get("federation.over_time")).to.be.greaterThan(0);
  });
});
