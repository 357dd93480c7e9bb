import { limits } from "../runtime/limits.ts";
import type { SipHeaders } from "../sip/message/headers.ts";

/**
 * How many branches a request may still have in parallel, on this server and all after it; `undefined` where the field is malformed.
 * @see RFC 5393 §5.3.1
 */
export function maxBreadthOf(headers: SipHeaders): number | undefined {
  const text = headers.get("Max-Breadth")?.trim();
  if (text === undefined) return limits.federation.maxBreadth;
  return /^\d{1,9}$/.test(text) ? Math.min(Number(text), limits.federation.maxBreadth) : undefined;
}

/**
 * Shares what a request has of breadth among its branches, each with at least 1; `undefined` when there is too little for all.
 * @see RFC 5393 §5.3.3
 */
export function shareBreadth(breadth: number, branches: number): number[] | undefined {
  if (breadth < branches) return undefined;
  const shares: number[] = [];
  for (let at = 0; at < branches; at++) shares.push(Math.floor(breadth / branches) + (at < breadth % branches ? 1 : 0));
  return shares;
}
