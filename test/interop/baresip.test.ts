import { expect } from "chai";
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PresenceNotification } from "../../node/softphone/presence-subscription.ts";
import type { ReceivedMessage } from "../../node/softphone/softphone.ts";
import { Softphone } from "../../node/softphone/softphone.ts";
import { eventually } from "../helpers/eventually.ts";
import { DOMAIN, PASSWORD, SessionWorld } from "../scenario/session/session-world.ts";
import { findProgram, freeUdpPort } from "./programs.ts";

const BARRY = `sip:barry@${DOMAIN}`;

describe("baresip as a client", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  let joe: Softphone;
  let folder: string;
  let child: ChildProcess;
  let control: Socket;
  /** What baresip wrote, its events included. */
  let output = "";

  before(async function () {
    // Debian: baresip-core
    const program = findProgram("baresip");
    if (program === undefined) return this.skip();
    world = await SessionWorld.of(2, [], [], "digest");
    joe = await Softphone.open({
      aor: `sip:joe@${DOMAIN}`,
      server: { transport: "UDP", host: "127.0.0.1", port: portOf(1) },
      credentials: { username: "joe", password: PASSWORD },
    });
    await joe.register();
    folder = mkdtempSync(join(tmpdir(), "aorta-baresip-"));
    const port = await freeUdpPort();
    const modules = ["account", "contact", "menu", "presence", "ctrl_tcp"].map((name) => `module_app ${name}.so`);
    const settings = [
      `sip_listen 127.0.0.1:${await freeUdpPort()}`,
      "net_interface 127.0.0.1",
      "module_path /usr/lib/baresip/modules",
      `ctrl_tcp_listen 127.0.0.1:${port}`,
    ];
    writeFileSync(join(folder, "config"), [...settings, ...modules, ""].join("\n"));
    writeFileSync(
      join(folder, "accounts"),
      `<${BARRY};transport=udp>;auth_pass=${PASSWORD};regint=600;pubint=600;outbound="sip:127.0.0.1:${portOf(0)};transport=udp"\n`,
    );
    writeFileSync(join(folder, "contacts"), `"Joe" <${joe.aor}>;presence=p2p\n`);
    child = spawn(program, ["-f", folder], { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk: Buffer) => (output += chunk.toString()));
    control = await connected(port);
    control.on("data", (chunk: Buffer) => (output += chunk.toString()));
  });
  after(async () => {
    control?.destroy();
    if (child !== undefined && child.exitCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    }
    await joe?.close();
    await world?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  function portOf(server: number): number {
    return world.sides[server]!.stack.listening().find(({ transport }) => transport === "UDP")!.port;
  }

  async function connected(port: number): Promise<Socket> {
    for (;;) {
      const socket = connect({ host: "127.0.0.1", port });
      const [event] = await Promise.race([once(socket, "connect").then(() => ["connect"]), once(socket, "error")]);
      if (event === "connect") return socket;
      if (child.exitCode !== null) throw new Error(`baresip ended:\n${output}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** A command of baresip's menu, as a netstring of JSON. */
  function command(name: string, params: string): void {
    const json = JSON.stringify({ command: name, params });
    control.write(`${Buffer.byteLength(json)}:${json},`);
  }

  it("registers, and messages go both ways", async () => {
    await eventually(() => /200 OK .*1 binding/.test(output), "baresip's registration");
    const received: ReceivedMessage[] = [];
    joe.onMessage((message) => received.push(message));
    expect((await joe.sendMessage(BARRY, "to baresip")).status).to.equal(200);
    // To the current contact, of which there is one.
    command("contact_next", "");
    command("message", "from baresip");
    await eventually(() => received.some(({ text }) => text === "from baresip"), "the message at joe");
  });

  it("publishes, watches, and is watched", async () => {
    const seen: PresenceNotification[] = [];
    await joe.subscribePresence(BARRY, (notification) => seen.push(notification));
    await eventually(() => seen.at(-1)?.presence?.basic === "open", "baresip's presence");
    await joe.publishPresence({ basic: "closed", note: "gone" });
    // Its list of contacts shows how each is.
    await eventually(() => {
      command("contacts", "");
      return /Offline[^\n]*joe@/i.test(output.slice(-500));
    }, "joe's presence at baresip");
  });
});
