import { type Core, Publisher, PublisherState, type URI, type UserAgent } from "sip.js";
import { PendingOutcome, type SipOutcome } from "./outcome.ts";

/** SIP.js's publisher, which keeps the entity-tag and refreshes, made to tell how each PUBLISH ended. @see RFC 3903 §4 */
export class Publication {
  readonly #publisher: ReportingPublisher;

  constructor(userAgent: UserAgent, target: URI, expiresSeconds: number, closing: AbortSignal) {
    this.#publisher = new ReportingPublisher(closing, userAgent, target, "presence", {
      // oxlint-disable-next-line typescript/no-deprecated -- deprecated without a successor
      contentType: "application/pidf+xml",
      expires: expiresSeconds,
    });
  }

  /** An initial publication, later a modification of it. */
  publish(document: string): Promise<SipOutcome> {
    return this.#publisher.report(() => this.#publisher.publish(document));
  }

  /** Removes the publication; it is 200 when there is none. */
  async unpublish(): Promise<SipOutcome> {
    if (this.#publisher.state !== "Published") return { status: 200, reason: "Nothing published" };
    return this.#publisher.report(() => this.#publisher.unpublish());
  }

  /** Stops refreshing, without a word to the server. */
  async dispose(): Promise<void> {
    await this.#publisher.dispose();
  }
}

class ReportingPublisher extends Publisher {
  readonly #closing: AbortSignal;
  #pending: PendingOutcome | undefined;

  constructor(closing: AbortSignal, ...publisher: ConstructorParameters<typeof Publisher>) {
    super(...publisher);
    this.#closing = closing;
  }

  async report(send: () => Promise<void>): Promise<SipOutcome> {
    const pending = new PendingOutcome(this.#closing);
    this.#pending = pending;
    await send();
    return pending.promise;
  }

  protected override receiveResponse(response: Core.IncomingResponseMessage): void {
    // The time-out of a request that nobody waits for any more: SIP.js would throw.
    if (this.#isOver()) return;
    const pending = this.#pending; // a 412 or 423 makes SIP.js try again within this call: its answer counts
    const retries = response.statusCode === 412 || response.statusCode === 423;
    super.receiveResponse(response);
    if (!retries || this.#isOver()) pending?.settleWith(response);
  }

  #isOver(): boolean {
    return this.state === PublisherState.Terminated;
  }
}
