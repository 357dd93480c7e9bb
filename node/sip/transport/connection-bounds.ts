import { limits } from "../../runtime/limits.ts";
import type { Backlog } from "./backlog.ts";
import type { TransportComponents } from "./transport.ts";

/** For how long the other end of a connection may keep this server waiting, and how much may wait for it. Beyond, the connection is closed, and counted. */
export class ConnectionBounds {
  readonly #components: TransportComponents;
  readonly #close: () => void;
  readonly #unread: Backlog;
  readonly #unfinished: Backlog;
  #forgetUnfinished: (() => void) | undefined;
  #cancelStranger = (): void => {};
  #cancelDeadline: (() => void) | undefined;

  constructor(components: TransportComponents, close: () => void) {
    this.#components = components;
    this.#close = close;
    this.#unread = components.backlogs.open(() => this.#end("sip.connections_unread"));
    this.#unfinished = components.unfinished.open(() => this.#end("sip.connections_unfinished"));
  }

  /** So many octets are to be sent. @returns what is to be called when the peer has them; `undefined` where it reads too little */
  unread(octets: number): (() => void) | undefined {
    return this.#unread.add(octets);
  }

  /** So much has come of a message that is not whole. */
  unfinished(octets: number): void {
    this.#forgetUnfinished?.();
    this.#forgetUnfinished = octets === 0 ? undefined : this.#unfinished.add(octets);
  }

  /** A message has begun, if none had. The time runs from its first octet, not from the last one: a sender cannot stretch it. */
  startDeadline(): void {
    this.#cancelDeadline ??= this.#components.timers.after(limits.sip.partialMessageMs, () =>
      this.#end("sip.connections_unfinished"),
    );
  }

  /** It is whole. */
  endDeadline(): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = undefined;
  }

  /** A connection of somebody who never says who they are would hold its place for as long as it says anything. */
  expectIdentity(): void {
    const { timers } = this.#components;
    this.#cancelStranger = timers.after(limits.sip.strangerMs, () => this.#end("sip.connections_strange"));
  }

  /** Who is at the other end has shown who they are. */
  known(): void {
    this.#cancelStranger();
  }

  /** Nothing has come or gone for as long as that may be. */
  idle(): void {
    this.#end("sip.connections_idle");
  }

  /** Nobody answers at the other end. */
  silent(): void {
    this.#end("sip.connections_silent");
  }

  /** The connection has closed. */
  closed(): void {
    this.endDeadline();
    this.#cancelStranger();
    this.#unread.end();
    this.#unfinished.end();
  }

  #end(counter: string): void {
    this.#components.counters.add(counter);
    this.#close();
  }
}
