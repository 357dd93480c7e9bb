import { createHash } from "node:crypto";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { Registration, RegistrationChange } from "../../registrar/registered-contacts.ts";
import type { ReginfoContact } from "../registrations/reginfo-document.ts";
import { bytesOfContact, isGone, REGINFO_CONTENT_TYPE, serializeReginfo } from "../registrations/reginfo-document.ts";
import { limits } from "../../runtime/limits.ts";
import { secondsLeft } from "../../runtime/seconds-left.ts";
import { REG_EVENT } from "../answer.ts";
import type { DocumentBounds } from "../subscription/change-log.ts";
import { ChangeLog } from "../subscription/change-log.ts";
import type { Shown } from "../subscription/notifier-dialog.ts";
import type { PresenceContext } from "./presence-context.ts";
import type { Content, ContentRequest, Subject } from "./subject.ts";
import type { Subscription } from "./subscription.ts";

interface Told {
  readonly registration: Registration;
  readonly change: RegistrationChange;
}

const BOUNDS: DocumentBounds<Told> = {
  items: Infinity,
  bytes: limits.presence.toldBytes,
  bytesOf: ({ registration }) => bytesOfContact(registration),
};

/**
 * Which devices a user has registered at this server: told to the user, and to other servers. Where the user goes to another server
 * the contacts here are told as `deactivated`, and the subscription goes on: they may come back.
 * @see RFC 3680
 */
export class RegistrationInfo implements Subject {
  readonly event = REG_EVENT;
  readonly aor: Aor;
  readonly #context: PresenceContext;
  readonly #onEnded: (subscription: Subscription) => void;
  readonly #subscriptions = new Set<Subscription>();
  readonly #log = new ChangeLog<Told>(limits.presence.changesRemembered);
  #hasBeen = false;

  constructor(context: PresenceContext, aor: Aor, onEnded: (subscription: Subscription) => void) {
    this.#context = context;
    this.aor = aor;
    this.#onEnded = onEnded;
    for (const registration of context.contacts.registrationsOf(aor)) this.#set({ registration, change: "registered" });
  }

  get isIdle(): boolean {
    return this.#subscriptions.size === 0;
  }

  add(subscription: Subscription): void {
    this.#subscriptions.add(subscription);
    subscription.tell();
  }

  changed(registration: Registration, change: RegistrationChange): void {
    const id = idOf(nameOf(registration));
    if (isGone(change)) this.#log.remove(id, () => ({ registration, change }));
    else this.#set({ registration, change });
    this.#context.fanOut.tell(this.#subscriptions);
  }

  shownTo(): Shown {
    return { standing: "active", version: this.#log.version };
  }

  content(_subscriber: unknown, { since, sequence }: ContentRequest): Content {
    const { full, items } = this.#log.told(since, BOUNDS);
    const isActive = [...this.#log.ids()].length > 0;
    const document = serializeReginfo({
      version: sequence,
      full,
      aor: this.aor,
      id: idOf(this.aor),
      state: isActive ? "active" : this.#hasBeen ? "terminated" : "init",
      contacts: items.map((told) => this.#contactOf(told)),
    });
    return { contentType: REGINFO_CONTENT_TYPE, body: Buffer.from(document) };
  }

  mayShow(): boolean {
    return true;
  }

  ended(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    this.#onEnded(subscription);
  }

  #set(told: Told): void {
    this.#hasBeen = true;
    this.#log.set(idOf(nameOf(told.registration)), told);
  }

  #contactOf({ registration, change }: Told): ReginfoContact {
    const { uri, q, callId, cseq, expiresAtMs } = registration;
    const leftSeconds = secondsLeft(expiresAtMs, this.#context.clock.monotonicMs());
    return {
      ...{ id: idOf(nameOf(registration)), uri, change, q, callId, cseq },
      ...(isGone(change) ? {} : { expiresSeconds: leftSeconds }),
    };
  }
}

/** Neither a URI nor an instance nor a Call-ID has a space. */
function nameOf({ uri, twin }: Registration): string {
  return twin === undefined ? uri : `${uri} ${twin}`;
}

/** Letters and digits that stay the same for as long as the contact is bound. */
function idOf(name: string): string {
  return createHash("sha256").update(name).digest("hex").slice(0, 12);
}
