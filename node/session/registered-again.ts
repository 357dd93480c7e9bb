import type { Aor } from "../../dht-schema/aor.ts";
import { tryParseAor } from "../../dht-schema/aor.ts";
import type { RegisteredContacts } from "../registrar/registered-contacts.ts";
import type { SipRequest } from "../sip/message/message.ts";
import { parseNameAddr } from "../sip/message/name-addr.ts";
import { areSameUris } from "../sip/message/uri.ts";
import { listenerOf } from "../sip/reachable-flow.ts";
import type { Flow } from "../sip/stack.ts";
import type { AwayWaits } from "./away-waits.ts";
import type { ReachedAgainComponents } from "./reached-again.ts";
import { connectionOf } from "./reached-again.ts";
import type { Way } from "./session-routes.ts";
import { untilRegistered } from "./until-registered.ts";

export interface RegisteredAgainComponents extends ReachedAgainComponents {
  readonly contacts: ReachedAgainComponents["contacts"] & Pick<RegisteredContacts, "usersAt">;
  readonly waits: AwayWaits;
}

/**
 * The client to which a request within a session goes, where it has registered since its way was recorded: clients whose connection is lost, or whose address has
 * changed, do so. Only devices of the user are looked for to whom the way of the session leads: so the other end chooses nobody else by what it writes in
 * Request-URI and To, and nobody gets what is another's by registering the same Contact.
 * @see RFC 3261 §12.2.1.1; RFC 5626 §5.3
 */
export class RegisteredAgain {
  readonly #components: RegisteredAgainComponents;
  readonly #user: Aor | undefined;
  readonly #uri: string;
  readonly #way: Extract<Way, { of: "session" }>;

  /** @throws {SipParseError} */
  constructor(
    { uri, headers }: SipRequest,
    way: Extract<Way, { of: "session" }>,
    components: RegisteredAgainComponents,
  ) {
    this.#components = components;
    this.#user = tryParseAor(parseNameAddr(headers.get("To") ?? "").uri);
    this.#uri = uri;
    this.#way = way;
  }

  /**
   * Where the request goes instead of `to`, the flow that was recorded. Who was called was called where they had registered, so what they have registered since is newer. Who
   * has called may have called from where they have not registered yet, so their registration counts only when their connection has closed.
   * A client that is away, and cannot be called, is waited for.
   */
  flow(to: Flow): Flow | Promise<Flow> {
    const isClosed = this.#components.stack.hasClosed(to);
    if (to.transport === "MESH" || (this.#way.towards === "caller" && !isClosed)) return to;
    const flow = this.#look();
    if (flow !== undefined || !isClosed || to.calledAt) return flow ?? to;
    return this.#wait(to, () => this.#look()).then((again) => again ?? to);
  }

  /** Where a request goes on that was on its way over a connection when that closed. */
  again(closed: Flow): Promise<Flow | undefined> {
    return this.#wait(closed, () => {
      const flow = this.#look();
      // Where it listens is tried once: after that only the client itself knows when it is there.
      const isNew = connectionOf(flow) !== undefined || connectionOf(closed) !== undefined;
      return isNew && flow?.transport === closed.transport ? flow : undefined;
    });
  }

  #wait(closed: Flow, look: () => Flow | undefined): Promise<Flow | undefined> {
    const isIts = (aor: Aor, { uri }: { readonly uri: string }) => aor === this.#user || uri === this.#uri;
    return this.#components.waits.wait(closed, () => untilRegistered(isIts, look, this.#components));
  }

  #look(): Flow | undefined {
    const { contacts, stack } = this.#components;
    // Whom To names, in nearly all sessions; it may be an alias, or the Contact by which a device was called.
    const named = this.#user === undefined ? [] : [this.#user];
    const users = [...named, ...contacts.usersAt(this.#uri).same].filter(this.#way.isTowards);
    for (const { uri, flow, path } of users.flatMap((aor) => contacts.contactsOf(aor))) {
      if (flow.transport === "MESH" || path !== undefined || !areSameUris(uri, this.#uri)) continue;
      // The rest of Route is what the other end wrote, and says nothing of where this one listens.
      if (!stack.hasClosed(flow)) return { ...flow, calledAt: listenerOf(uri, flow, []) ?? null };
    }
    return undefined;
  }
}
