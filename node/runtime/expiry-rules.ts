/** How long a registration, publication or subscription may live: what a server grants of what clients ask for. */
export interface ExpiryRules {
  /** A shorter one is refused with 423 and this as Min-Expires, except 0; at most an hour, as more may not be asked. @see RFC 3261 §10.3 step 7, RFC 3903 §6 step 4, RFC 6665 §4.2.1.1 */
  readonly minSeconds: number;
  /** Granted where the client asks for none. */
  readonly defaultSeconds: number;
  /** A longer one is cut to it. */
  readonly maxSeconds: number;
}

/** What holds where the operator says nothing. */
export const DEFAULT_EXPIRY: ExpiryRules = { minSeconds: 60, defaultSeconds: 3600, maxSeconds: 7200 };
