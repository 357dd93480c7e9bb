import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { WebSocketServer } from "ws";

/** A request as the responder reads it: lines split at the colon, nothing more. */
export interface RawRequest {
  readonly method: string;
  readonly uri: string;
  readonly body: string;
  header(name: string): string | undefined;
}

/** What goes back: a status, with more header lines. `undefined`: the request is ignored, as if lost. */
export type RawAnswer = { status: string; headers?: readonly string[]; body?: string } | undefined;

/** Sends a text to the client that the request came from. */
export type SendRaw = (message: string) => void;

/**
 * A server end that knows just enough SIP to answer a client under test, written without the server's stack so that
 * the two cannot share a mistake.
 */
export class SipResponder {
  readonly requests: RawRequest[] = [];
  readonly port: number;
  readonly #close: () => Promise<void>;

  private constructor(port: number, close: () => Promise<void>) {
    this.port = port;
    this.#close = close;
  }

  static async listen(
    transport: "UDP" | "TCP" | "WS",
    answer: (request: RawRequest, send: SendRaw) => RawAnswer,
  ): Promise<SipResponder> {
    const receive = (text: string, send: SendRaw): void => {
      if (text.startsWith("SIP/2.0") || text.trim() === "") return;
      const request = parse(text);
      responder.requests.push(request);
      const given = answer(request, send);
      if (given !== undefined) send(respond(request, given));
    };
    const { port, close } = await listeners[transport](receive);
    const responder = new SipResponder(port, close);
    return responder;
  }

  close(): Promise<void> {
    return this.#close();
  }
}

type Receive = (text: string, send: SendRaw) => void;
type Listener = (receive: Receive) => Promise<{ port: number; close: () => Promise<void> }>;

const listeners: Record<"UDP" | "TCP" | "WS", Listener> = {
  UDP: async (receive) => {
    const socket = createSocket("udp4", (data, { address, port }) =>
      receive(data.toString(), (message) => socket.send(message, port, address)),
    );
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return { port: socket.address().port, close: async () => void socket.close() };
  },
  TCP: async (receive) => {
    const server = createServer((socket) => {
      let buffer = "";
      socket.on("error", () => socket.destroy());
      socket.setEncoding("latin1").on("data", (chunk) => {
        buffer += chunk;
        for (;;) {
          const head = buffer.indexOf("\r\n\r\n");
          const length = Number(/^content-length:\s*(\d+)/im.exec(buffer)?.[1] ?? 0);
          if (head < 0 || buffer.length < head + 4 + length) return;
          const text = Buffer.from(buffer.slice(0, head + 4 + length), "latin1").toString();
          buffer = buffer.slice(head + 4 + length);
          receive(text, (message) => socket.write(message));
        }
      });
      sockets.add(socket);
    });
    const sockets = new Set<{ destroy(): void }>();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const close = async (): Promise<void> => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    };
    return { port: (server.address() as { port: number }).port, close };
  },
  WS: async (receive) => {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: () => "sip" });
    server.on("connection", (socket) =>
      socket.on("message", (data) => receive((data as Buffer).toString(), (message) => socket.send(message))),
    );
    await once(server, "listening");
    const close = async (): Promise<void> => {
      for (const client of server.clients) client.terminate();
      server.close();
      await once(server, "close");
    };
    return { port: (server.address() as { port: number }).port, close };
  },
};

function parse(text: string): RawRequest {
  const [head = "", body = ""] = text.split(/\r\n\r\n(.*)/s);
  const [start = "", ...lines] = head.split("\r\n");
  const [method = "", uri = ""] = start.split(" ");
  const headers = lines.map((line) => [line.split(":", 1)[0]!.toLowerCase(), line.replace(/^[^:]*:\s*/, "")] as const);
  return { method, uri, body, header: (name) => headers.find(([key]) => key === name.toLowerCase())?.[1] };
}

/** The text of a response to a request. */
export function respond(request: RawRequest, { status, headers = [], body = "" }: NonNullable<RawAnswer>): string {
  const to = request.header("To")!;
  return [
    `SIP/2.0 ${status}`,
    `Via: ${request.header("Via")}`,
    `From: ${request.header("From")}`,
    `To: ${to.includes("tag=") ? to : `${to};tag=responder`}`,
    `Call-ID: ${request.header("Call-ID")}`,
    `CSeq: ${request.header("CSeq")}`,
    ...headers,
    `Content-Length: ${Buffer.byteLength(body)}`,
    "",
    body,
  ].join("\r\n");
}
