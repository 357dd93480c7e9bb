import type { Connection, Stream } from "@libp2p/interface";
import { FrameSplitter } from "../../dht-schema/frame-splitter.ts";
import type { Bye, Hello } from "../../dht-schema/link-frames.ts";
import { SIP_PROTOCOL, frameType } from "../../dht-schema/link-frames.ts";
import { SchemaError } from "../../dht-schema/schema-error.ts";
import type { Clock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import type { Counters } from "../runtime/metrics.ts";
import { meshCounter } from "./counters.ts";
import type { LinkEffect, PeerHello, RosterMark } from "./link-core.ts";
import { LinkCore } from "./link-core.ts";
import type { MeshChannel } from "./mesh.ts";
import { Outbox } from "./outbox.ts";

/** What a link tells its owner. */
export interface LinkOwner {
  up(link: Link, peer: PeerHello): void;
  /** The last word of a link. */
  closed(link: Link, bye: Bye): void;
  /** A data frame; the message is a view that is valid for good but keeps its chunk alive. */
  message(channel: MeshChannel, message: Uint8Array): void;
  /** The peer pushed a roster. */
  roster(link: Link, signed: Uint8Array): void;
  /** The peer said that it has another roster than before. */
  rosterMark(link: Link): void;
  /** The peer has been sent our roster more than once and still says that it has an older one. */
  rosterRefused(link: Link): void;
  /** Our roster, to push. */
  signedRoster(): Uint8Array;
}

export interface LinkContext {
  readonly clock: Clock;
  readonly counters: Counters;
}

/** Joins a {@link LinkCore} to two libp2p streams. */
export class Link {
  readonly connection: Connection;
  readonly role: "opener" | "acceptor";
  readonly #core: LinkCore;
  readonly #owner: LinkOwner;
  readonly #context: LinkContext;
  readonly #control: Outbox;
  #sip: { readonly stream: Stream; readonly outbox: Outbox } | undefined;
  readonly #byeHeard = Promise.withResolvers<void>();
  /** Whether it was the peer that said goodbye. */
  isByeHeard = false;
  framesIn = 0;
  bytesIn = 0;

  constructor(
    role: "opener" | "acceptor",
    connection: Connection,
    stream: Stream,
    hello: Hello,
    owner: LinkOwner,
    context: LinkContext,
  ) {
    this.role = role;
    this.connection = connection;
    this.#owner = owner;
    this.#context = context;
    this.#core = new LinkCore(role, hello, context.clock.monotonicMs());
    this.#control = new Outbox(stream, (error) => this.#run(this.#core.lost(error.message)));
    this.#run(this.#core.open());
    this.#watch(stream);
    this.#read(stream, "directory");
  }

  get state(): LinkCore["state"] {
    return this.#core.state;
  }

  get roundTripMs(): number | undefined {
    return this.#core.roundTripMs;
  }

  get peerRoster(): RosterMark | undefined {
    return this.#core.peerRoster;
  }

  get framesOut(): number {
    return this.#control.framesOut + (this.#sip?.outbox.framesOut ?? 0);
  }

  get bytesOut(): number {
    return this.#control.bytesOut + (this.#sip?.outbox.bytesOut ?? 0);
  }

  /** Queues a message; false when the link is not up, or the queue is full (counted). */
  send(channel: MeshChannel, message: Uint8Array): boolean {
    if (!this.#core.mayReceive || this.#sip === undefined) return false;
    if (message.length >= limits.mesh.frameBytes) {
      this.#context.counters.add(meshCounter.sendsOversized);
      return false;
    }
    const queued = (channel === "sip" ? this.#sip.outbox : this.#control).data(message);
    if (!queued) this.#context.counters.add(meshCounter.sendsRefused);
    return queued;
  }

  /** The peer opened the SIP stream of this link. */
  attachSip(stream: Stream): void {
    this.#sip = { stream, outbox: new Outbox(stream, (error) => this.#run(this.#core.lost(error.message))) };
    this.#watch(stream);
    this.#run(this.#core.attached());
  }

  rosterChanged(mark: RosterMark, push: boolean): void {
    this.#run(this.#core.rosterChanged(mark, push));
  }

  /** We have what the peer pushed, or something newer. */
  rosterTaken(): void {
    this.#run(this.#core.rosterTaken(this.#context.clock.monotonicMs()));
  }

  /** The peer is no longer in the roster: it is shown so, and the link ends. */
  removed(): void {
    this.#run(this.#core.removed());
  }

  tick(nowMs: number, pace: number): void {
    this.#run(this.#core.tick(nowMs, pace));
  }

  /** Resolves when all messages have been written, on both channels. */
  async emptied(): Promise<void> {
    await Promise.all([this.#control.emptied(), this.#sip?.outbox.emptied()]);
  }

  /** Resolves when the peer has said goodbye, or the connection is closed. */
  async parted(): Promise<void> {
    const { connection } = this;
    if (connection.status === "closed" || connection.status === "aborted") return;
    await Promise.race([
      this.#byeHeard.promise,
      new Promise<void>((resolve) => connection.addEventListener("close", () => resolve(), { once: true })),
    ]);
  }

  end(bye: Bye): void {
    this.#run(this.#core.end(bye));
  }

  #read(stream: Stream, channel: MeshChannel): void {
    const splitter = new FrameSplitter(limits.mesh.frameBytes);
    stream.addEventListener("message", ({ data }) => {
      const chunk = data instanceof Uint8Array ? data : data.subarray();
      this.bytesIn += chunk.length;
      const nowMs = this.#context.clock.monotonicMs();
      this.#core.heard(nowMs);
      try {
        splitter.push(chunk, (type, body) => this.#frame(channel, type, body, nowMs));
      } catch (error) {
        if (!(error instanceof SchemaError)) throw error;
        this.#run(this.#core.broken(error));
      }
    });
  }

  /** A link ends with either of its streams, and with either half of it. */
  #watch(stream: Stream): void {
    stream.addEventListener("close", (event) =>
      this.#run(this.#core.lost(event.error?.message ?? "the stream was closed")),
    );
    stream.addEventListener("remoteCloseWrite", () => this.#run(this.#core.lost("the peer closed the stream")));
  }

  /** Returns whether to go on reading. */
  #frame(channel: MeshChannel, type: number, body: Uint8Array, nowMs: number): boolean {
    this.framesIn++;
    if (type === frameType.bye) {
      this.isByeHeard = true;
      this.#byeHeard.resolve();
    }
    if (type === frameType.data && this.#core.mayReceive) {
      this.#owner.message(channel, body);
    } else if (channel === "sip") {
      this.#run(this.#core.broken(new SchemaError("BAD_FRAME", "control frame on the SIP stream")));
    } else {
      this.#run(this.#core.frame(type, body, nowMs));
    }
    return this.#core.state.kind !== "closed";
  }

  #run(effects: readonly LinkEffect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case "send":
          this.#control.control(effect.type, effect.body);
          break;
        case "open-sip":
          void this.#openSip();
          break;
        case "up":
          // Read only now: octets that came early wait in the stream.
          if (this.#sip !== undefined) this.#read(this.#sip.stream, "sip");
          this.#owner.up(this, effect.peer);
          break;
        case "roster":
          this.#owner.roster(this, effect.signed);
          break;
        case "roster-refused":
          this.#owner.rosterRefused(this);
          break;
        case "peer-mark":
          this.#owner.rosterMark(this);
          break;
        case "push-roster":
          this.#control.control(frameType.roster, this.#owner.signedRoster());
          break;
        case "close":
          if (effect.counter !== undefined) this.#context.counters.add(effect.counter);
          this.#control.flush();
          this.#owner.closed(this, effect.bye);
          break;
      }
    }
  }

  async #openSip(): Promise<void> {
    try {
      const stream = await this.connection.newStream(SIP_PROTOCOL, {
        signal: AbortSignal.timeout(limits.mesh.greetMs),
      });
      if (this.#core.state.kind === "closed") stream.abort(new Error("the link is closed"));
      else this.attachSip(stream);
    } catch (error) {
      this.#run(this.#core.lost(`could not open the SIP stream: ${(error as Error).message}`));
    }
  }
}
