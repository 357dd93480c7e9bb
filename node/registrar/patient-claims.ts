import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import type { ClaimMode, ClaimOutcome, Location, Locator } from "../federation/locator.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import type { Timers } from "../runtime/timers.ts";

/** What the registrar asks of the locator, for as long as its clients wait. Nothing here rejects: what fails is logged, and `unavailable`. */
export class PatientClaims {
  readonly #locator: Locator;
  readonly #timers: Timers;
  readonly #logger: Logger;
  readonly #counters: Counters;

  constructor(parts: {
    readonly locator: Locator;
    readonly timers: Timers;
    readonly logger: Logger;
    readonly counters: Counters;
  }) {
    this.#locator = parts.locator;
    this.#timers = parts.timers;
    this.#logger = parts.logger;
    this.#counters = parts.counters;
  }

  /** @param since as {@link ClaimOptions.since} */
  async claim(aor: Aor, mode: ClaimMode, since?: Epoch): Promise<ClaimOutcome> {
    const abort = new AbortController();
    const cancel = this.#timers.after(limits.registrar.claimMs, () => abort.abort());
    try {
      return await this.#locator.claim(aor, { mode, since, signal: abort.signal });
    } catch (error) {
      return this.#failed("claim", aor, error);
    } finally {
      cancel();
    }
  }

  locate(aor: Aor): Promise<Location> {
    return this.#locator.locate(aor).catch((error: unknown) => this.#failed("locate", aor, error));
  }

  async release(aor: Aor): Promise<void> {
    await this.#locator.release(aor).catch((error: unknown) => void this.#failed("release", aor, error));
  }

  #failed(what: string, aor: Aor, error: unknown): { readonly kind: "unavailable"; readonly reason: string } {
    this.#counters.add("registrar.locator_failures");
    this.#logger.warn({ aor, err: error }, `${what} failed`);
    return { kind: "unavailable", reason: String(error) };
  }
}
