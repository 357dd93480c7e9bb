import type { Bye, Hello } from "../../dht-schema/link-frames.ts";
import {
  decodeBye,
  decodeHello,
  decodePing,
  encodeBye,
  encodeHello,
  encodePing,
  frameType,
} from "../../dht-schema/link-frames.ts";
import { SchemaError } from "../../dht-schema/schema-error.ts";
import { limits } from "../runtime/limits.ts";
import { meshCounter } from "./counters.ts";
import { Liveness } from "./liveness.ts";

/** Which roster a server has. */
export interface RosterMark {
  readonly rosterVersion: number;
  readonly rosterRevision: number;
  readonly rosterDigest: number;
}

/** Whether the roster of `a` is newer than that of `b`. */
export function isNewerMark(a: RosterMark, b: RosterMark): boolean {
  if (a.rosterVersion !== b.rosterVersion) return a.rosterVersion > b.rosterVersion;
  return a.rosterRevision > b.rosterRevision;
}

/** Whether the two are different rosters of the same version and revision. */
export function isForkedMark(a: RosterMark, b: RosterMark): boolean {
  return a.rosterDigest !== b.rosterDigest && !isNewerMark(a, b) && !isNewerMark(b, a);
}

export type LinkState =
  /** Our HELLO is out, the peer's is awaited. */
  | { readonly kind: "greeting"; readonly untilMs: number }
  /** HELLOs agree; the SIP stream is being opened, by us or by the peer. */
  | {
      readonly kind: "attaching";
      readonly untilMs: number;
      readonly peer: PeerHello;
      readonly attached: boolean;
      readonly peerReady: boolean;
    }
  /** Data flows both ways. */
  | { readonly kind: "up"; readonly peer: PeerHello }
  | { readonly kind: "closed"; readonly bye: Bye };

/** What the peer said of itself, and the protocol version both speak. */
export interface PeerHello {
  readonly hello: Hello;
  readonly protocol: number;
}

export type LinkEffect =
  | { readonly kind: "send"; readonly type: number; readonly body: Uint8Array }
  /** Open the SIP stream, then call `attached`. */
  | { readonly kind: "open-sip" }
  | { readonly kind: "up"; readonly peer: PeerHello }
  /** The peer pushed a roster: verify and store it. */
  | { readonly kind: "roster"; readonly signed: Uint8Array }
  /** The peer has an older roster than ours: push the signed one. */
  | { readonly kind: "push-roster" }
  /** The peer was sent our roster and still says that it has an older one. */
  | { readonly kind: "roster-refused" }
  /** The peer said that it has another roster than before: see `peerRoster`. */
  | { readonly kind: "peer-mark" }
  /** The link is over; `counter` is what to count, if anything. */
  | { readonly kind: "close"; readonly bye: Bye; readonly counter?: string };

const NOTHING: readonly LinkEffect[] = [];

/** The state machine of one link. Sans-I/O: frames and time come in, effects go out. Data frames pass it by, but for {@link mayReceive}. */
export class LinkCore {
  readonly #role: "opener" | "acceptor";
  readonly #hello: Hello;
  readonly #liveness: Liveness;
  #ours: RosterMark;
  /** What the peer last said. */
  #said: RosterMark | undefined;
  /** What it is taken to have: what it said, or was sent since. */
  #theirs: RosterMark | undefined;
  /** Digest of the roster that it was sent last. */
  #pushed: number | undefined;
  #state: LinkState;

  constructor(role: "opener" | "acceptor", hello: Hello, nowMs: number) {
    this.#role = role;
    this.#hello = hello;
    this.#ours = hello;
    this.#liveness = new Liveness(nowMs);
    this.#state = { kind: "greeting", untilMs: nowMs + limits.mesh.greetMs };
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Smoothed round trip, ms. */
  get roundTripMs(): number | undefined {
    return this.#liveness.roundTripMs;
  }

  /** The roster the peer last said it has. */
  get peerRoster(): RosterMark | undefined {
    return this.#said;
  }

  /** First effects of a link. */
  open(): readonly LinkEffect[] {
    return [{ kind: "send", type: frameType.hello, body: encodeHello(this.#hello) }];
  }

  /** Octets came, whatever they are. */
  heard(nowMs: number): void {
    this.#liveness.heard(nowMs);
  }

  /** Whether a data frame is in order now. */
  get mayReceive(): boolean {
    return this.#state.kind === "up";
  }

  /** A control frame came. Broken rules close the link. */
  frame(type: number, body: Uint8Array, nowMs: number): readonly LinkEffect[] {
    if (this.#state.kind === "closed") return NOTHING;
    try {
      return this.#frame(type, body, nowMs);
    } catch (error) {
      if (!(error instanceof SchemaError)) throw error;
      return this.broken(error);
    }
  }

  /** any → closed, for a rule that the peer broke. */
  broken(error: SchemaError): readonly LinkEffect[] {
    const counter =
      error.code === "UNKNOWN_VERSION"
        ? meshCounter.versionsIncompatible
        : error.code === "FRAME_TOO_LARGE"
          ? meshCounter.framesOversized
          : meshCounter.framesMalformed;
    return this.#close({ code: error.code, reason: error.message }, { counter });
  }

  /** The SIP stream is open, opened by us or by the peer: attaching → attaching | up */
  attached(): readonly LinkEffect[] {
    if (this.#state.kind !== "attaching" || this.#state.attached) {
      return this.broken(new SchemaError("BAD_FRAME", "SIP stream out of turn"));
    }
    const ready: LinkEffect = { kind: "send", type: frameType.ready, body: new Uint8Array() };
    this.#state = { ...this.#state, attached: true };
    return [ready, ...this.#upWhenReady()];
  }

  /** Our roster changed; `push` when it is for us to tell everybody. */
  rosterChanged(mark: RosterMark, push: boolean): readonly LinkEffect[] {
    this.#ours = mark;
    return push ? this.#pushIfOlder() : NOTHING;
  }

  /** We have what the peer pushed, or something newer: it learns so at once. */
  rosterTaken(nowMs: number): readonly LinkEffect[] {
    return this.#state.kind === "up" ? [this.#ping(nowMs)] : NOTHING;
  }

  /** any → closed: the peer is no longer in the roster, and this roster shows it. */
  removed(): readonly LinkEffect[] {
    const isGreeted = this.#state.kind === "up" || this.#state.kind === "attaching";
    const push: LinkEffect[] = isGreeted ? [{ kind: "push-roster" }] : [];
    return [...push, ...this.#close({ code: "REMOVED", reason: "the server is no longer in the roster" })];
  }

  /** @param pace how many times slower than in a small domain idle links are pinged */
  tick(nowMs: number, pace = 1): readonly LinkEffect[] {
    switch (this.#state.kind) {
      case "closed":
        return NOTHING;
      case "greeting":
      case "attaching": {
        if (nowMs < this.#state.untilMs) return NOTHING;
        const awaited = this.#state.kind === "greeting" ? "HELLO" : "READY";
        return this.#close(
          { code: "GREETING_LATE", reason: `no ${awaited} within ${limits.mesh.greetMs} ms` },
          { counter: meshCounter.greetingsLate },
        );
      }
      case "up":
        break;
    }
    const verdict = this.#liveness.tick(nowMs, pace);
    if (verdict === "well") return NOTHING;
    if (verdict === "ping") return [this.#ping(nowMs)];
    return this.#close(
      { code: "SILENT", reason: `nothing heard for ${Math.round(limits.mesh.silentMs * pace)} ms` },
      { counter: meshCounter.linksSilent },
    );
  }

  /** any → closed, by our own decision. */
  end(bye: Bye): readonly LinkEffect[] {
    return this.#close(bye);
  }

  /** any → closed, because a stream below has gone. */
  lost(reason: string): readonly LinkEffect[] {
    return this.#close({ code: "LOST", reason }, { tell: false });
  }

  #frame(type: number, body: Uint8Array, nowMs: number): readonly LinkEffect[] {
    if (type === frameType.bye) {
      const { code, reason } = decodeBye(body);
      return this.#close({ code, reason: `the peer closed: ${reason}` }, { tell: false });
    }
    if (this.#state.kind === "greeting") {
      if (type !== frameType.hello) throw new SchemaError("BAD_FRAME", "first frame is not a HELLO");
      return this.#greeted(decodeHello(body), nowMs);
    }
    switch (type) {
      case frameType.ready:
        return this.#peerReady();
      case frameType.ping: {
        const ping = decodePing(body);
        const pong: LinkEffect = {
          kind: "send",
          type: frameType.pong,
          body: encodePing({ token: ping.token, ...this.#mark() }),
        };
        return [pong, ...this.#learn(ping)];
      }
      case frameType.pong: {
        const pong = decodePing(body);
        this.#liveness.ponged(pong.token, nowMs);
        return this.#learn(pong);
      }
      case frameType.roster:
        return [{ kind: "roster", signed: body }];
      default:
        throw new SchemaError("BAD_FRAME", `frame of type ${type} out of turn or unknown`);
    }
  }

  #ping(nowMs: number): LinkEffect {
    const body = encodePing({ token: this.#liveness.pinged(nowMs), ...this.#mark() });
    return { kind: "send", type: frameType.ping, body };
  }

  /** greeting → attaching */
  #greeted(peer: PeerHello, nowMs: number): readonly LinkEffect[] {
    this.#state = { kind: "attaching", untilMs: nowMs + limits.mesh.greetMs, peer, attached: false, peerReady: false };
    const effects: LinkEffect[] = this.#role === "opener" ? [{ kind: "open-sip" }] : [];
    return [...effects, ...this.#learn(peer.hello)];
  }

  #peerReady(): readonly LinkEffect[] {
    if (this.#state.kind !== "attaching" || this.#state.peerReady)
      throw new SchemaError("BAD_FRAME", "READY out of turn");
    this.#state = { ...this.#state, peerReady: true };
    return this.#upWhenReady();
  }

  /** attaching → up, once both have the SIP stream */
  #upWhenReady(): readonly LinkEffect[] {
    if (this.#state.kind !== "attaching" || !this.#state.attached || !this.#state.peerReady) return NOTHING;
    const { peer } = this.#state;
    this.#state = { kind: "up", peer };
    return [{ kind: "up", peer }];
  }

  #learn({ rosterVersion, rosterRevision, rosterDigest }: RosterMark): readonly LinkEffect[] {
    const said = this.#said;
    this.#said = this.#theirs = { rosterVersion, rosterRevision, rosterDigest };
    const isNews = said?.rosterDigest !== rosterDigest && this.#state.kind === "up";
    return [...(isNews ? [{ kind: "peer-mark" } as const] : []), ...this.#pushIfOlder()];
  }

  #pushIfOlder(): readonly LinkEffect[] {
    const [ours, theirs] = [this.#ours, this.#theirs];
    if (theirs === undefined || this.#state.kind === "closed" || this.#state.kind === "greeting") return NOTHING;
    if (!isNewerMark(ours, theirs)) return NOTHING;
    // Until the peer says otherwise it is taken to have what it was sent.
    this.#theirs = this.#mark();
    const isAgain = this.#pushed === ours.rosterDigest;
    this.#pushed = ours.rosterDigest;
    return isAgain ? [{ kind: "push-roster" }, { kind: "roster-refused" }] : [{ kind: "push-roster" }];
  }

  #mark(): RosterMark {
    const { rosterVersion, rosterRevision, rosterDigest } = this.#ours;
    return { rosterVersion, rosterRevision, rosterDigest };
  }

  #close(
    bye: Bye,
    { tell = true, counter }: { readonly tell?: boolean; readonly counter?: string } = {},
  ): readonly LinkEffect[] {
    if (this.#state.kind === "closed") return NOTHING;
    this.#state = { kind: "closed", bye };
    const close: LinkEffect = counter === undefined ? { kind: "close", bye } : { kind: "close", bye, counter };
    return tell ? [{ kind: "send", type: frameType.bye, body: encodeBye(bye) }, close] : [close];
  }
}
