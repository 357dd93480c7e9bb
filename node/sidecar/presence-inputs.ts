import type { Aor } from "../../dht-schema/aor.ts";
import { tryParseAor } from "../../dht-schema/aor.ts";
import { LOOP_DETECTED, LOOPS } from "../federation/loops.ts";
import type { RegisteredContacts } from "../registrar/registered-contacts.ts";
import { limits } from "../runtime/limits.ts";
import { createResponse, tagOf } from "../sip/message/build.ts";
import { parseNameAddr } from "../sip/message/name-addr.ts";
import type { Flow, IncomingRequest } from "../sip/stack.ts";
import type { PresenceInputComponents } from "./presence-input.ts";
import { PresenceInput } from "./presence-input.ts";

export interface PresenceInputsComponents extends PresenceInputComponents {
  readonly contacts: RegisteredContacts;
  readonly isTrusted: (flow: Flow) => boolean;
}

/** A {@link PresenceInput} for each user here whose contact is a trusted server. */
export class PresenceInputs {
  readonly #components: PresenceInputsComponents;
  readonly #byUser = new Map<Aor, PresenceInput>();
  readonly #byTag = new Map<string, PresenceInput>();
  #stopListening = () => {};

  constructor(components: PresenceInputsComponents) {
    this.#components = components;
  }

  get size(): number {
    return this.#byUser.size;
  }

  start(): void {
    const { contacts } = this.#components;
    const stops = [
      contacts.onChange((aor) => this.#contactsChanged(aor)),
      contacts.onRegistration((aor, _registration, change) => change === "refreshed" && this.#byUser.get(aor)?.renew()),
    ];
    this.#stopListening = () => {
      for (const stop of stops) stop();
    };
  }

  stop(): void {
    this.#stopListening();
    for (const aor of this.#byUser.keys()) this.#close(aor);
  }

  /** Takes a NOTIFY of a subscription of these; false when it is none. */
  notified(incoming: IncomingRequest): boolean {
    const input = this.#byTag.get(tagOf(incoming.request.headers.get("To") ?? "") ?? "");
    if (input === undefined || !this.#components.isTrusted(incoming.flow)) return false;
    input.notified(incoming);
    return true;
  }

  /**
   * Answers a SUBSCRIBE of these, or of another node's, that has come back: the other server does not take the user for its own, and it
   * would end in a subscription of the user's server to itself. False when it is none.
   */
  returned(incoming: IncomingRequest): boolean {
    const { request, flow } = incoming;
    const from = request.headers.get("From") ?? "";
    if (!this.#byTag.has(tagOf(from) ?? "") && !this.#isOfNode(from, flow)) return false;
    this.#components.counters.add(LOOPS);
    const { status, reason } = LOOP_DETECTED;
    incoming.respond(createResponse(request, status, { reason }));
    return true;
  }

  /** The nodes of a domain have one name, and ask each other over the mesh alone: what comes in it from a server without a node was for that server. */
  #isOfNode(from: string, flow: Flow): boolean {
    const { isTrusted, subscriber } = this.#components;
    return isTrusted(flow) && tryParseAor(parseNameAddr(from).uri) === subscriber;
  }

  #contactsChanged(aor: Aor): void {
    const { contacts, isTrusted, counters } = this.#components;
    const contact = contacts.contactsOf(aor).find(({ flow }) => isTrusted(flow));
    const present = this.#byUser.get(aor);
    if (contact === undefined) return this.#close(aor);
    if (present !== undefined && isSame(present.flow, contact.flow)) return;
    this.#close(aor);
    if (this.#byUser.size >= limits.sidecar.users) return counters.add("sidecar.full");
    const input = new PresenceInput(this.#components, aor, contact.flow);
    this.#byUser.set(aor, input);
    this.#byTag.set(input.localTag, input);
    input.open();
  }

  #close(aor: Aor): void {
    const input = this.#byUser.get(aor);
    if (input === undefined) return;
    this.#byUser.delete(aor);
    this.#byTag.delete(input.localTag);
    input.close();
  }
}

function isSame(a: Flow, b: Flow): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
