import type { Aor } from "../../dht-schema/aor.ts";
import { tryParseAor } from "../../dht-schema/aor.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import { isSameFlow } from "../federation/forward.ts";
import type { Locator } from "../federation/locator.ts";
import type { RegisteredContacts } from "../registrar/registered-contacts.ts";
import type { SipRequest } from "../sip/message/message.ts";
import { parseNameAddr } from "../sip/message/name-addr.ts";
import { areSameUris } from "../sip/message/uri.ts";
import { listenerOf } from "../sip/reachable-flow.ts";
import type { Flow, SipSessions, SocketFlow } from "../sip/stack.ts";

/** Where a client is reached. */
export type Reached = Flow & {
  /** Proxies between the flow and the client. @see RFC 3327 */
  readonly path?: readonly string[];
};

export interface OtherEndComponents {
  readonly contacts: Pick<RegisteredContacts, "contactsOf" | "usersAt" | "onRegistration">;
  readonly locator: Pick<Locator, "self" | "watch">;
  readonly stack: Pick<SipSessions, "hasClosed">;
}

/** To whom a request within a session goes. */
export interface WayTo {
  /** Whether it leads to a device of this user. */
  readonly isTowards: (aor: Aor) => boolean;
  /** Whether no other server would take the request there. */
  readonly isHereAlone?: boolean;
}

/**
 * The client to which a request within a session goes, where it has registered since the way of the session was recorded: clients whose connection is lost, or whose
 * address has changed, do so, here or at another server. Only devices of the user are looked for to whom that way leads: so the other end chooses nobody else by what it writes
 * in Request-URI and To, and nobody gets what is another's by registering the same Contact.
 * @see RFC 3261 §12.2.1.1; RFC 5626 §5.3
 */
export class OtherEnd {
  readonly #components: OtherEndComponents;
  readonly #named: Aor | undefined;
  /** By which sessions know it. */
  readonly contact: string;
  readonly source: Flow;
  readonly #way: WayTo;
  #owner: ServerId | undefined;

  /**
   * @param source where the request came from
   * @throws {SipParseError}
   */
  constructor({ uri, headers }: SipRequest, source: Flow, way: WayTo, components: OtherEndComponents) {
    this.#components = components;
    this.#named = tryParseAor(parseNameAddr(headers.get("To") ?? "").uri);
    this.contact = uri;
    this.source = source;
    this.#way = way;
  }

  /** The user whom To names, if the way leads to them, and may lead to them at another server. It may name an alias, or the Contact by which a device was called. */
  get user(): Aor | undefined {
    const { isTowards, isHereAlone } = this.#way;
    return this.#named !== undefined && isTowards(this.#named) && !isHereAlone ? this.#named : undefined;
  }

  /** Where it is registered here, behind proxies, too. */
  here(): Reached | undefined {
    return this.#registered()[0];
  }

  /**
   * Where it is registered here now, that was at `recorded`: by which it is told from another device of its user with the same Contact. Where proxies are in between, they know by the way
   * that was recorded where it is.
   * @param counts whether a registration by a flow does; by default, every one
   */
  hereNow(recorded: Flow, counts: (registered: Flow) => boolean = () => true): Flow | undefined {
    const direct = this.#registered().filter(({ path }) => path === undefined);
    const its = nearestTo(recorded, direct);
    return its !== undefined && counts(its) ? its : undefined;
  }

  #registered(): readonly (Reached & SocketFlow)[] {
    const { contacts, stack } = this.#components;
    const named = this.#named === undefined ? [] : [this.#named];
    const users = new Set([...named, ...contacts.usersAt(this.contact).same].filter(this.#way.isTowards));
    return [...users]
      .flatMap((aor) => contacts.contactsOf(aor))
      .flatMap(({ uri, flow, path }) => {
        if (flow.transport === "MESH" || !areSameUris(uri, this.contact) || stack.hasClosed(flow)) return [];
        // The rest of Route is what the other end wrote, and says nothing of where this one listens.
        const calledAt = listenerOf(uri, flow, path ?? []) ?? null;
        return [{ ...flow, calledAt, ...(path === undefined ? {} : { path }) }];
      });
  }

  /** The server at which its user is, as far as that has been heard since {@link listen}. @param than not that one */
  elsewhere(than: ServerId = this.#components.locator.self): Flow | undefined {
    const server = this.#owner;
    const isHere = server === this.#components.locator.self;
    return server === undefined || server === than || isHere ? undefined : { transport: "MESH", server };
  }

  /** Tells when it may have registered here. Returns how to end that. */
  listenHere(changed: () => void): () => void {
    const isIts = (aor: Aor, uri: string) => aor === this.#named || uri === this.contact;
    return this.#components.contacts.onRegistration((aor, { uri }) => isIts(aor, uri) && changed());
  }

  /** Tells when it may have registered here, or its user have come to another server. Returns how to end that. */
  listen(changed: () => void): () => void {
    const { locator } = this.#components;
    const { user } = this;
    const endHere = this.listenHere(changed);
    const watch =
      user &&
      locator.watch(user, (change) => {
        this.#owner = change.kind === "owner" ? change.server : undefined;
        changed();
      });
    return () => {
      endHere();
      watch?.close();
    };
  }
}

/** With the path that it has registered by, which is the Route of what goes there (RFC 3327 §5.2). */
export function routedTo({ path = [] }: Reached, request: SipRequest): SipRequest {
  const headers = request.headers.clone();
  headers.delete("Route");
  for (const hop of path) headers.append("Route", hop);
  return { ...request, headers };
}

/**
 * By which of the flows that are registered for one Contact a device is reached that was at `recorded` before. Of several devices it is told by that: its NAT may have given it another port,
 * but is at the same address.
 */
export function nearestTo(recorded: Flow, flows: readonly SocketFlow[]): SocketFlow | undefined {
  if (flows.length <= 1) return flows[0];
  if (recorded.transport === "MESH") return undefined;
  const atHost = flows.filter(({ address }) => address === recorded.address);
  return atHost.find((flow) => isSameFlow(flow, recorded)) ?? atHost[0];
}
