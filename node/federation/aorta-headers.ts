import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { formatBallot, NO_BALLOT, parseBallot } from "../../dht-schema/ballot.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import { headerKey } from "../sip/message/header-names.ts";
import type { SipHeaders } from "../sip/message/headers.ts";
import type { Locator } from "./locator.ts";

/** Of a request between servers: the epoch under which its sender believes the receiver to own the user. Of a 302 or 404: the newest epoch known. */
export const AORTA_EPOCH = "Aorta-Epoch";
/** Of a 302 between servers: the server that owns the user now. */
export const AORTA_OWNER = "Aorta-Owner";

/** Of a NOTIFY between servers: the epoch under which the user's clients last said what its state is made of. */
export const AORTA_STATE_EPOCH = "Aorta-State-Epoch";

/** Of a MESSAGE between servers: names it, so that it is delivered once however often it is sent; `;held` behind it where its sender has it on disk. */
export const AORTA_MESSAGE = "Aorta-Message";

/** Of a MESSAGE: its sender held it and leaves the domain; the receiver is to hold it from now on (202), or to refuse. */
export const AORTA_HOLD = "Aorta-Hold";

/** Of a 302 or 404: its server had sent the request on, and the link that it took broke; it may have been delivered. */
export const AORTA_CUT_OFF = "Aorta-Cut-Off";

/** Of a 480 or 482: its user has no device to ask, which is no passing trouble of one that there is. */
export const AORTA_NOBODY = "Aorta-Nobody";

/** Of a REGISTER between servers: two CSeqs and the Call-ID of a registration. Of its answer, the same: that this registration is one of the user's there, with a CSeq between the two. */
export const AORTA_REGISTRATION = "Aorta-Registration";

/** Of an INVITE: the Contact of the one device of its user that it is for. Of a question between servers: the Contact whose users are asked for. */
export const AORTA_CONTACT = "Aorta-Contact";
/** Of the answer to that question: a user who has registered it there; as many fields as users. Of the question: the user of whom it is asked. */
export const AORTA_USER = "Aorta-User";

/** The epoch that a message between servers carries; `undefined` when it carries none or a malformed one. */
export function epochIn(
  headers: SipHeaders,
  field: typeof AORTA_EPOCH | typeof AORTA_STATE_EPOCH = AORTA_EPOCH,
): Epoch | undefined {
  const text = headers.get(field);
  return text === undefined ? undefined : parseBallot(text.trim());
}

/** What a server says of a user that it does not own. */
export interface NotOwner {
  readonly status: 302 | 404;
  readonly reason: string;
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
}

/** 302 with the new owner while there is a forwarding note, else 404; with the newest epoch known, or `0.0.0`. */
export function notOwner(aor: Aor, locator: Pick<Locator, "forwardingNote" | "newestEpoch">): NotOwner {
  const note = locator.forwardingNote(aor);
  const epoch = formatBallot(note?.epoch ?? locator.newestEpoch(aor) ?? NO_BALLOT);
  return note === undefined
    ? { status: 404, reason: "User Not On This Server", headers: [[AORTA_EPOCH, epoch]] }
    : {
        status: 302,
        reason: "User Moved To Another Server",
        headers: [
          [AORTA_EPOCH, epoch],
          [AORTA_OWNER, note.server],
        ],
      };
}

/** What a 302 or 404 of another server says; `undefined` when it is the word of something else, such as a device. */
export function notOwnerIn(
  status: number,
  headers: SipHeaders,
): { readonly epoch: Epoch; readonly owner?: ServerId; readonly isCutOff?: boolean } | undefined {
  if (status !== 302 && status !== 404) return undefined;
  const epoch = epochIn(headers);
  if (epoch === undefined) return undefined;
  const owner = status === 302 ? headers.get(AORTA_OWNER) : undefined;
  return {
    epoch,
    ...(owner !== undefined && { owner: owner.trim() as ServerId }),
    ...(headers.has(AORTA_CUT_OFF) && { isCutOff: true }),
  };
}

const BETWEEN_SERVERS: ReadonlySet<string> = new Set(
  [
    AORTA_EPOCH,
    AORTA_OWNER,
    AORTA_STATE_EPOCH,
    AORTA_CUT_OFF,
    AORTA_MESSAGE,
    AORTA_HOLD,
    AORTA_NOBODY,
    AORTA_REGISTRATION,
    AORTA_CONTACT,
    AORTA_USER,
  ].map(headerKey),
);

/** Removes what only servers may say, from a message that came from or goes to a client. */
export function stripAortaHeaders(headers: SipHeaders): void {
  headers.deleteAll(BETWEEN_SERVERS);
}
