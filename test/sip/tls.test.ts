import { createPrivateKey } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import type { TLSSocket } from "node:tls";
import { connect, DEFAULT_CIPHERS } from "node:tls";
import { expect } from "chai";
import { createResponse } from "../../node/sip/message/build.ts";
import { TlsCertificates } from "../../node/sip/transport/tls-certificates.ts";
import { CertificateFolder, certificateFor, loopbackCertificate } from "../helpers/certificates.ts";
import { eventually } from "../helpers/eventually.ts";
import type { TestStack } from "./harness.ts";
import { outgoing, rawClient, rawRequest, startStack } from "./harness.ts";

describe("TLS at the SIP stack", () => {
  const folder = new CertificateFolder();
  const stacks: TestStack[] = [];

  afterEach(async () => {
    for (const { stack } of stacks.splice(0)) await stack.stop();
  });
  after(() => folder.remove());

  async function start(...args: Parameters<typeof startStack>): Promise<TestStack> {
    const made = await startStack(...args);
    stacks.push(made);
    return made;
  }

  /** A connection whose certificate is not checked: what it is, the test looks at. */
  async function dial(server: TestStack, servername?: string): Promise<TLSSocket> {
    const { address, port } = server.address("TLS");
    const socket = connect({ host: address, port, rejectUnauthorized: false, ...(servername && { servername }) });
    await once(socket, "secureConnect");
    return socket;
  }

  const nameIn = (socket: TLSSocket): unknown => socket.getPeerCertificate().subject["CN"];

  it("is 1.2 or newer", async () => {
    const server = await start(["TLS"]);
    const { address, port } = server.address("TLS");
    const old = connect({
      host: address,
      port,
      rejectUnauthorized: false,
      minVersion: "TLSv1",
      maxVersion: "TLSv1.1",
      ciphers: `${DEFAULT_CIPHERS}:@SECLEVEL=0`,
    });
    const [error] = (await once(old, "error")) as [NodeJS.ErrnoException];
    expect(error.code).to.match(/PROTOCOL_VERSION/);
    await eventually(() => server.counters.get("sip.tls_failures") === 1, "the failure is counted");
    const fine = await dial(server);
    expect(fine.getProtocol()).to.be.oneOf(["TLSv1.2", "TLSv1.3"]);
    fine.destroy();
  });

  it("closes on who speaks no TLS, and counts it", async () => {
    const server = await start(["TLS", "WSS"]);
    for (const transport of ["TLS", "WSS"] as const) {
      const { address, port } = server.address(transport);
      const plain = connectTcp(port, address);
      plain.on("error", () => {});
      plain.write(rawRequest());
      await once(plain, "close");
    }
    expect(server.counters.get("sip.tls_failures")).to.equal(2);
    expect(server.requests.unread).to.equal(0);
  });

  it("closes on who does not finish the handshake, and counts it", async () => {
    class Impatient extends TlsCertificates {
      override serverOptions() {
        return { ...super.serverOptions(), handshakeTimeout: 100 };
      }
    }
    const tls = new Impatient([folder.write("slow", await certificateFor(["slow.example.com"]))]);
    const server = await start(["TLS", "WSS"], { tls });
    for (const transport of ["TLS", "WSS"] as const) {
      const { address, port } = server.address(transport);
      const silent = connectTcp(port, address).resume();
      // The head of a ClientHello, and then nothing.
      silent.write(Buffer.from("16030100c8010000c40303", "hex"));
      await once(silent, "close");
    }
    expect(server.counters.get("sip.tls_failures")).to.equal(2);
  });

  it("stops without waiting for who is in a handshake", async () => {
    const server = await startStack(["TLS", "WSS"]);
    const silent = (["TLS", "WSS"] as const).map((transport) => {
      const { address, port } = server.address(transport);
      return connectTcp(port, address).resume();
    });
    await Promise.all(silent.map((socket) => once(socket, "connect")));
    const closed = silent.map((socket) => once(socket, "close"));
    await server.stack.stop();
    await Promise.all(closed);
  });

  it("shows the certificate of the host that a client names, else the first", async () => {
    const [one, two] = await Promise.all([certificateFor(["one.example.com"]), certificateFor(["*.two.example.com"])]);
    const tls = new TlsCertificates([folder.write("one", one), folder.write("two", two)]);
    const server = await start(["TLS"], { tls });
    for (const [servername, expected] of [
      ["one.example.com", "one.example.com"],
      ["a.two.example.com", "*.two.example.com"],
      ["three.example.com", "one.example.com"],
      [undefined, "one.example.com"],
    ] as const) {
      const socket = await dial(server, servername);
      expect(nameIn(socket), servername ?? "no name").to.equal(expected);
      socket.destroy();
    }
  });

  it("takes a renewed certificate for new connections and leaves those it has alone", async () => {
    const [old, renewed] = await Promise.all([
      certificateFor(["old.example.com"]),
      certificateFor(["new.example.com"]),
    ]);
    const files = folder.write("renewed", old);
    const tls = new TlsCertificates([files]);
    const server = await start(["TLS", "WSS"], { tls });
    const before = await dial(server);
    folder.write("renewed", renewed);
    tls.load();
    for (const name of [undefined, "old.example.com"]) {
      const after = await dial(server, name);
      expect(nameIn(after)).to.equal("new.example.com");
      after.destroy();
    }
    before.write(rawRequest());
    (await server.requests.next()).respond(createResponse(outgoing(), 200));
    await once(before, "data");
    before.destroy();

    // An operator's mistake costs nothing: what was in use stays so.
    writeFileSync(files.key, (await certificateFor(["other.example.com"])).key);
    expect(() => tls.load())
      .to.throw("does not belong to the certificate")
      .with.property("code", "KEY_OF_OTHER_CERTIFICATE");
    const still = await dial(server);
    expect(nameIn(still)).to.equal("new.example.com");
    still.destroy();
  });

  for (const [what, code, spoil] of [
    [
      "no certificate",
      "CERTIFICATE_UNREADABLE",
      (pem: { cert: string; key: string }) => ({ ...pem, cert: "nonsense" }),
    ],
    ["no key", "KEY_UNREADABLE", (pem: { cert: string; key: string }) => ({ ...pem, key: "nonsense" })],
    [
      "an encrypted key",
      "KEY_UNREADABLE",
      (pem: { cert: string; key: string }) => ({ ...pem, key: encrypted(pem.key) }),
    ],
  ] as const) {
    it(`does not start where a file holds ${what}, and names the file`, async () => {
      const files = folder.write("spoilt", spoil(await certificateFor(["a.example.com"])));
      const error: unknown = await startStack(["TLS"], { tls: new TlsCertificates([files]) }).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).to.include({ name: "ConfigurationError", code });
      expect(String(error)).to.include(folder.path);
      if (what === "an encrypted key") expect(String(error)).to.include("passphrase");
    });
  }

  it("carries requests between servers that can prove who they are", async () => {
    const a = await start(["TLS"]);
    const b = await start(["TLS"]);
    const { address, port } = b.address("TLS");
    for (const to of [{ address }, { address, host: "sip.example.com" }]) {
      const answer = a.stack.send(outgoing("MESSAGE"), { transport: "TLS", port, ...to });
      const incoming = await b.requests.next();
      expect(incoming.request.headers.get("Via")).to.match(/^SIP\/2\.0\/TLS 127\.0\.0\.1:/);
      incoming.respond(createResponse(incoming.request, 202));
      expect((await answer).status).to.equal(202);
    }
  });

  it("sends nothing to a server that is another, or that nobody vouches for", async () => {
    const { files } = await loopbackCertificate();
    const trusting = await start(["TLS"]);
    const distrusting = await start(["TLS"], { tls: new TlsCertificates([files]) });
    const b = await start(["TLS"]);
    const { address, port } = b.address("TLS");
    const to = { transport: "TLS", address, port } as const;
    expect((await trusting.stack.send(outgoing(), { ...to, host: "sip.example.org" })).status).to.equal(503);
    expect((await distrusting.stack.send(outgoing(), to)).status).to.equal(503);
    expect(b.requests.unread).to.equal(0);
    expect(trusting.counters.get("sip.tls_failures")).to.equal(1);
  });

  it("takes nobody who connected to it for the server at the port that they came from", async () => {
    const server = await start(["TLS"]);
    const peer = await rawClient(server.address("TLS"));
    peer.send(rawRequest({ via: "SIP/2.0/TLS client.invalid" }));
    await server.requests.next();
    const to = { transport: "TLS", address: "127.0.0.1", port: peer.port } as const;
    expect((await server.stack.send(outgoing(), to)).status).to.equal(503);
    expect(peer.received.unread).to.equal(0);
    peer.close();
  });

  it("reaches a client only over the connection that it made", async () => {
    const server = await start(["TLS"]);
    const peer = await rawClient(server.address("TLS"));
    peer.send(rawRequest({ via: `SIP/2.0/TLS 127.0.0.1:${peer.port};alias` }));
    const { flow } = await server.requests.next();
    const answer = server.stack.send(outgoing(), flow);
    expect(await peer.received.next()).to.match(/^OPTIONS /);
    peer.close();
    expect((await answer).status).to.equal(503);
    expect((await server.stack.send(outgoing(), flow)).status).to.equal(503);
  });
});

function encrypted(key: string): string {
  return createPrivateKey(key)
    .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "wonderland" })
    .toString();
}
