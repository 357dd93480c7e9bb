import { randomBytes } from "node:crypto";
import type { Infer } from "../../dht-schema/codec.ts";
import { decode, encode, flag, list, struct, text, uint } from "../../dht-schema/codec.ts";
import { INVITE_SECRET_BYTES, inviteSecretHash } from "../../dht-schema/invite-token.ts";
import type { JoinRefusal } from "../../dht-schema/join-messages.ts";
import type { Clock } from "../runtime/clock.ts";
import { DAMAGE_ADVICE } from "../runtime/damage-advice.ts";
import { ConfigurationError, OperationalError } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";
import type { InviteStore, Settings } from "../storage/ports.ts";
import { setting } from "./settings-names.ts";

const redeemedCodec = list(
  struct("Redeemed", { secretHash: text(64), peer: text(128), expiresAtMs: uint(), steward: flag }),
  limits.mesh.redeemedInvites,
);

type Redeemed = Infer<typeof redeemedCodec>[number];

/** What a secret is worth to the peer that shows it. */
export type InviteVerdict =
  /** `repeated`: by the peer that it was given to before. */
  | { readonly kind: "good"; readonly steward: boolean; readonly expiresAtMs: number; readonly repeated: boolean }
  | { readonly kind: "refused"; readonly code: JoinRefusal; readonly reason: string };

/** Invites made here: single use, expiring, remembered until their expiry so that a repeated join gets the same answer. */
export class InviteBook {
  readonly #store: InviteStore;
  readonly #settings: Settings;
  readonly #clock: Clock;

  constructor(store: InviteStore, settings: Settings, clock: Clock) {
    this.#store = store;
    this.#settings = settings;
    this.#clock = clock;
  }

  /** Makes an invite; only its secret's hash is kept. @throws {ConfigurationError} `BAD_TTL` */
  create(ttlMs: number, steward: boolean): { readonly secret: Uint8Array; readonly expiresAtMs: number } {
    if (!(ttlMs > 0 && ttlMs <= limits.mesh.inviteTtlMs)) {
      throw new ConfigurationError("BAD_TTL", "an invite lives for more than nothing and at most 30 days");
    }
    const nowMs = this.#clock.wallMs();
    for (const old of this.#store.list()) {
      if (old.expiresAtMs + limits.mesh.inviteTtlMs < nowMs) this.#store.take(old.secretHash);
    }
    const secret = new Uint8Array(randomBytes(INVITE_SECRET_BYTES));
    const expiresAtMs = Math.ceil(nowMs + ttlMs);
    this.#store.add({ secretHash: inviteSecretHash(secret), expiresAtMs, steward });
    return { secret, expiresAtMs };
  }

  /** Whether a stranger may knock: until the newest invite expires, used or not, so that a late one is told why it is refused. */
  isOpen(): boolean {
    const nowMs = this.#clock.wallMs();
    return this.#store.list().some((invite) => invite.expiresAtMs > nowMs) || this.#redeemed().length > 0;
  }

  /** Judges a secret; changes nothing. */
  judge(secretHash: string, peer: string): InviteVerdict {
    const redeemed = this.#redeemed().find((one) => one.secretHash === secretHash);
    if (redeemed !== undefined) {
      return redeemed.peer === peer
        ? { kind: "good", steward: redeemed.steward, expiresAtMs: redeemed.expiresAtMs, repeated: true }
        : refused("INVITE_USED", "this token has been used by another server: ask for a new one");
    }
    const invite = this.#store.list().find((one) => one.secretHash === secretHash);
    if (invite === undefined) return refused("BAD_INVITE", "this domain knows no such token");
    if (invite.expiresAtMs <= this.#clock.wallMs())
      return refused(
        "INVITE_EXPIRED",
        "the token has expired by the clock of the server that made it: ask for a new one",
      );
    return { kind: "good", steward: invite.steward, expiresAtMs: invite.expiresAtMs, repeated: false };
  }

  /** Gives the invite to the peer for good: written down before anything follows from it. */
  redeem(secretHash: string, peer: string, verdict: InviteVerdict & { readonly kind: "good" }): void {
    const others = this.#redeemed().filter((one) => one.secretHash !== secretHash);
    const { steward, expiresAtMs } = verdict;
    const all: Redeemed[] = [...others, { secretHash, peer, expiresAtMs, steward }];
    all.sort((a, b) => b.expiresAtMs - a.expiresAtMs);
    this.#settings.set(setting.redeemed, encode(redeemedCodec, all.slice(0, limits.mesh.redeemedInvites)));
    this.#store.take(secretHash);
  }

  #redeemed(): readonly Redeemed[] {
    const stored = this.#settings.get(setting.redeemed);
    if (stored === undefined) return [];
    const nowMs = this.#clock.wallMs();
    try {
      return decode(redeemedCodec, stored).filter((one) => one.expiresAtMs > nowMs);
    } catch (cause) {
      throw new OperationalError(
        "DAMAGED_SETTING",
        `the stored setting ${setting.redeemed} is damaged. ${DAMAGE_ADVICE}`,
        { cause },
      );
    }
  }
}

function refused(code: JoinRefusal, reason: string): InviteVerdict {
  return { kind: "refused", code, reason };
}
