import type { Aor } from "../../dht-schema/aor.ts";
import { limits } from "../runtime/limits.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Counters } from "../runtime/metrics.ts";
import type { Timers } from "../runtime/timers.ts";
import { createRequest, createResponse, tagOf } from "../sip/message/build.ts";
import { expiresOf } from "../sip/message/contact.ts";
import { parseCSeq } from "../sip/message/cseq.ts";
import { parseSubscriptionState } from "../sip/message/event.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import { parseNameAddr } from "../sip/message/name-addr.ts";
import { SipParseError } from "../sip/message/sip-parse-error.ts";
import { randomCallId, randomTag } from "../sip/message/tags.ts";
import type { Flow, IncomingRequest, SipStack } from "../sip/stack.ts";

export interface PresenceInputComponents {
  readonly stack: Pick<SipStack, "send">;
  /** In whose name this server subscribes: itself, as an address of the domain, which is that of all its nodes. */
  readonly subscriber: string;
  /** Contact of this server towards a flow. */
  readonly contactFor: (flow: Flow) => string;
  /** Takes a PUBLISH of the user as if they had sent it by `flow`; resolves with the answer. */
  readonly publish: (request: SipRequest, aor: Aor, flow: Flow) => Promise<SipResponse>;
  /** What is published lasts so long at most; it is refreshed with the subscription. @default 7200 */
  readonly longestPublicationSeconds?: number;
  /** Entity-tag of what was published so of the user before, by a run of this server that did not end in order. */
  readonly published: (aor: Aor, flow: Flow) => string | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly counters: Counters;
}

type State =
  | { readonly kind: "subscribing" }
  /** The other server has accepted; `cancel`s its refresh. */
  | { readonly kind: "active"; readonly cancel: () => void; readonly sinceMs: number }
  | { readonly kind: "waiting"; readonly cancel: () => void }
  | { readonly kind: "closed" };

/**
 * What a server without a node knows of one of its users' presence: a subscription there, whose documents become a publication here. So
 * watchers on every server of the domain see it, composed with whatever else the user publishes.
 * @see RFC 3856, RFC 6665 §4.1, RFC 3903
 */
export class PresenceInput {
  readonly aor: Aor;
  readonly flow: Flow;
  readonly localTag = randomTag();
  readonly #components: PresenceInputComponents;
  #callId = randomCallId();
  #cseq = 0;
  #remoteTag: string | undefined;
  #remoteTarget: string;
  #routes: readonly string[] = [];
  #notifyCseq = -1;
  #state: State = { kind: "waiting", cancel: () => {} };
  #failures = 0;
  #entityTag: string | undefined;
  /** Publications one after the other: each needs the entity-tag of the one before. */
  #publishing: Promise<void> = Promise.resolve();

  constructor(components: PresenceInputComponents, aor: Aor, flow: Flow) {
    this.#components = components;
    this.aor = aor;
    this.flow = flow;
    this.#remoteTarget = aor;
  }

  get #subscriptionSeconds(): number {
    const { longestPublicationSeconds = Infinity } = this.#components;
    return Math.min(limits.sidecar.subscriptionSeconds, Math.ceil(longestPublicationSeconds / 2));
  }

  /** waiting, active → subscribing */
  open(): void {
    if (this.#state.kind === "closed" || this.#state.kind === "subscribing") return;
    this.#state.cancel();
    this.#state = { kind: "subscribing" };
    void this.#subscribe(this.#subscriptionSeconds).then((response) => this.#answered(response));
  }

  /** active → subscribing: the other server may have been started anew since, and know nothing of the subscription. Not so soon again. */
  renew(): void {
    if (this.#state.kind !== "active") return;
    const ageMs = this.#components.clock.monotonicMs() - this.#state.sinceMs;
    if (ageMs >= limits.sidecar.renewMs) this.open();
  }

  /** any → closed: the user is no longer there. */
  close(): void {
    const before = this.#state;
    if (before.kind === "closed") return;
    if (before.kind !== "subscribing") before.cancel();
    this.#state = { kind: "closed" };
    if (this.#remoteTag !== undefined) void this.#subscribe(0);
    this.#publish(undefined);
  }

  /** A NOTIFY whose To tag is {@link localTag}. Every request is answered. */
  notified(incoming: IncomingRequest): void {
    const { request } = incoming;
    const refuse = (status: number) => incoming.respond(createResponse(request, status));
    const { headers, body } = request;
    const remoteTag = tagOf(headers.get("From") ?? "");
    if (remoteTag === undefined || headers.get("Call-ID") !== this.#callId || this.#state.kind === "closed")
      return refuse(481);
    if (this.#remoteTag !== undefined && this.#remoteTag !== remoteTag) return refuse(481);
    const { sequence } = parseCSeq(headers.get("CSeq") ?? "");
    if (sequence <= this.#notifyCseq) return refuse(500);
    const { state, params } = parseSubscriptionState(headers.get("Subscription-State") ?? "");
    this.#notifyCseq = sequence;
    this.#confirm(request, remoteTag);
    refuse(200);
    this.#components.counters.add("sidecar.notified");
    if (state === "terminated") return this.#ended(params.get("reason"), Number(params.get("retry-after")));
    // Kamailio says so when the last publication there has expired, or was lost. RFC 3856 §6.9 would go on with the document of before, which nobody would ever take back.
    this.#publish(body.length > 0 ? body : undefined, headers.get("Content-Type"));
  }

  #answered(response: SipResponse): void {
    if (this.#state.kind !== "subscribing") return;
    const { timers, counters, clock } = this.#components;
    const tag = tagOf(response.headers.get("To") ?? "");
    if (response.status < 200 || response.status >= 300 || tag === undefined) {
      counters.add("sidecar.subscribe_failed");
      return this.#retry(Number(response.headers.get("Retry-After")));
    }
    let seconds: number;
    try {
      this.#confirm(response, tag);
      seconds = expiresOf(response.headers) ?? this.#subscriptionSeconds;
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error;
      counters.add("sidecar.subscribe_failed");
      return this.#retry(0);
    }
    this.#failures = 0;
    const cancel = timers.after(Math.max(seconds * 800, 1000), () => this.open());
    this.#state = { kind: "active", cancel, sinceMs: clock.monotonicMs() };
  }

  /** The dialog is over. @see RFC 6665 §4.1.3 */
  #ended(reason: string | undefined, retryAfterSeconds: number): void {
    if (this.#state.kind === "active") this.#state.cancel();
    this.#state = { kind: "subscribing" };
    this.#publish(undefined);
    const isForGood = reason === "rejected" || reason === "noresource" || reason === "invariant";
    this.#retry(isForGood ? limits.sidecar.retryMaxMs / 1000 : retryAfterSeconds);
  }

  /** subscribing → waiting, for a dialog of its own */
  #retry(afterSeconds: number): void {
    this.#callId = randomCallId();
    this.#cseq = 0;
    this.#remoteTag = undefined;
    this.#remoteTarget = this.aor;
    this.#routes = [];
    this.#notifyCseq = -1;
    const { retryMinMs, retryMaxMs } = limits.sidecar;
    const pauseMs = Math.min(retryMinMs * 2 ** this.#failures, retryMaxMs);
    this.#failures++;
    const delayMs = afterSeconds > 0 ? Math.min(afterSeconds * 1000, retryMaxMs) : pauseMs;
    this.#state = { kind: "waiting", cancel: this.#components.timers.after(delayMs, () => this.open()) };
  }

  #subscribe(expiresSeconds: number): Promise<SipResponse> {
    const { stack, subscriber, contactFor } = this.#components;
    this.#cseq++;
    const tag = this.#remoteTag === undefined ? "" : `;tag=${this.#remoteTag}`;
    const request = createRequest({
      method: "SUBSCRIBE",
      uri: this.#remoteTarget,
      from: `<${subscriber}>;tag=${this.localTag}`,
      to: `<${this.aor}>${tag}`,
      callId: this.#callId,
      cseq: this.#cseq,
      headers: [
        ...this.#routes.map((route): [string, string] => ["Route", route]),
        ["Contact", `<${contactFor(this.flow)}>`],
        ["P-Asserted-Identity", `<${subscriber}>`],
        ["Event", "presence"],
        ["Accept", "application/pidf+xml"],
        ["Expires", String(expiresSeconds)],
      ],
    });
    return stack.send(request, this.flow);
  }

  #confirm({ kind, headers }: SipRequest | SipResponse, remoteTag: string): void {
    if (this.#remoteTag === undefined) {
      const recorded = headers.all("Record-Route");
      // RFC 3261 §12.1: as the server recorded it; as a client in reverse.
      this.#routes = kind === "request" ? recorded : recorded.toReversed();
    }
    this.#remoteTag = remoteTag;
    const contact = headers.get("Contact");
    if (contact !== undefined) this.#remoteTarget = parseNameAddr(contact).uri;
  }

  /** Publishes a document in place of the one before; `undefined` takes it back. */
  #publish(document: Uint8Array | undefined, contentType = "application/pidf+xml"): void {
    // Copied: the message may be a small part of a large buffer.
    const body = document && Uint8Array.from(document);
    this.#publishing = this.#publishing.then(() => this.#publishNow(body, contentType)).catch(() => {});
  }

  async #publishNow(body: Uint8Array | undefined, contentType: string): Promise<void> {
    const { publish, published, counters } = this.#components;
    const before = this.#entityTag ?? published(this.aor, this.flow);
    // What was still to be published when the user went would be news of one who is on another server.
    const isLate = body !== undefined && this.#state.kind === "closed";
    if (isLate || (body === undefined && before === undefined)) return;
    const request = (entityTag: string | undefined) =>
      createRequest({
        method: "PUBLISH",
        uri: this.aor,
        from: `<${this.aor}>;tag=${randomTag()}`,
        to: `<${this.aor}>`,
        headers: [
          ["Event", "presence"],
          // It outlives the subscription that it came by, which is refreshed in time or taken back.
          ["Expires", body === undefined ? "0" : String(2 * this.#subscriptionSeconds)],
          ...(entityTag === undefined ? [] : [["SIP-If-Match", entityTag] as [string, string]]),
          ...(body === undefined ? [] : [["Content-Type", contentType] as [string, string]]),
        ],
        ...(body === undefined ? {} : { body }),
      });
    let answer = await publish(request(before), this.aor, this.flow);
    if (answer.status === 412 && body !== undefined) answer = await publish(request(undefined), this.aor, this.flow);
    if (answer.status >= 300) counters.add("sidecar.publish_failed");
    this.#entityTag = answer.status < 300 && body !== undefined ? answer.headers.get("SIP-ETag") : undefined;
  }
}
