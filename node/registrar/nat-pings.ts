import type { Aor } from "../../dht-schema/aor.ts";
import type { Clock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import type { Counters } from "../runtime/metrics.ts";
import type { Timers } from "../runtime/timers.ts";
import type { Flow, SipKeepAlives } from "../sip/stack.ts";
import { isBehindNat } from "./device-origin.ts";
import { PingRound } from "./ping-round.ts";
import type { RegisteredContact, RegisteredContacts } from "./registered-contacts.ts";

export interface NatPingsComponents {
  readonly stack: SipKeepAlives;
  /** Whether a flow is of a server that the operator trusts: no NAT is between such, whatever name it gives itself. */
  readonly isTrusted: (flow: Flow) => boolean;
  readonly contacts: Pick<RegisteredContacts, "contactsOf" | "onChange" | "onRegistration">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly counters: Counters;
}

/**
 * Keeps the ways to UDP devices behind NATs open, which close after half a minute of silence with some: such a device would be registered and hear of no call. Streams
 * have keep-alives of their own, and devices that know RFC 5626 ask by STUN.
 */
export class NatPings {
  readonly #components: NatPingsComponents;
  readonly #round: PingRound<Aor>;
  #stopListening: readonly (() => void)[] = [];
  #cancelTick = (): void => {};

  /** @param intervalMs after which a device is pinged again */
  constructor(components: NatPingsComponents, intervalMs: number) {
    this.#components = components;
    this.#round = new PingRound(intervalMs, limits.registrar.natPings.atOnce);
  }

  start(): void {
    const { contacts } = this.#components;
    const note = (aor: Aor) => {
      if (this.#behindNat(aor).length > 0) this.#round.add(aor);
      else this.#round.remove(aor);
    };
    // A refresh can come from behind another NAT.
    this.#stopListening = [contacts.onChange(note), contacts.onRegistration(note)];
    this.#tick();
  }

  stop(): void {
    for (const stop of this.#stopListening) stop();
    this.#cancelTick();
  }

  #behindNat(aor: Aor): readonly RegisteredContact[] {
    const { contacts, isTrusted } = this.#components;
    return contacts.contactsOf(aor).filter((contact) => isBehindNat(contact) && !isTrusted(contact.flow));
  }

  #tick(): void {
    const { stack, clock, timers, counters } = this.#components;
    for (const aor of this.#round.take(clock.monotonicMs())) {
      const contacts = this.#behindNat(aor);
      for (const { uri, flow } of contacts) stack.keepAlive(uri, flow);
      counters.add("registrar.nat_pings", contacts.length);
      // Expired, or the user has gone.
      if (contacts.length === 0) this.#round.remove(aor);
    }
    this.#cancelTick = timers.after(limits.registrar.natPings.tickMs, () => this.#tick());
  }
}
