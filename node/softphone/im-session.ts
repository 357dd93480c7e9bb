import {
  type Invitation,
  Inviter,
  type Notification,
  type Referral,
  type Session,
  type SessionDescriptionHandler,
  SessionState,
  type URI,
  type UserAgent,
} from "sip.js";
import { MsrpEnd } from "./msrp.ts";
import { isSuccess, PendingOutcome, type SipOutcome } from "./outcome.ts";

/** Instant messages in session mode, with one other user. @see RFC 3261 §13; RFC 4975 */
export interface ImSession {
  /** AoR of the other side. */
  readonly with: string;
  /** Resolves with the status of the receiver's answer: 200 when it has the text. */
  send(text: string): Promise<number>;
  onText(listener: (text: string) => void): void;
  /**
   * Sends the other side to whom this one talks with in another session, which is replaced there.
   * @returns the status of how it was answered, by the other side's word
   * @see RFC 5589 §7
   */
  transferTo(other: ImSession): Promise<number>;
  /** Calls `listener` when the other side has sent this one to somebody else, with what came of it. */
  onTransferred(listener: (outcome: ImSession | SipOutcome) => void): void;
  /** Resolves when either side has ended it. */
  readonly ended: Promise<void>;
  /** Ends it. */
  close(): Promise<void>;
}

/** Somebody rings. */
export interface ImInvitation {
  readonly from: string;
  accept(): Promise<ImSession>;
  /** @param status 486 Busy Here, 603 Decline */
  reject(status: number): Promise<void>;
  /** Resolves when the caller, or another device that answered, has ended the ringing. */
  readonly cancelled: Promise<void>;
}

/** Joins SIP.js's offers and answers to MSRP. */
class MsrpDescription implements SessionDescriptionHandler {
  readonly listeners = new Set<(text: string) => void>();
  readonly #host: string;
  readonly #active: boolean;
  #end: Promise<MsrpEnd> | undefined;

  constructor(host: string, active: boolean) {
    this.#host = host;
    this.#active = active;
  }

  /** Begins to listen when it is first wanted. */
  end(): Promise<MsrpEnd> {
    this.#end ??= MsrpEnd.listen(this.#host, (text) => this.listeners.forEach((listener) => listener(text)));
    return this.#end;
  }

  close(): void {
    void this.#end?.then((end) => end.close());
  }

  async getDescription(): Promise<{ body: string; contentType: string }> {
    return { body: (await this.end()).describe(), contentType: "application/sdp" };
  }

  hasDescription(contentType: string): boolean {
    return contentType === "application/sdp";
  }

  async setDescription(sdp: string): Promise<void> {
    (await this.end()).meet(sdp, this.#active);
  }

  sendDtmf(): boolean {
    return false;
  }
}

/** What SIP.js makes the descriptions of its sessions with. @param host where MSRP listens */
export function msrpDescriptions(host: () => string): (session: Session) => SessionDescriptionHandler {
  return (session) => new MsrpDescription(host(), session instanceof Inviter);
}

/** Rings a user. @returns the session, or how the call was answered instead */
export function inviteSession(
  agent: UserAgent,
  to: URI,
  closing: AbortSignal,
  giveUp?: AbortSignal,
): Promise<ImSession | SipOutcome> {
  const inviter = new Inviter(agent, to);
  giveUp?.addEventListener("abort", () => void inviter.cancel());
  return ring(inviter, to.toString(), closing);
}

async function ring(inviter: Inviter, other: string, closing: AbortSignal): Promise<ImSession | SipOutcome> {
  const pending = new PendingOutcome(closing);
  const established = reached(inviter, SessionState.Established);
  await inviter.invite({ requestDelegate: pending.delegate });
  const outcome = await pending.promise;
  if (!isSuccess(outcome)) return outcome;
  await established;
  return imSession(inviter, other, closing);
}

/** An INVITE that has come, for the user to take or leave. */
export function invitationOf(invitation: Invitation, closing: AbortSignal): ImInvitation {
  const from = invitation.remoteIdentity.uri.toString();
  return {
    from,
    async accept() {
      await invitation.accept();
      return imSession(invitation, from, closing);
    },
    reject: (status) => invitation.reject({ statusCode: status }),
    cancelled: reached(invitation, SessionState.Terminated),
  };
}

/** The SIP.js session behind each of ours. */
const sessions = new WeakMap<ImSession, Session>();

function imSession(session: Session, other: string, closing: AbortSignal): ImSession {
  const description = session.sessionDescriptionHandler as MsrpDescription;
  const listeners = new Set<(outcome: ImSession | SipOutcome) => void>();
  session.delegate = {
    onRefer: (referral) =>
      void follow(referral, closing).then((outcome) => listeners.forEach((listener) => listener(outcome))),
  };
  const made: ImSession = {
    with: other,
    send: async (text) => (await description.end()).send(text),
    onText: (listener) => void description.listeners.add(listener),
    transferTo: (target) => refer(session, sessions.get(target)!),
    onTransferred: (listener) => void listeners.add(listener),
    ended: reached(session, SessionState.Terminated),
    close: async () => void (await session.bye()),
  };
  sessions.set(made, session);
  return made;
}

/** The status that the last NOTIFY brings. @see RFC 3515 §2.4.5 */
async function refer(session: Session, target: Session): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const settle = (status: number): void => (status >= 200 ? resolve(status) : undefined);
  await session.refer(target, {
    requestDelegate: { onReject: ({ message }) => settle(message.statusCode ?? 0) },
    onNotify(notification: Notification) {
      void notification.accept();
      settle(Number(/^SIP\/2\.0 (\d{3})/.exec(notification.request.body)?.[1]));
    },
  });
  return promise;
}

async function follow(referral: Referral, closing: AbortSignal): Promise<ImSession | SipOutcome> {
  await referral.accept();
  return ring(referral.makeInviter(), referral.referTo.uri.toString(), closing);
}

function reached(session: Session, state: SessionState): Promise<void> {
  if (session.state === state) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  session.stateChange.addListener((next) => next === state && resolve());
  return promise;
}
