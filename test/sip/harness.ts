import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { WebSocket } from "ws";
import { silentLogger } from "../../node/runtime/logger.ts";
import type { Counters } from "../../node/runtime/metrics.ts";
import { createCounters } from "../../node/runtime/metrics.ts";
import { createRequest } from "../../node/sip/message/build.ts";
import type { SipRequest } from "../../node/sip/message/message.ts";
import { formatHostPort } from "../../node/sip/message/uri.ts";
import type { SipStackOptions } from "../../node/sip/sip-stack.ts";
import { createSipStack } from "../../node/sip/sip-stack.ts";
import type {
  IncomingRequest,
  ListenAddress,
  SipKeepAlives,
  SipSessions,
  SipStack,
  SocketTransport,
} from "../../node/sip/stack.ts";
import { TlsCertificates } from "../../node/sip/transport/tls-certificates.ts";
import { loopbackCertificate } from "../helpers/certificates.ts";

/** Values as they come, to be waited for one after the other. */
export class Inbox<T> {
  readonly #values: T[] = [];
  readonly #waiting: ((value: T) => void)[] = [];

  put(value: T): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#values.push(value);
    else waiting(value);
  }

  /** Values that nobody has waited for. */
  get unread(): number {
    return this.#values.length;
  }

  /** The next value, which has to come within the deadline. */
  async next(deadlineMs = 5000): Promise<T> {
    const value = this.#values.shift();
    if (value !== undefined) return value;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.push(resolve);
    const timer = setTimeout(() => reject(new Error(`nothing came within ${deadlineMs} ms`)), deadlineMs);
    return promise.finally(() => clearTimeout(timer));
  }
}

/** Certificates of a server on loopback, whose clients and peers trust them. */
export async function loopbackTls(): Promise<TlsCertificates> {
  const { files } = await loopbackCertificate();
  return new TlsCertificates([files], files.certificate);
}

/** A stack on free ports of loopback, with every request it hands up. */
export interface TestStack {
  readonly stack: SipStack & SipSessions & SipKeepAlives;
  readonly counters: Counters;
  readonly requests: Inbox<IncomingRequest>;
  address(transport: SocketTransport): ListenAddress;
}

export async function startStack(
  listen: readonly (SocketTransport | ListenAddress)[],
  options: Partial<SipStackOptions> = {},
): Promise<TestStack> {
  const counters = createCounters();
  const where = listen.map((each) =>
    typeof each === "string" ? { transport: each, address: "127.0.0.1", port: 0 } : each,
  );
  const isTls = where.some(({ transport }) => transport === "TLS" || transport === "WSS");
  const stack = createSipStack({
    listen: where,
    ...(isTls ? { tls: await loopbackTls() } : undefined),
    logger: silentLogger,
    counters,
    ...options,
  });
  const requests = new Inbox<IncomingRequest>();
  stack.onRequest((incoming) => requests.put(incoming));
  await stack.start();
  return {
    stack,
    counters,
    requests,
    address: (transport) => stack.listening().find((each) => each.transport === transport) as ListenAddress,
  };
}

/** A client that knows nothing of SIP: it sends and receives octets. */
export interface RawClient {
  send(octets: string | Uint8Array): void;
  readonly received: Inbox<string>;
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<void>;
  readonly port: number;
  /** Reads no more. */
  pause(): void;
  close(): void;
}

export async function rawClient(to: ListenAddress): Promise<RawClient> {
  const received = new Inbox<string>();
  switch (to.transport) {
    case "UDP": {
      const socket = createSocket(to.address.includes(":") ? "udp6" : "udp4");
      socket.on("message", (bytes) => received.put(bytes.toString()));
      socket.bind(0, to.address);
      await once(socket, "listening");
      return {
        send: (octets) => socket.send(octets, to.port, to.address),
        received,
        closed: new Promise(() => {}),
        port: socket.address().port,
        pause: () => {},
        close: () => socket.close(),
      };
    }
    case "TCP":
    case "TLS": {
      const where = { host: to.address, port: to.port };
      const socket =
        to.transport === "TCP" ? connect(where) : connectTls({ ...where, ca: (await loopbackCertificate()).cert });
      await once(socket, to.transport === "TCP" ? "connect" : "secureConnect");
      const { localPort = 0 } = socket;
      socket.setNoDelay(true);
      socket.on("data", (bytes) => received.put(bytes.toString()));
      socket.on("error", () => {});
      return {
        send: (octets) => void socket.write(octets),
        received,
        closed: once(socket, "close").then(() => {}),
        port: localPort,
        pause: () => void socket.pause(),
        close: () => socket.destroy(),
      };
    }
    case "WS":
    case "WSS": {
      const where = `${to.transport.toLowerCase()}://${formatHostPort(to.address, to.port)}/`;
      const ca = to.transport === "WSS" ? (await loopbackCertificate()).cert : undefined;
      const socket = new WebSocket(where, "sip", ca === undefined ? {} : { ca });
      await once(socket, "open");
      socket.on("message", (data) => received.put((data as Buffer).toString()));
      socket.on("error", () => {});
      return {
        send: (octets) => socket.send(octets),
        received,
        closed: once(socket, "close").then(() => {}),
        port: 0,
        pause: () => socket.pause(),
        close: () => socket.terminate(),
      };
    }
  }
}

/** A request as a client would write it. */
export function rawRequest(
  fields: {
    method?: string;
    branch?: string;
    via?: string;
    callId?: string;
    cseq?: number;
    body?: string;
    extra?: string;
  } = {},
): string {
  const { method = "OPTIONS", branch = "z9hG4bK1", callId = "call-1", cseq = 1, body = "", extra = "" } = fields;
  const via = fields.via ?? "SIP/2.0/UDP client.invalid;rport";
  return [
    `${method} sip:example.com SIP/2.0`,
    `Via: ${via};branch=${branch}`,
    "From: <sip:joe@example.com>;tag=j1",
    "To: <sip:example.com>",
    `Call-ID: ${callId}`,
    `CSeq: ${cseq} ${method}`,
    "Max-Forwards: 70",
    `${extra}Content-Length: ${Buffer.byteLength(body)}`,
    "",
    body,
  ].join("\r\n");
}

/** A request as the node above the stack makes it. */
export function outgoing(method = "OPTIONS"): SipRequest {
  return createRequest({ method, uri: "sip:example.com", from: "<sip:a@b>;tag=1", to: "<sip:example.com>" });
}
