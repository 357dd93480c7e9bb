import type { Socket } from "node:net";
import { limits } from "../../runtime/limits.ts";
import { StreamFramer } from "../message/framer.ts";
import type { SocketFlow } from "../stack.ts";
import { ConnectionBounds } from "./connection-bounds.ts";
import type { TransportComponents } from "./transport.ts";

const PONG = Buffer.from("\r\n");

/**
 * One TCP or TLS connection: frames what arrives, and closes on a peer that sends too slowly or reads too slowly.
 * @see RFC 3261 §18.3; RFC 5626 §4.4.1
 */
export class StreamConnection {
  readonly flow: SocketFlow;
  readonly #socket: Socket;
  readonly #components: TransportComponents;
  readonly bounds: ConnectionBounds;
  readonly #framer = new StreamFramer();
  /** Whoever is to be told when the connection is not made; `undefined` once it is. */
  #unsent: ((reason: string) => void)[] | undefined;
  #isFirstExpected = false;

  /** @param flow names this connection */
  constructor(socket: Socket, flow: SocketFlow, components: TransportComponents) {
    this.#socket = socket;
    this.flow = flow;
    this.#components = components;
    this.bounds = new ConnectionBounds(components, () => this.close());
    socket.setNoDelay(true);
    socket.setKeepAlive(true, limits.sip.keepAliveMs);
    socket.setTimeout(limits.sip.idleConnectionMs, () => this.bounds.idle());
    socket.on("data", (chunk) => this.#receive(chunk));
    socket.on("close", () => {
      this.bounds.closed();
      for (const failed of this.#unsent ?? []) failed("no connection");
    });
  }

  /** A connection that says nothing at all would hold its memory for the whole idle time: it gets the time of one message. */
  expectMessage(): void {
    this.#isFirstExpected = true;
    this.bounds.startDeadline();
  }

  /** Nothing leaves before this event of the socket: where it does not come, none of what was sent has reached anybody. */
  sendFrom(event: "connect" | "secureConnect"): void {
    this.#unsent = [];
    this.#socket.once(event, () => (this.#unsent = undefined));
  }

  /** Whether anything can be sent: not from the moment on in which the peer has ended it. */
  get isOpen(): boolean {
    return this.#socket.writable;
  }

  send(bytes: Uint8Array, failed: (reason: string) => void): void {
    const socket = this.#socket;
    if (!this.isOpen) return failed("connection closed");
    const written = this.bounds.unread(bytes.length);
    if (written === undefined) return failed("peer does not read");
    this.#unsent?.push(failed);
    socket.write(bytes, written);
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    const { events, sources, clock } = this.#components;
    let waitMs = 0;
    for (const event of this.#framer.push(chunk)) {
      // A handler may have closed the connection while earlier messages of this chunk were handled.
      if (this.#socket.destroyed) return;
      if (event.kind !== "broken") {
        const octets = event.kind === "message" ? event.bytes.length : 0;
        waitMs = sources.message(this.flow.address, clock.monotonicMs(), octets);
      }
      switch (event.kind) {
        case "message":
          this.#isFirstExpected = false;
          this.bounds.endDeadline();
          events.received(event.bytes, this.flow);
          break;
        case "ping":
          this.send(PONG, () => {});
          break;
        case "broken":
          events.broken(event.error, this.flow);
          // Where the next message starts is unknown, so nothing more is read; the answer still leaves, if the peer takes it soon.
          this.#socket.removeAllListeners("data");
          this.#socket.destroySoon();
          this.bounds.startDeadline();
          return;
      }
    }
    this.bounds.unfinished(this.#framer.partialBytes);
    if (waitMs > 0) this.#rest(waitMs);
    else this.#noteExpected();
  }

  /** A keep-alive in two pieces begins a message no more than a whole one does. */
  #noteExpected(): void {
    if (this.#framer.partial || this.#isFirstExpected) this.bounds.startDeadline();
    else this.bounds.endDeadline();
  }

  /** What is not read stays with the sender: TCP's own window slows it down, and nothing is lost. */
  #rest(waitMs: number): void {
    const { timers, counters } = this.#components;
    counters.add("sip.flood_slowed");
    this.bounds.endDeadline();
    this.#socket.pause();
    const cancel = timers.after(waitMs, () => {
      this.#socket.off("close", cancel);
      this.#socket.resume();
      this.#noteExpected();
    });
    this.#socket.once("close", cancel);
  }
}
