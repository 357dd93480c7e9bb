import { escapeAttribute, escapeText } from "../pidf/serialize-xml.ts";
import type { RegistrationChange } from "../../registrar/registered-contacts.ts";

/** @see RFC 3680 §5 */
export const REGINFO_CONTENT_TYPE = "application/reginfo+xml";

/** One contact, as it is told. */
export interface ReginfoContact {
  readonly id: string;
  readonly uri: string;
  /** What happened to it last. */
  readonly change: RegistrationChange;
  readonly expiresSeconds?: number;
  /** 0–1000. */
  readonly q: number;
  readonly callId: string;
  readonly cseq: number;
}

/** The registration of one user, or what has changed in it. */
export interface ReginfoDocument {
  /** 0 first, then one more each time. */
  readonly version: number;
  readonly full: boolean;
  readonly aor: string;
  readonly id: string;
  /** `init`: nothing is registered, `terminated`: no more. @see RFC 3680 §3.4 */
  readonly state: "init" | "active" | "terminated";
  readonly contacts: readonly ReginfoContact[];
}

const GONE: ReadonlySet<RegistrationChange> = new Set(["expired", "deactivated", "unregistered"]);

/** Whether the contact is no more after a change. */
export function isGone(change: RegistrationChange): boolean {
  return GONE.has(change);
}

/** @see RFC 3680 §5.4 */
export function serializeReginfo({ version, full, aor, id, state, contacts }: ReginfoDocument): string {
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n` +
    `<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="${version}" state="${full ? "full" : "partial"}">` +
    `<registration aor="${escapeAttribute(aor)}" id="${id}" state="${state}">` +
    contacts.map(contactElement).join("") +
    `</registration></reginfo>`
  );
}

/** How much room a contact takes in a document, at most. */
export function bytesOfContact({ uri, callId }: Pick<ReginfoContact, "uri" | "callId">): number {
  return Buffer.byteLength(escapeText(uri)) + Buffer.byteLength(escapeAttribute(callId)) + 200;
}

function contactElement({ id, uri, change, expiresSeconds, q, callId, cseq }: ReginfoContact): string {
  const state = isGone(change) ? "terminated" : "active";
  const expires = expiresSeconds === undefined ? "" : ` expires="${expiresSeconds}"`;
  const preference = q === 1000 ? "" : ` q="${q / 1000}"`;
  return (
    `<contact id="${id}" state="${state}" event="${change}"${expires}${preference} callid="${escapeAttribute(callId)}" cseq="${cseq}">` +
    `<uri>${escapeText(uri)}</uri></contact>`
  );
}
