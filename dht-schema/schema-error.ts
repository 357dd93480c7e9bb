/** Codes of {@link SchemaError}; each names the rule that was broken. */
export type SchemaErrorCode =
  | "BAD_AOR"
  | "BAD_FRAME"
  | "BAD_INVITE"
  | "BAD_KEY"
  | "BAD_ROSTER"
  | "BAD_RECORD"
  | "BAD_SIGNATURE"
  | "FRAME_TOO_LARGE"
  | "STALE_RECORD"
  | "UNKNOWN_VERSION";

/** A rule of the schema was broken by data from outside: a protocol error, never a programmer's. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
  readonly code: SchemaErrorCode;

  constructor(code: SchemaErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
