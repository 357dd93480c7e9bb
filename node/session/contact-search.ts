import type { Aor } from "../../dht-schema/aor.ts";
import { domainOf, tryParseAor } from "../../dht-schema/aor.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import { AORTA_CONTACT, AORTA_USER } from "../federation/aorta-headers.ts";
import type { Refusal } from "../federation/refusal.ts";
import type { RegisteredContacts, UsersAtContact } from "../registrar/registered-contacts.ts";
import { limits } from "../runtime/limits.ts";
import type { Counters } from "../runtime/metrics.ts";
import { Tally } from "../runtime/tally.ts";
import type { Timers } from "../runtime/timers.ts";
import { createRequest, createResponse } from "../sip/message/build.ts";
import { randomTag } from "../sip/message/tags.ts";
import type { IncomingRequest, SipStack } from "../sip/stack.ts";

/** Method of the request by which servers of the mesh ask each other whose device is at a Contact; from anybody else it is 405. */
export const CONTACTS_METHOD = "AORTA-CONTACTS";

export interface ContactSearchComponents {
  readonly contacts: Pick<RegisteredContacts, "usersAt" | "registering">;
  readonly stack: Pick<SipStack, "send">;
  /** The other servers of the domain. */
  readonly others: () => readonly ServerId[];
  readonly domain: string;
  readonly timers: Timers;
  readonly counters: Counters;
}

/** Behind a user in an answer: the port is another one. */
const NEAR = ";near";

const UNKNOWN: Refusal = { status: 404, reason: "No Device At That Contact" };
const NOT_ALL_ASKED: Refusal = {
  status: 480,
  reason: "Not All Servers Could Be Asked For That Contact",
  headers: [["Retry-After", "10"]],
};
const TOO_MANY: Refusal = {
  status: 480,
  reason: "Too Many Contacts Searched",
  headers: [["Retry-After", String(limits.sip.retryAfterSeconds)]],
};

/** Finds whose device is at a Contact: here, or else by asking all other servers, as no directory knows Contacts. */
export class ContactSearch {
  readonly #components: ContactSearchComponents;
  /** Searches of other servers that take up room, by who asked. */
  readonly #underWay = new Tally<Aor>();

  constructor(components: ContactSearchComponents) {
    this.#components = components;
  }

  /**
   * The users, each once, as they are found, those with nothing but the same user and host in their Contact last; who has seen enough asks for no
   * more. Other servers are asked when more are wanted than those who have it here.
   * @returns the answer to a request that none of them took
   */
  async *find(contact: string, asker: Aor): AsyncGenerator<Aor, Refusal> {
    const here = this.#components.contacts.usersAt(contact);
    yield* here.same;
    const found = new Set(here.same);
    const elsewhere = this.#ask(contact, asker, here);
    for (;;) {
      const { done, value } = await elsewhere.next();
      if (done === true) return value;
      if (found.size >= limits.registrar.usersAtContact) return UNKNOWN;
      if (found.has(value)) continue;
      found.add(value);
      yield value;
    }
  }

  /** Whether a user has registered a Contact at another server, or is about to. */
  async isAt(server: ServerId, contact: string, user: Aor): Promise<boolean> {
    return (await this.#usersAt(server, contact, user))?.same.includes(user) === true;
  }

  /** Answers another server. */
  handleQuestion(incoming: IncomingRequest): void {
    const { request } = incoming;
    const contact = request.headers.get(AORTA_CONTACT);
    if (contact === undefined) return incoming.respond(createResponse(request, 400));
    const user = tryParseAor(request.headers.get(AORTA_USER) ?? "");
    // The other server has heard that this one has the user before it has bound the Contact.
    const registering = user && this.#components.contacts.registering(user);
    if (registering === undefined) this.#answer(incoming, contact);
    else void registering.then(() => this.#answer(incoming, contact));
  }

  #answer({ request, respond }: IncomingRequest, contact: string): void {
    const { same, near, unsure } = this.#components.contacts.usersAt(contact);
    const users = [...same, ...near.map((aor) => aor + NEAR)];
    if (unsure && users.length === 0) return respond(createResponse(request, 480));
    respond(createResponse(request, 200, { headers: users.map((user) => [AORTA_USER, user] as const) }));
  }

  /** @param here of whom those who are near come after those who have the very Contact elsewhere */
  async *#ask(contact: string, asker: Aor, here: UsersAtContact): AsyncGenerator<Aor, Refusal> {
    const { counters, others } = this.#components;
    const { atOnce, perUser } = limits.session.contactSearches;
    if (this.#underWay.total >= atOnce || this.#underWay.of(asker) >= perUser) {
      counters.add("session.contact_searches_refused");
      return TOO_MANY;
    }
    counters.add("session.contact_searches");
    this.#underWay.add(asker, 1);
    const servers = others();
    const [found, near]: [Aor[], Aor[]] = [[], [...here.near]];
    let [waiting, silent] = [servers.length, here.unsure ? 1 : 0];
    let news = Promise.withResolvers<void>();
    for (const server of servers) {
      void this.#usersAt(server, contact).then((users) => {
        if (users === undefined) silent += 1;
        else {
          found.push(...users.same);
          near.push(...users.near);
        }
        waiting -= 1;
        if (waiting === 0) this.#end(asker, found.length + near.length > 0);
        news.resolve();
      });
    }
    if (waiting === 0) this.#end(asker, near.length > 0);
    for (let at = 0; ;) {
      for (; at < found.length; at++) yield found[at]!;
      if (waiting === 0) break;
      await news.promise;
      news = Promise.withResolvers<void>();
    }
    yield* near;
    if (found.length + near.length === 0) counters.add("session.contacts_unknown");
    return silent > 0 ? NOT_ALL_ASKED : UNKNOWN;
  }

  /** A search that finds nobody keeps its room for a while: so nobody has all servers asked as often as they answer. */
  #end(asker: Aor, hasFound: boolean): void {
    const end = (): void => this.#underWay.add(asker, -1);
    if (hasFound) end();
    else this.#components.timers.after(limits.session.contactSearches.inVainMs, end);
  }

  /** `undefined` where a server does not say. @param sought of whom it is to be known */
  async #usersAt(server: ServerId, contact: string, sought?: Aor): Promise<UsersAtContact | undefined> {
    const { stack, domain } = this.#components;
    const uri = `sip:${domain}`;
    const request = createRequest({
      ...{ method: CONTACTS_METHOD, uri, from: `<${uri}>;tag=${randomTag()}`, to: `<${uri}>` },
      headers: [[AORTA_CONTACT, contact], ...(sought === undefined ? [] : [[AORTA_USER, sought] as const])],
    });
    const { askMs: withinMs } = limits.session.contactSearches;
    const { status, headers } = await stack.send(request, { transport: "MESH", server }, { withinMs });
    if (status !== 200) return undefined;
    const users = headers.all(AORTA_USER);
    const read = (texts: readonly string[]) =>
      texts.flatMap((text) => tryParseAor(text) ?? []).filter((aor) => domainOf(aor) === domain);
    return {
      same: read(users.filter((text) => !text.endsWith(NEAR))),
      near: read(users.filter((text) => text.endsWith(NEAR))),
    };
  }
}
