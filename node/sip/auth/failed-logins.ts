import type { Logger } from "../../runtime/logger.ts";
import type { SocketFlow } from "../flow-tokens.ts";

/** From where a client speaks. */
export type ClientAddress = Pick<SocketFlow, "transport" | "address">;

export interface FailedLoginRules {
  readonly linesPerSecond: number;
  /** Of a name that anybody may make up. */
  readonly userChars: number;
}

/**
 * Tells operators who gave a wrong password, so that they or a tool such as fail2ban can act on it: one line each, of a flood only the
 * first in each second. How many were left out is said by the next line.
 */
export class FailedLogins {
  readonly #logger: Logger;
  readonly #rules: FailedLoginRules;
  #secondEndsMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #leftOut = 0;

  constructor(logger: Logger, rules: FailedLoginRules) {
    this.#logger = logger;
    this.#rules = rules;
  }

  note(user: string, { transport, address }: ClientAddress, nowMs: number): void {
    if (nowMs >= this.#secondEndsMs) {
      this.#secondEndsMs = nowMs + 1000;
      this.#lines = 0;
    }
    if (this.#lines === this.#rules.linesPerSecond) {
      this.#leftOut++;
      return;
    }
    this.#lines++;
    const leftOut = this.#leftOut > 0 && { leftOut: this.#leftOut };
    this.#leftOut = 0;
    // What the client made up goes behind what it did not.
    const fields = { source: address, transport, user: user.slice(0, this.#rules.userChars), ...leftOut };
    this.#logger.warn(fields, "a login failed");
  }
}
