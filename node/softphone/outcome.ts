import type { Core } from "sip.js";

/** How a request ended. */
export interface SipOutcome {
  /** Of the final response: 200–699. 408 also when nobody answered within 32 s, 503 when it could not be sent. */
  readonly status: number;
  readonly reason: string;
}

/** Whether it was a 2xx. */
export function isSuccess(outcome: SipOutcome): boolean {
  return outcome.status >= 200 && outcome.status < 300;
}

/** SIP.js drops a response that it cannot use and then says nothing: this long after Timer F nothing more will come. */
const silenceMs = 34_000;

/** A request's end as one promise, from the callbacks of SIP.js. */
export class PendingOutcome {
  readonly promise: Promise<SipOutcome>;
  readonly #resolve: (outcome: SipOutcome) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #closing: AbortSignal;
  readonly #onClosing = (): void => this.settle({ status: 503, reason: "The client closed" });

  /** @param closing aborted when the client closes, because SIP.js then forgets its requests without a word */
  constructor(closing: AbortSignal) {
    const { promise, resolve } = Promise.withResolvers<SipOutcome>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#timer = setTimeout(() => this.settle({ status: 408, reason: "No usable response" }), silenceMs);
    this.#closing = closing;
    closing.addEventListener("abort", this.#onClosing);
  }

  /** What to give to SIP.js with the request. */
  get delegate(): Core.OutgoingRequestDelegate {
    const settle = (response: Core.IncomingResponse): void => this.settleWith(response.message);
    return { onAccept: settle, onRedirect: settle, onReject: settle };
  }

  settleWith(message: { statusCode?: number | undefined; reasonPhrase?: string | undefined }): void {
    const status = message.statusCode ?? 0;
    if (status >= 200) this.settle({ status, reason: message.reasonPhrase ?? "" });
  }

  /** The first call decides. */
  settle(outcome: SipOutcome): void {
    clearTimeout(this.#timer);
    this.#closing.removeEventListener("abort", this.#onClosing);
    this.#resolve(outcome);
  }
}
