import type { SipHeaders } from "./headers.ts";

/** @see RFC 3261 §7.1 */
export interface SipRequest {
  readonly kind: "request";
  readonly method: string;
  /** Request-URI, raw. */
  readonly uri: string;
  readonly headers: SipHeaders;
  readonly body: Uint8Array;
  /** Of what has arrived and may go on: what told its next hop, for the branch with which it leaves. Never on the wire by itself. @see RFC 5393 §4.2.1 */
  loopPart?: string;
}

/** @see RFC 3261 §7.2 */
export interface SipResponse {
  readonly kind: "response";
  /** 100–699 */
  readonly status: number;
  readonly reason: string;
  readonly headers: SipHeaders;
  readonly body: Uint8Array;
}

export type SipMessage = SipRequest | SipResponse;
