import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { PresenceNotification } from "../../node/softphone/presence-subscription.ts";
import type { ReceivedMessage } from "../../node/softphone/softphone.ts";
import { Softphone } from "../../node/softphone/softphone.ts";
import { eventually } from "../helpers/eventually.ts";
import { DOMAIN, PASSWORD, SessionWorld } from "../scenario/session/session-world.ts";
import { findProgram, freeUdpPort } from "./programs.ts";

describe("SIPp as a client", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  let joe: Softphone;
  let folder: string;
  let program: string;

  before(async function () {
    // Debian: sip-tester
    const found = findProgram("sipp");
    if (found === undefined) return this.skip();
    program = found;
    folder = mkdtempSync(join(tmpdir(), "aorta-sipp-"));
    world = await SessionWorld.of(2, [], [], "digest");
    joe = await Softphone.open({
      aor: `sip:joe@${DOMAIN}`,
      server: { transport: "UDP", host: "127.0.0.1", port: portOf(1, "UDP") },
      credentials: { username: "joe", password: PASSWORD },
    });
    await joe.register();
    await joe.publishPresence({ basic: "open", note: "at his desk" });
  });
  after(async () => {
    await joe?.close();
    await world?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  function portOf(server: number, name: "UDP" | "TCP"): number {
    return world.sides[server]!.stack.listening().find(({ transport }) => transport === name)!.port;
  }

  /** Runs one call of a scenario to its end; its exit status is 0 when every message came as it says. */
  async function run(scenario: string, port: number, transport: "u1" | "t1", ...more: string[]): Promise<void> {
    const options = ["-sf", resolve(`test/interop/sipp/${scenario}.xml`), "-i", "127.0.0.1", "-p", String(port)];
    const once1 = ["-m", "1", "-nostdin", "-timeout", "20", "-timeout_error", "-t", transport];
    const server = `127.0.0.1:${portOf(0, transport === "u1" ? "UDP" : "TCP")}`;
    const trace = ["-trace_err", "-error_file", join(folder, "errors")];
    const child = spawn(program, [...options, ...once1, ...trace, ...more, server], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const [code] = await once(child, "exit");
    expect(code, output).to.equal(0);
  }

  for (const transport of ["u1", "t1"] as const) {
    it(`registers, publishes, watches, and writes over ${transport === "u1" ? "UDP" : "TCP"}`, async () => {
      const [seen, received]: [PresenceNotification[], ReceivedMessage[]] = [[], []];
      const watch = await joe.subscribePresence(`sip:sipp@${DOMAIN}`, (notification) => seen.push(notification));
      const stop = joe.onMessage((message) => received.push(message));
      const users = join(folder, "users.csv");
      writeFileSync(users, `SEQUENTIAL\n${DOMAIN};joe\n`);
      const port = await freeUdpPort();
      // SIPp takes the URI of its credentials from here, not from the request.
      const as = (uri: string) => ["-inf", users, "-auth_uri", uri];
      await run("register", port, transport, ...as(DOMAIN));
      await run("publish", port, transport, ...as(`sipp@${DOMAIN}`));
      await run("write", port, transport, ...as(`joe@${DOMAIN}`));
      expect(received.map(({ text }) => text.trim())).to.deep.equal(["from SIPp"]);
      await eventually(() => seen.some(({ presence }) => presence?.note === "under load"), "SIPp's presence");
      stop();
      await watch.close();
      if (transport === "t1") return;
      const answering = run("answer", port, transport);
      expect((await joe.sendMessage(`sip:sipp@${DOMAIN}`, "to SIPp")).status).to.equal(200);
      await answering;
    });
  }
});
