import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ownPorts } from "../../node/demo/ports.ts";
import { createResponse } from "../../node/sip/message/build.ts";
import { loopbackCertificate } from "../helpers/certificates.ts";
import { eventually } from "../helpers/eventually.ts";
import type { TestStack } from "../sip/harness.ts";
import { rawClient, rawRequest, startStack } from "../sip/harness.ts";
import { findProgram } from "./programs.ts";

/** What HAProxy listens for, what it speaks to the node behind it, and how it says for whom. */
const FRONTS = [
  { from: "TCP", to: "TCP", bind: "", says: "send-proxy" },
  { from: "TLS", to: "TLS", bind: "", says: "send-proxy-v2" },
  { from: "WSS", to: "WSS", bind: "", says: "send-proxy-v2 proxy-v2-options ssl,unique-id" },
  { from: "TLS", to: "TCP", bind: "ssl", says: "send-proxy-v2-ssl-cn" },
  { from: "WSS", to: "WS", bind: "ssl", says: "send-proxy" },
] as const;

describe("HAProxy before a node, with the PROXY protocol", function () {
  this.timeout(30_000);
  let node: TestStack;
  let haproxy: ChildProcess | undefined;
  let folder: string | undefined;
  let ports: readonly number[];
  let log = "";

  before(async function () {
    // Debian: haproxy
    const program = findProgram("haproxy");
    if (program === undefined) return this.skip();
    node = await startStack(["TCP", "TLS", "WS", "WSS"], { proxies: ["127.0.0.1"] });
    ports = await ownPorts(FRONTS.length);
    folder = mkdtempSync(join(tmpdir(), "aorta-haproxy-"));
    const { files, cert } = await loopbackCertificate();
    writeFileSync(join(folder, "own.pem"), `${cert}\n${readFileSync(files.key, "utf8")}`, { mode: 0o600 });
    const fronts = FRONTS.flatMap(({ to, bind, says }, at) => [
      `listen front${at}`,
      `  bind 127.0.0.1:${ports[at]}${bind === "ssl" ? ` ssl crt ${join(folder!, "own.pem")}` : ""}`,
      `  server node 127.0.0.1:${node.address(to).port} ${says}`,
    ]);
    const times = ["connect 5s", "client 1m", "server 1m"].map((each) => `  timeout ${each}`);
    const configuration = ["global", "  maxconn 100", "defaults", "  mode tcp", ...times, ...fronts, ""].join("\n");
    writeFileSync(join(folder, "haproxy.cfg"), configuration);
    haproxy = spawn(program, ["-db", "-f", join(folder, "haproxy.cfg")], { stdio: ["ignore", "ignore", "pipe"] });
    haproxy.stderr?.on("data", (chunk: Buffer) => (log += chunk.toString()));
    let isUp = false;
    const knock = (): void => {
      const socket = connect(ports.at(-1)!, "127.0.0.1", () => {
        isUp = true;
        socket.destroy();
      });
      socket.on("error", () => haproxy?.exitCode === null && setTimeout(knock, 50));
    };
    knock();
    await eventually(() => isUp, "HAProxy").catch((error: unknown) => {
      throw new Error(`HAProxy does not listen: ${log}`, { cause: error });
    });
  });
  after(async () => {
    if (haproxy !== undefined && haproxy.exitCode === null) {
      haproxy.kill("SIGTERM");
      await once(haproxy, "exit");
    }
    await node?.stack.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  for (const [at, { from, to, says }] of FRONTS.entries())
    it(`by ${says} a client over ${from} is known by its own address, over ${to} here`, async () => {
      const client = await rawClient({ transport: from, address: "127.0.0.1", port: ports[at]! });
      client.send(rawRequest({ via: `SIP/2.0/${from} client.invalid;rport`, branch: `z9hG4bK${at}` }));
      const incoming = await node.requests.next();
      expect(incoming.flow).to.deep.include({ transport: to, address: "127.0.0.1" });
      // A WebSocket does not say from which port it comes.
      if (client.port !== 0) expect(incoming.flow).to.deep.include({ port: client.port });
      incoming.respond(createResponse(incoming.request, 200));
      expect(await client.received.next()).to.match(/^SIP\/2\.0 200 /);
      client.close();
      expect(node.counters.get("sip.proxy_headers_refused")).to.equal(0);
    });
});
