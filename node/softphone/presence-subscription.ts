import { Core, type URI, type UserAgent } from "sip.js";
import { PendingOutcome, type SipOutcome } from "./outcome.ts";
import { parsePidf, type PresenceState } from "./pidf.ts";

/** One NOTIFY of a presence subscription. */
export interface PresenceNotification {
  readonly state: "pending" | "active" | "terminated";
  /** With `terminated`. @see RFC 6665 §4.1.3 */
  readonly reason?: string;
  /** Absent when the NOTIFY had no body. */
  readonly presence?: PresenceState;
}

/** A dialog that follows somebody's presence; SIP.js refreshes it before it expires. */
export class PresenceSubscription {
  readonly #onNotify: (notification: PresenceNotification) => void;
  readonly #outcome: PendingOutcome;
  readonly #ended = Promise.withResolvers<void>();
  readonly #request: Core.OutgoingSubscribeRequest;
  #dialog: Core.Subscription | undefined;

  constructor(
    userAgent: UserAgent,
    target: URI,
    expiresSeconds: number,
    closing: AbortSignal,
    onNotify: (notification: PresenceNotification) => void,
  ) {
    this.#onNotify = onNotify;
    this.#outcome = new PendingOutcome(closing);
    const core = userAgent.userAgentCore;
    const message = core.makeOutgoingRequestMessage("SUBSCRIBE", target, core.configuration.aor, target, {}, [
      "Event: presence",
      `Expires: ${expiresSeconds}`,
      "Accept: application/pidf+xml",
      "Allow: NOTIFY, MESSAGE",
      `Contact: ${core.configuration.contact.toString()}`,
    ]);
    this.#request = core.subscribe(message, {
      ...this.#outcome.delegate,
      onNotify: ({ request, subscription }) => {
        if (subscription !== undefined) this.#adopt(subscription);
        this.#receive(request);
      },
      onNotifyTimeout: () => this.#ended.resolve(),
    });
  }

  /** How the first SUBSCRIBE ended. */
  get outcome(): Promise<SipOutcome> {
    return this.#outcome.promise;
  }

  /** Ends the subscription; resolves with its last NOTIFY. */
  async close(): Promise<void> {
    if (this.#dialog === undefined) return this.dispose();
    const state = this.#dialog.subscriptionState;
    if (state !== Core.SubscriptionState.Pending && state !== Core.SubscriptionState.Active) return;
    this.#dialog.unsubscribe();
    await this.#ended.promise;
  }

  /** Forgets the subscription, without a word to the server. */
  dispose(): void {
    if (this.#dialog === undefined) this.#request.waitNotifyStop();
    else this.#dialog.dispose();
    this.#ended.resolve();
  }

  #adopt(dialog: Core.Subscription): void {
    this.#dialog = dialog;
    dialog.autoRefresh = true;
    dialog.delegate = {
      onNotify: (request) => this.#receive(request),
      onTerminated: () => this.#ended.resolve(),
    };
  }

  #receive(request: Core.IncomingNotifyRequest): void {
    const parsed = parseNotify(request.message);
    if (parsed === undefined) return void request.reject({ statusCode: 400, reasonPhrase: "Malformed body" });
    request.accept();
    this.#onNotify(parsed);
    if (parsed.state === "terminated") this.#ended.resolve();
  }
}

function parseNotify(message: Core.IncomingRequestMessage): PresenceNotification | undefined {
  const value = message.getHeader("Subscription-State") ?? "";
  const state = /^\s*(pending|active)/i.exec(value)?.[1]?.toLowerCase() as "pending" | "active" | undefined;
  const reason = /;\s*reason\s*=\s*([^;\s]+)/i.exec(value)?.[1];
  try {
    return {
      state: state ?? "terminated",
      ...(reason === undefined ? {} : { reason }),
      ...(message.body === "" ? {} : { presence: parsePidf(message.body) }),
    };
  } catch {
    return undefined; // not XML: the notifier learns it from the 400
  }
}
