import type { Aor } from "../../dht-schema/aor.ts";
import { domainOf } from "../../dht-schema/aor.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import type { Locator } from "../federation/locator.ts";
import type { RegisteredContacts } from "../registrar/registered-contacts.ts";
import type { Flow } from "../sip/stack.ts";
import type { AwayWaits } from "./away-waits.ts";
import type { ContactSearch } from "./contact-search.ts";

export interface MovedClientsComponents {
  readonly locator: Pick<Locator, "owned" | "locate" | "onLost">;
  readonly contacts: Pick<RegisteredContacts, "isResting" | "onRegistration">;
  readonly search: Pick<ContactSearch, "isAt">;
  readonly waits: AwayWaits;
  /** Nobody of another is at any server. */
  readonly domain: string;
}

/** A client of this server, by its user and the Contact that sessions know it by. */
export interface SessionClient {
  readonly user: Aor | undefined;
  readonly contact: string;
  /** Where the request for it came from. */
  readonly source: Flow;
}

/** A request that is on its way to a client. */
interface UnderWay {
  registered(): void;
  lostTo(server: ServerId): void;
}

/**
 * Clients that have come to another server, or register by another flow, and have left a connection or an address behind of which nobody knows that it is dead. That a user is at
 * another server says nothing of one client, of several: so that server is asked whether this very one is registered there.
 */
export class MovedClients {
  readonly #components: MovedClientsComponents;
  readonly #underWay = new Map<Aor, Set<UnderWay>>();

  constructor(components: MovedClientsComponents) {
    this.#components = components;
    components.locator.onLost(({ aor, to }) => {
      if (to !== undefined) for (const request of this.#underWay.get(aor) ?? []) request.lostTo(to);
    });
    components.contacts.onRegistration((aor) => {
      for (const request of this.#underWay.get(aor) ?? []) request.registered();
    });
  }

  /** Whether it could be at another server: its user is not known to be here. */
  mayBeElsewhere({ user }: SessionClient): boolean {
    const { locator, contacts, domain } = this.#components;
    if (user === undefined || domainOf(user) !== domain) return false;
    return locator.owned(user) === undefined && !contacts.isResting(user);
  }

  /** The server to which it has gone. @param from where it was reached here */
  async elsewhere({ user, contact, source }: SessionClient, from: Flow): Promise<Flow | undefined> {
    if (user === undefined) return undefined;
    return this.#components.waits.wait(from, source, async () => {
      const found = await this.#components.locator.locate(user, { certain: false });
      return found.kind === "server" ? this.#at(found.server, user, contact) : undefined;
    });
  }

  /**
   * Tells where it is reached when it moves while a request to it is under way.
   * @param from where the request has gone
   * @param here where it is reached here now
   * @returns how to end that
   */
  listen(
    { user, contact, source }: SessionClient,
    from: Flow,
    here: () => Flow | undefined,
    moved: (to: Flow) => void,
  ): () => void {
    if (user === undefined) return () => {};
    // It may have been answered while its user's server was asked.
    const tell = (to: Flow | undefined): void => {
      if (to !== undefined && requests.has(request)) moved(to);
    };
    const request: UnderWay = {
      // The registrar closes the connection that the client has left behind right after this.
      registered: () => queueMicrotask(() => tell(here())),
      lostTo: (server) =>
        void this.#components.waits.wait(from, source, () => this.#at(server, user, contact)).then((to) => tell(to)),
    };
    const requests = this.#underWay.get(user) ?? new Set();
    this.#underWay.set(user, requests.add(request));
    return () => {
      if (requests.delete(request) && requests.size === 0) this.#underWay.delete(user);
    };
  }

  async #at(server: ServerId, user: Aor, contact: string): Promise<Flow | undefined> {
    return (await this.#components.search.isAt(server, contact, user)) ? { transport: "MESH", server } : undefined;
  }
}
