import { LineLimit } from "../../runtime/line-limit.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { SocketFlow } from "../stack.ts";

/** From where a client speaks. */
export type ClientAddress = Pick<SocketFlow, "transport" | "address" | "forwardedFor">;

export interface FailedLoginRules {
  readonly linesPerSecond: number;
  /** Of a name that anybody may make up. */
  readonly userChars: number;
}

/**
 * Tells operators who gave a wrong password, so that they or a tool such as fail2ban can act on it: one line each, as far as they are
 * no flood.
 */
export class FailedLogins {
  readonly #logger: Logger;
  readonly #rules: FailedLoginRules;
  readonly #limit: LineLimit;

  constructor(logger: Logger, rules: FailedLoginRules) {
    this.#logger = logger;
    this.#rules = rules;
    this.#limit = new LineLimit(rules.linesPerSecond);
  }

  /** @param from with the client for whom a proxy there sends, by its word */
  note(user: string, from: ClientAddress & { readonly client?: string | undefined }, nowMs: number): void {
    const { transport, address, client } = from;
    const leftOut = this.#limit.take(nowMs);
    if (leftOut === undefined) return;
    // What the client made up goes behind what it did not.
    const behind = client === undefined ? {} : { client };
    const fields = { source: address, transport, ...behind, user: user.slice(0, this.#rules.userChars), ...leftOut };
    this.#logger.warn(fields, "a login failed");
  }
}
