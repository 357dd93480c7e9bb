/**
 * Header fields in the order of the message. Names are matched without regard to case and in compact form too
 * (`v` is `Via`); values are raw text, unfolded.
 * @see RFC 3261 §7.3
 */
export interface SipHeaders {
  /** Value of the first field of that name. */
  get(name: string): string | undefined;
  /** Every value of that name: fields that hold comma-separated lists are split. @see RFC 3261 §7.3.1 */
  all(name: string): string[];
  has(name: string): boolean;
  /** Replaces all fields of that name by one. */
  set(name: string, value: string): this;
  /** Adds a field after the others of that name. */
  append(name: string, value: string): this;
  /** Adds a field before the others of that name (Via, Route, Record-Route). */
  prepend(name: string, value: string): this;
  /** Removes the first value of that name, from a comma-joined field too; returns it. */
  shift(name: string): string | undefined;
  delete(name: string): this;
  clone(): SipHeaders;
  entries(): Iterable<readonly [name: string, value: string]>;
}
