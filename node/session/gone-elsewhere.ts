import type { Aor } from "../../dht-schema/aor.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import type { Locator } from "../federation/locator.ts";
import type { RegisteredContacts } from "../registrar/registered-contacts.ts";
import type { Flow } from "../sip/stack.ts";
import type { AwayWaits } from "./away-waits.ts";
import type { ContactSearch } from "./contact-search.ts";

export interface GoneElsewhereComponents {
  readonly locator: Pick<Locator, "owned" | "locate" | "onLost">;
  readonly contacts: Pick<RegisteredContacts, "isResting">;
  readonly search: Pick<ContactSearch, "isAt">;
  readonly waits: AwayWaits;
}

/** A client of this server, by its user and the Contact that sessions know it by. */
export interface SessionClient {
  readonly user: Aor | undefined;
  readonly contact: string;
}

/**
 * Clients that have come to another server, and have left a connection or an address behind of which nobody knows that it is dead. That a user is at another server says nothing of one
 * client, of several: so that server is asked whether this very one is registered there.
 */
export class GoneElsewhere {
  readonly #components: GoneElsewhereComponents;
  readonly #underWay = new Map<Aor, Set<(server: ServerId) => void>>();

  constructor(components: GoneElsewhereComponents) {
    this.#components = components;
    components.locator.onLost(({ aor, to }) => {
      if (to !== undefined) for (const lostTo of this.#underWay.get(aor) ?? []) lostTo(to);
    });
  }

  /** Whether it could be: its user is not known to be here. */
  mayBe({ user }: SessionClient): boolean {
    const { locator, contacts } = this.#components;
    return user !== undefined && locator.owned(user) === undefined && !contacts.isResting(user);
  }

  /** The server to which it has gone. @param from where it was reached here */
  async server({ user, contact }: SessionClient, from: Flow): Promise<Flow | undefined> {
    if (user === undefined) return undefined;
    return this.#components.waits.wait(from, async () => {
      const found = await this.#components.locator.locate(user, { certain: false });
      return found.kind === "server" ? this.#at(found.server, user, contact) : undefined;
    });
  }

  /**
   * Tells to which server it has gone while a request to it is under way, if it does.
   * @param from where it was reached here
   * @returns how to end that
   */
  listen({ user, contact }: SessionClient, from: Flow, gone: (to: Flow) => void): () => void {
    if (user === undefined) return () => {};
    const lostTo = async (server: ServerId): Promise<void> => {
      const to = await this.#components.waits.wait(from, () => this.#at(server, user, contact));
      if (to !== undefined) gone(to);
    };
    const others = this.#underWay.get(user) ?? new Set();
    this.#underWay.set(user, others.add(lostTo));
    return () => {
      if (others.delete(lostTo) && others.size === 0) this.#underWay.delete(user);
    };
  }

  async #at(server: ServerId, user: Aor, contact: string): Promise<Flow | undefined> {
    return (await this.#components.search.isAt(server, contact, user)) ? { transport: "MESH", server } : undefined;
  }
}
