import type { Clock } from "../../runtime/clock.ts";
import { limits } from "../../runtime/limits.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { Timers } from "../../runtime/timers.ts";
import type { TlsCertificates } from "./tls-certificates.ts";

interface Components {
  readonly certificates: Pick<TlsCertificates, "expiresAtMs">;
  readonly clock: Pick<Clock, "wallMs">;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** Says in the log when a certificate runs out soon or has run out: at the start, when they are read again, and every day, as a renewal that nobody told the node of is found out by nobody else. */
export class CertificateExpiry {
  readonly #components: Components;
  #cancel = (): void => {};

  constructor(components: Components) {
    this.#components = components;
  }

  /** Says it now, and every day from now on. */
  start(): void {
    this.#cancel();
    this.#note();
    this.#cancel = this.#components.timers.after(limits.sip.certificateLookMs, () => this.start());
  }

  stop(): void {
    this.#cancel();
  }

  #note(): void {
    const { certificates, clock, logger } = this.#components;
    const { expiresAtMs } = certificates;
    const leftMs = expiresAtMs - clock.wallMs();
    if (leftMs >= limits.sip.certificateWarningMs) return;
    const fields = { expires: new Date(expiresAtMs).toISOString() };
    if (leftMs <= 0) logger.error(fields, "a TLS certificate has expired: clients will refuse it");
    else logger.warn(fields, "a TLS certificate expires soon");
  }
}
