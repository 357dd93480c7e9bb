import { limits } from "../runtime/limits.ts";

export type PeerState =
  /** No link; a dial is due at `retryMs`. `isRefused`: the last link broke the protocol, or was against a rule. */
  | { readonly kind: "down"; readonly attempt: number; readonly retryMs: number; readonly isRefused: boolean }
  | { readonly kind: "dialing"; readonly attempt: number }
  /** Connected; the peer, whose id is the smaller, is to open the streams. */
  | { readonly kind: "waiting"; readonly attempt: number; readonly untilMs: number }
  /** A link is opening or greeting. */
  | { readonly kind: "greeting"; readonly attempt: number }
  | { readonly kind: "up" };

/** What the driver is to do. */
export type PeerEffect =
  /** Use a connection if there is one, else dial; then call `connected` or `failed`. */
  | { readonly kind: "dial"; readonly attempt: number }
  /** Open the link's streams on a connection that exists; then `linkUp` or `failed`. */
  | { readonly kind: "open-link" }
  /** Close all connections to the peer. */
  | { readonly kind: "hang-up" };

/**
 * Wait before the dial after `attempt` failures, ms: doubling, spread by jitter over the upper half, so that servers that lost each
 * other at once do not dial at once.
 * @param random 0 ≤ random < 1
 */
export function retryDelayMs(attempt: number, random: number): number {
  const { retryMinMs, retryMaxMs } = limits.mesh;
  const fullMs = Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(attempt, 16));
  return fullMs * (0.5 + random / 2);
}

/** Decides when to dial one server and who opens the link. Sans-I/O. */
export class PeerCore {
  readonly #opener: boolean;
  #state: PeerState;

  /** @param opener whether it is for us to open the streams */
  constructor(opener: boolean, nowMs: number, random: number) {
    this.#opener = opener;
    // The opener dials at once, the other a little later: mostly one connection results, not two.
    this.#state = {
      kind: "down",
      attempt: 0,
      retryMs: opener ? nowMs : nowMs + retryDelayMs(1, random),
      isRefused: false,
    };
  }

  get state(): PeerState {
    return this.#state;
  }

  /** down → dialing; waiting → down */
  tick(nowMs: number, random: number): PeerEffect | undefined {
    if (this.#state.kind === "down" && nowMs >= this.#state.retryMs) {
      this.#state = { kind: "dialing", attempt: this.#state.attempt };
      return { kind: "dial", attempt: this.#state.attempt };
    }
    if (this.#state.kind === "waiting" && nowMs >= this.#state.untilMs) {
      this.failed(nowMs, random);
      return { kind: "hang-up" };
    }
    return undefined;
  }

  /**
   * A connection to the peer exists: down, dialing, waiting → greeting | waiting. Where the two could not agree upon a link, it waits for its time: kad-dht makes
   * connections as well, and servers whose releases do not fit would try again and again without a pause.
   */
  connected(nowMs: number): PeerEffect | undefined {
    if (this.#state.kind === "greeting" || this.#state.kind === "up") return undefined;
    if (this.#state.kind === "down" && this.#state.isRefused && nowMs < this.#state.retryMs) return undefined;
    const { attempt } = this.#state;
    if (this.#opener) {
      this.#state = { kind: "greeting", attempt };
      return { kind: "open-link" };
    }
    if (this.#state.kind !== "waiting") this.#state = { kind: "waiting", attempt, untilMs: nowMs + limits.mesh.waitMs };
    return undefined;
  }

  /** The peer opened a link: any → greeting */
  linkArrived(): void {
    this.#state = { kind: "greeting", attempt: this.#state.kind === "up" ? 0 : this.#state.attempt };
  }

  /** greeting → up */
  linkUp(): void {
    this.#state = { kind: "up" };
  }

  /**
   * A dial or a link failed, or the link ended: any → down
   * @param isRefused as of {@link PeerState}
   */
  failed(nowMs: number, random: number, isRefused = false): void {
    const attempt = this.#state.kind === "up" ? 0 : this.#state.attempt + 1;
    this.#state = { kind: "down", attempt, retryMs: nowMs + retryDelayMs(attempt, random), isRefused };
  }
}
