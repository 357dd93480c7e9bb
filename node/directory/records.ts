import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import { openServerBinding, signServerBinding } from "../../dht-schema/server-binding.ts";
import type { Mesh } from "../mesh/mesh.ts";
import type { Clock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";

/** What a record is judged by. */
export interface RecordJudge {
  /** The server of a number in the roster. */
  serverOf(number: number): ServerId | undefined;
  /** Learns an epoch; false where a higher one is known, or it cannot be true. */
  observeEpoch(aor: Aor, epoch: Epoch): boolean;
}

/** Signed bindings: made for whoever asks the owner, and believed only if they are what they say. */
export class Records {
  readonly #mesh: Mesh;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #logger: Logger;
  readonly #judge: RecordJudge;
  #signing = 0;

  constructor(
    components: { readonly mesh: Mesh; readonly clock: Clock; readonly counters: Counters; readonly logger: Logger },
    judge: RecordJudge,
  ) {
    this.#mesh = components.mesh;
    this.#clock = components.clock;
    this.#counters = components.counters;
    this.#logger = components.logger;
    this.#judge = judge;
  }

  /** The binding of a user of this server; none where too many are being signed. */
  async sign(aor: Aor, epoch: Epoch): Promise<Uint8Array | undefined> {
    if (this.#signing >= limits.directory.signatures) {
      this.#counters.add("directory.records_not_signed");
      return undefined;
    }
    this.#signing++;
    try {
      const binding = { aor, epoch, owner: this.#mesh.self, signedAtMs: Math.trunc(this.#clock.wallMs()) };
      return await signServerBinding(binding, this.#mesh.privateKey);
    } finally {
      this.#signing--;
    }
  }

  /** The record as it came from the owner, if it is of this user, signed by the server that its epoch names, and not below what is known. */
  async check(aor: Aor, signed: Uint8Array | undefined): Promise<Uint8Array | undefined> {
    if (signed === undefined) return undefined;
    const reason = await this.#flaw(aor, signed);
    if (reason === undefined) return signed;
    this.#counters.add("directory.records_refused");
    this.#logger.warn({ aor, reason }, "record refused");
    return undefined;
  }

  async #flaw(aor: Aor, signed: Uint8Array): Promise<string | undefined> {
    try {
      const binding = await openServerBinding(signed);
      if (binding.aor !== aor) return `it is of ${binding.aor}`;
      if (this.#judge.serverOf(binding.epoch.member) !== binding.owner) return "its epoch is another server's";
      return this.#judge.observeEpoch(aor, binding.epoch) ? undefined : "its epoch is below what is known, or untrue";
    } catch (error) {
      return (error as Error).message;
    }
  }
}
