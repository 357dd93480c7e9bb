import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SHIPPED = "docs/kamailio/kamailio.cfg";

/** The real Kamailio. */
export class Kamailio {
  readonly port: number;
  /** What it wrote. */
  log = "";
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(child: ChildProcess, port: number, folder: string) {
    this.#child = child;
    this.port = port;
    this.#folder = folder;
    child.stderr?.on("data", (chunk: Buffer) => (this.log += chunk.toString()));
  }

  /** @param node port of the Aorta node beside it @param options the file `configuration`, instead of the one that is shipped; `NAME` or `NAME=VALUE` for it */
  static async start(
    program: string,
    port: number,
    node: number,
    { configuration = SHIPPED, defines = [] }: { configuration?: string; defines?: readonly string[] } = {},
  ): Promise<Kamailio> {
    const folder = mkdtempSync(join(tmpdir(), "aorta-kamailio-"));
    const all = [
      ...defines,
      `LISTEN=udp:127.0.0.1:${port}`,
      `HERE=127.0.0.1:${port}`,
      `SERVER_ADDRESS="sip:127.0.0.1:${port}"`,
      `NODE=127.0.0.1:${node}`,
    ].flatMap((define) => ["-A", define]);
    const options = ["-DD", "-E", "-f", configuration, "-Y", folder, "-P", join(folder, "pid"), "-m", "32", "-M", "8"];
    const child = spawn(program, [...options, ...all], { stdio: ["ignore", "ignore", "pipe"] });
    const kamailio = new Kamailio(child, port, folder);
    await kamailio.#ready();
    return kamailio;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, "exit");
      this.#child.kill("SIGTERM");
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Answers OPTIONS, as anything that listens does. */
  async #ready(): Promise<void> {
    const { createSocket } = await import("node:dgram");
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    const own = socket.address().port;
    const ping = `OPTIONS sip:127.0.0.1:${this.port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${own};branch=z9hG4bKready;rport\r\nMax-Forwards: 0\r\nFrom: <sip:t@t>;tag=1\r\nTo: <sip:t@t>\r\nCall-ID: ready${own}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n`;
    const answered = once(socket, "message");
    const timer = setInterval(() => socket.send(ping, this.port, "127.0.0.1"), 100);
    try {
      await Promise.race([
        answered,
        once(this.#child, "exit").then(([code]) => {
          throw new Error(`Kamailio ended with ${String(code)}:\n${this.log}`);
        }),
      ]);
    } finally {
      clearInterval(timer);
      socket.close();
    }
  }
}
