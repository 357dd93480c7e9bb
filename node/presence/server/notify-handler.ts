import { formatBallot } from "../../../dht-schema/ballot.ts";
import { AORTA_EPOCH, AORTA_STATE_EPOCH, epochIn } from "../../federation/aorta-headers.ts";
import type { RequestIdentity } from "../../federation/identity.ts";
import { ProtocolError } from "../../runtime/errors.ts";
import { tagOf } from "../../sip/message/build.ts";
import { parseCSeq } from "../../sip/message/cseq.ts";
import type { SubscriptionState } from "../../sip/message/event.ts";
import { parseSubscriptionState } from "../../sip/message/event.ts";
import type { SipRequest } from "../../sip/message/message.ts";
import type { IncomingRequest } from "../../sip/stack.ts";
import type { Answer } from "../answer.ts";
import { BAD_EVENT, badRequest, WINFO_EVENT } from "../answer.ts";
import type { NotifyContent } from "../backend/view-state.ts";
import { readExpires } from "../expiry.ts";
import { parseComposedPidf, PIDF_CONTENT_TYPE } from "../pidf/pidf-document.ts";
import { parseWatcherInfo, WATCHERINFO_CONTENT_TYPE } from "../watcherinfo/watcherinfo-document.ts";
import { documentRefused, firstToken, UNSUPPORTED_TYPE } from "../publication/read-publish.ts";
import type { PresenceContext } from "./presence-context.ts";
import type { BackendCall } from "./backend-call.ts";
import type { Registry } from "./registry.ts";
import { respond } from "./respond.ts";

const OK: Answer = { status: 200, reason: "OK" };
const NO_SUCH_DIALOG: Answer = { status: 481, reason: "Subscription Does Not Exist" };
const OUT_OF_ORDER: Answer = { status: 500, reason: "CSeq Out Of Order" };

/**
 * Answers NOTIFY of the owners of watched users. What shows state must come from the newest owner known (invariant I3): else
 * it gets 481 with that epoch, which ends the dialog at a notifier of any make. A `terminated` NOTIFY shows nothing, so the
 * dialog's own owner may always end it.
 * @see RFC 6665 §4.1.3
 */
export class NotifyHandler {
  readonly #context: PresenceContext;
  readonly #registry: Registry;

  constructor(context: PresenceContext, registry: Registry) {
    this.#context = context;
    this.#registry = registry;
  }

  handle(incoming: IncomingRequest, identity: RequestIdentity): void {
    const call = this.#registry.call(tagOf(incoming.request.headers.get("To") ?? "") ?? "");
    const isPeer = identity.from !== "client" && identity.from.server === call?.owner.server;
    if (call === undefined || !isPeer) return this.#refuse(incoming, NO_SUCH_DIALOG);
    const read = readNotify(incoming.request, call.view.event);
    if ("refuse" in read) return this.#refuse(incoming, read.refuse);
    const accepted = call.accept({ ...read, headers: incoming.request.headers });
    if (accepted === "no-such-dialog") return this.#refuse(incoming, NO_SUCH_DIALOG);
    if (accepted === "out-of-order") return this.#refuse(incoming, OUT_OF_ORDER);
    if (read.content.kind === "state" && !this.#passesFence(incoming, call)) return;
    this.#context.counters.add("presence.notify_received");
    respond(incoming, OK);
    call.view.notified(call.call, read.content);
  }

  #passesFence(incoming: IncomingRequest, call: BackendCall): boolean {
    const { locator, counters } = this.#context;
    const { aor } = call.view;
    const epoch = epochIn(incoming.request.headers);
    if (epoch === undefined) {
      this.#refuse(incoming, badRequest(`${AORTA_EPOCH} is missing or malformed`));
      return false;
    }
    if (locator.observeEpoch(aor, epoch)) return true;
    const newest = locator.newestEpoch(aor) ?? epoch;
    counters.add("presence.notify_stale");
    this.#refuse(incoming, { status: 481, reason: "Stale Owner", headers: [[AORTA_EPOCH, formatBallot(newest)]] });
    call.view.subscribeAnswered(call.call, { kind: "not-owner", epoch: newest });
    return false;
  }

  #refuse(incoming: IncomingRequest, answer: Answer): void {
    this.#context.counters.add("presence.notify_refused");
    respond(incoming, answer);
  }
}

const PRESENCE = { contentType: PIDF_CONTENT_TYPE, check: parseComposedPidf };
const WATCHERS = { contentType: WATCHERINFO_CONTENT_TYPE, check: parseWatcherInfo };

interface Notification {
  readonly callId: string;
  readonly remoteTag: string;
  readonly cseq: number;
  readonly content: NotifyContent;
}

function readNotify(request: SipRequest, event: string): Notification | { readonly refuse: Answer } {
  const { headers } = request;
  if (firstToken(headers.get("Event")) !== event) return { refuse: BAD_EVENT };
  const remoteTag = tagOf(headers.get("From") ?? "");
  if (remoteTag === undefined) return { refuse: badRequest("From has no tag") };
  try {
    const content = readContent(request, event, parseSubscriptionState(headers.get("Subscription-State") ?? ""));
    if ("refuse" in content) return content;
    return {
      callId: headers.get("Call-ID") ?? "",
      remoteTag,
      cseq: parseCSeq(headers.get("CSeq") ?? "").sequence,
      content,
    };
  } catch (error) {
    if (error instanceof ProtocolError) return { refuse: documentRefused(error) };
    throw error;
  }
}

/** @throws {ProtocolError} for a document that cannot be shown to watchers */
function readContent(
  { headers, body }: SipRequest,
  event: string,
  { state, params }: SubscriptionState,
): NotifyContent | { readonly refuse: Answer } {
  if (state === "terminated") {
    const retryAfter = readExpires(params.get("retry-after"));
    return {
      kind: "terminated",
      reason: params.get("reason") ?? "",
      ...(typeof retryAfter === "number" ? { retryAfterSeconds: retryAfter } : {}),
    };
  }
  const expires = readExpires(params.get("expires"));
  const content: NotifyContent = { kind: "state", ...(typeof expires === "number" ? { expiresSeconds: expires } : {}) };
  if (body.length === 0) return content;
  const { contentType, check } = event === WINFO_EVENT ? WATCHERS : PRESENCE;
  if (firstToken(headers.get("Content-Type"))?.toLowerCase() !== contentType) return { refuse: UNSUPPORTED_TYPE };
  // Checked, then passed on as it came: watchers see the owner's very bytes. Copied, because it is kept for long, and the
  // message may be a small part of a large buffer.
  check(body);
  return { ...content, document: Uint8Array.from(body), said: epochIn(headers, AORTA_STATE_EPOCH) };
}
