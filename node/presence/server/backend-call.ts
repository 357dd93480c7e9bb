import type { Aor } from "../../../dht-schema/aor.ts";
import { formatBallot } from "../../../dht-schema/ballot.ts";
import { AORTA_EPOCH, epochIn, notOwnerIn } from "../../federation/aorta-headers.ts";
import { createRequest, tagOf } from "../../sip/message/build.ts";
import { parseNameAddr } from "../../sip/message/name-addr.ts";
import type { SipHeaders } from "../../sip/message/headers.ts";
import type { SipRequest, SipResponse } from "../../sip/message/message.ts";
import { AORTA_LOCAL } from "../../sip/stack.ts";
import { localFailure } from "../../federation/forward.ts";
import { randomCallId, randomTag } from "../../sip/message/tags.ts";
import type { NotifyContent, Owner, SubscribeResult } from "../backend/view-state.ts";
import { readExpires } from "../expiry.ts";
import type { PresenceContext } from "./presence-context.ts";

/** Whom a call serves: told what the owner answers. */
export interface CallOwner {
  readonly aor: Aor;
  /** On whose behalf it is made. @see RFC 3325 */
  readonly watcher: Aor;
  /** Event package. */
  readonly event: string;
  /** The documents that are understood. */
  readonly accept: string;
  subscribeAnswered(call: number, result: SubscribeResult): void;
  /** @param content has passed the fence */
  notified(call: number, content: NotifyContent): void;
}

/** One back-end subscription: the subscriber's side of a dialog with the owner of a user, over the mesh. */
export class BackendCall {
  /** Its number in the view. */
  readonly call: number;
  readonly owner: Owner;
  readonly callId = randomCallId();
  readonly localTag = randomTag();
  readonly #context: PresenceContext;
  readonly view: CallOwner;
  #cseq = 0;
  #remoteTag: string | undefined;
  #remoteTarget: string;
  /** Highest CSeq of a NOTIFY. */
  #notifyCseq = -1;

  constructor(
    context: PresenceContext,
    init: { readonly view: CallOwner; readonly call: number; readonly owner: Owner },
  ) {
    this.#context = context;
    this.view = init.view;
    this.call = init.call;
    this.owner = init.owner;
    this.#remoteTarget = init.view.aor;
  }

  /** Initial SUBSCRIBE, or a refresh when there is a dialog already. */
  async subscribe(): Promise<void> {
    this.#context.counters.add("presence.backend_subscribes");
    const response = await this.#send(this.#context.times.backendExpiresSeconds);
    this.view.subscribeAnswered(this.call, this.#read(response));
  }

  /** Ends the dialog, if it has come into being; an owner that has one nevertheless learns by our 481 to its NOTIFY. */
  unsubscribe(): void {
    if (this.#remoteTag !== undefined) void this.#send(0);
  }

  /**
   * Takes a NOTIFY into the dialog: its To tag is this call's, and it may come before the answer to SUBSCRIBE.
   * @returns why it is not the dialog's, or is out of order
   * @see RFC 6665 §4.1.3, RFC 3261 §12.2.2
   */
  accept(notify: {
    readonly callId: string;
    readonly remoteTag: string;
    readonly cseq: number;
    readonly headers: SipHeaders;
  }): "accepted" | "no-such-dialog" | "out-of-order" {
    if (notify.callId !== this.callId || (this.#remoteTag ?? notify.remoteTag) !== notify.remoteTag)
      return "no-such-dialog";
    if (notify.cseq <= this.#notifyCseq) return "out-of-order";
    this.#notifyCseq = notify.cseq;
    this.#confirm(notify.remoteTag, notify.headers);
    return "accepted";
  }

  #send(expiresSeconds: number): Promise<SipResponse> {
    this.#cseq += 1;
    return this.#context.stack.send(this.#build(expiresSeconds), { transport: "MESH", server: this.owner.server });
  }

  #build(expiresSeconds: number): SipRequest {
    const { aor, watcher, event, accept } = this.view;
    return createRequest({
      method: "SUBSCRIBE",
      uri: this.#remoteTarget,
      from: `<${watcher}>;tag=${this.localTag}`,
      to: this.#remoteTag === undefined ? `<${aor}>` : `<${aor}>;tag=${this.#remoteTag}`,
      callId: this.callId,
      cseq: this.#cseq,
      headers: [
        ["Contact", `<${watcher}>`],
        // One subscription stands for all watchers of the view; without rules that tell watchers apart, the first speaks for all.
        ["P-Asserted-Identity", `<${watcher}>`],
        [AORTA_EPOCH, formatBallot(this.owner.epoch)],
        ["Event", event],
        ["Accept", accept],
        ["Expires", String(expiresSeconds)],
      ],
    });
  }

  #read(response: SipResponse): SubscribeResult {
    const { locator } = this.#context;
    const { status, headers } = response;
    if (status >= 200 && status < 300) {
      const tag = tagOf(headers.get("To") ?? "");
      if (tag !== undefined) this.#confirm(tag, headers);
      const epoch = epochIn(headers);
      if (epoch !== undefined) locator.observeEpoch(this.view.aor, epoch);
      const expires = readExpires(headers.get("Expires"));
      return {
        kind: "accepted",
        expiresSeconds: typeof expires === "number" ? expires : this.#context.times.backendExpiresSeconds,
      };
    }
    const elsewhere = notOwnerIn(status, headers);
    if (elsewhere !== undefined) {
      locator.observeEpoch(this.view.aor, elsewhere.epoch);
      return { kind: "not-owner", ...elsewhere };
    }
    const retryAfterSeconds = Number.parseInt(headers.get("Retry-After") ?? "", 10);
    if (!Number.isNaN(retryAfterSeconds))
      return { kind: "failed", retryAfterSeconds, ...(status !== 503 && { isFull: true }) };
    if (localFailure(response) === "cut-off") return { kind: "failed", isCutOff: true };
    return { kind: "failed", ...(status === 503 && !headers.has(AORTA_LOCAL) && { isSettling: true }) };
  }

  #confirm(remoteTag: string, headers: SipHeaders): void {
    this.#remoteTag ??= remoteTag;
    const contact = headers.get("Contact");
    if (contact !== undefined) this.#remoteTarget = targetOf(contact) ?? this.#remoteTarget;
  }
}

function targetOf(contact: string): string | undefined {
  try {
    return parseNameAddr(contact).uri;
  } catch {
    // Where to send within the dialog stays what it was; over the mesh it is only a formality.
    return undefined;
  }
}
