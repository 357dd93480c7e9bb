/**
 * Who is at fault, which decides what happens next:
 * - `programmer`: an invariant of ours does not hold: crash
 * - `protocol`: a peer or client broke a rule: answer, count, go on
 * - `operational`: the world failed (a socket, a disk, a peer): retry with backoff
 * - `configuration`: the operator's input is wrong: message without a stack, exit 2
 */
export type ErrorFamily = "programmer" | "protocol" | "operational" | "configuration";

/** Base of every error that Aorta throws itself. */
export class AortaError extends Error {
  override readonly name: string = "AortaError";
  readonly family: ErrorFamily;
  /** Stable, upper case, for programs. */
  readonly code: string;

  constructor(family: ErrorFamily, code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.family = family;
    this.code = code;
  }
}

/** The operator's input is wrong. The message says what, where, and what would be right. */
export class ConfigurationError extends AortaError {
  override readonly name = "ConfigurationError";

  constructor(code: string, message: string, options?: ErrorOptions) {
    super("configuration", code, message, options);
  }
}

/** A peer or client broke a rule. */
export class ProtocolError extends AortaError {
  override readonly name: string = "ProtocolError";

  constructor(code: string, message: string, options?: ErrorOptions) {
    super("protocol", code, message, options);
  }
}

/** The world failed; trying again may help. */
export class OperationalError extends AortaError {
  override readonly name = "OperationalError";

  constructor(code: string, message: string, options?: ErrorOptions) {
    super("operational", code, message, options);
  }
}

/** Crashes on a broken invariant. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AortaError("programmer", "ASSERTION", message);
}
