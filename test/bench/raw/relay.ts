import { createSocket } from "node:dgram";
import { once } from "node:events";
import { contactOf, okTo } from "../sip/user-agent.ts";
import { serveCommands } from "../process/serve-commands.ts";
import { connectAll, listen } from "./pipes.ts";
import type { Pipe } from "./record.ts";

/** One device, one sender of messages, and perhaps another relay: all that a load of the benchmark has. */
const socket = createSocket({ type: "udp4", lookup: (host, _options, callback) => callback(null, host, 4) });
let device: number | undefined;
let sender: number | undefined;
let other: Pipe | undefined;
/** Whether what the device answers goes to the other relay. */
let cameByPipe = false;

socket.on("message", (datagram, { port }) => {
  const first = String.fromCharCode(datagram[0]!);
  // OPTIONS and REGISTER are answered here.
  if (first === "O" || first === "R") return answer(datagram.toString("latin1"), port);
  if (port !== device) [sender, cameByPipe] = [port, false];
  const to = port === device ? (cameByPipe ? undefined : sender) : device;
  if (to !== undefined) socket.send(datagram, to, "127.0.0.1");
  else if (other !== undefined) toOther(datagram);
});

function answer(request: string, port: number): void {
  const contact = contactOf(request);
  if (contact !== "")
    device = /Expires: 0\r/.test(request) ? undefined : Number(contact.slice(contact.lastIndexOf(":") + 1));
  socket.send(okTo(request), port, "127.0.0.1");
}

function toOther(datagram: Buffer): void {
  const framed = Buffer.allocUnsafe(4 + datagram.length);
  framed.writeUInt32LE(datagram.length);
  datagram.copy(framed, 4);
  queue.push(framed);
  if (queue.length > 1) return;
  queueMicrotask(() => other?.write(queue.length === 1 ? queue.pop()! : Buffer.concat(queue.splice(0))));
}

const queue: Buffer[] = [];

function attach(pipe: Pipe): void {
  other = pipe;
  let rest: Buffer = Buffer.alloc(0);
  pipe.onData((chunk) => {
    const octets = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (at + 4 <= octets.length) {
      const end = at + 4 + octets.readUInt32LE(at);
      if (end > octets.length) break;
      if (device !== undefined) cameByPipe = true;
      const to = device ?? sender;
      if (to !== undefined) socket.send(octets.subarray(at + 4, end), to, "127.0.0.1");
      at = end;
    }
    rest = octets.subarray(at);
  });
}

const commands = {
  /** Opens the socket; tells its port, and where another relay connects. */
  async open(): Promise<{ readonly port: number; readonly address: string }> {
    const listening = once(socket, "listening");
    socket.bind(0, "127.0.0.1");
    await listening;
    return { port: socket.address().port, address: await listen.libp2p(attach) };
  },
  async connect(address: string): Promise<void> {
    const [pipe] = await connectAll.libp2p([address]);
    attach(pipe!);
  },
};

/** What a relay can be asked. */
export type RelayCommands = typeof commands;

serveCommands(commands);
