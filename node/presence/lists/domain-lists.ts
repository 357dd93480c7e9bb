import type { Aor } from "../../../dht-schema/aor.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import type { Clock } from "../../runtime/clock.ts";
import { ConfigurationError } from "../../runtime/errors.ts";
import { limits } from "../../runtime/limits.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { Counters } from "../../runtime/metrics.ts";
import type { Timers } from "../../runtime/timers.ts";
import { createRequest, createResponse } from "../../sip/message/build.ts";
import type { SipResponse } from "../../sip/message/message.ts";
import { randomTag } from "../../sip/message/tags.ts";
import type { IncomingRequest, SipStack } from "../../sip/stack.ts";
import { AORTA_LOCAL } from "../../sip/stack.ts";
import type { ListVersion, ResourceList, ResourceListStore, UserStore } from "../../storage/ports.ts";
import type { ListsAnswer, ListsRequest } from "./list-versions.ts";
import { digestOf, isNewer, pageOf, readListsAnswer, readListsRequest } from "./list-versions.ts";

/** Method of the request by which servers of the mesh tell each other of lists; from anybody else it is 405. */
export const LISTS_METHOD = "AORTA-LISTS";

export interface DomainListsComponents {
  readonly store: ResourceListStore;
  readonly users: Pick<UserStore, "has">;
  readonly stack: Pick<SipStack, "send">;
  /** The other servers of the domain. */
  readonly others: () => readonly ServerId[];
  readonly domain: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly counters: Counters;
  readonly logger: Logger;
}

/**
 * The buddy lists of the domain, all of them on every server, so that a list is where its owner is, whichever server is down. A change is told to
 * the others at once; servers that meet compare what they know, and each asks for what it lacks. The newest version of a list wins, be it a removal.
 */
export class DomainLists {
  readonly #components: DomainListsComponents;
  /** To be compared with, one after the other: after the first there is mostly nothing left to learn. */
  readonly #toAsk = new Set<ServerId>();
  readonly #retries = new Set<() => void>();
  #isAsking = false;
  #isStopped = false;
  #digest: string | undefined;

  constructor(components: DomainListsComponents) {
    this.#components = components;
  }

  list(): readonly ResourceList[] {
    return this.#components.store.list();
  }

  /** Makes or replaces a list, on disk when this returns. @throws {ConfigurationError} `TOO_MANY_LISTS` */
  put(list: ResourceList): void {
    if (!this.#hasRoomFor([{ uri: list.uri, version: 0 }]))
      throw new ConfigurationError("TOO_MANY_LISTS", `a domain has at most ${limits.presence.lists.stored} lists`);
    this.#change({ uri: list.uri, version: this.#nextVersion(list.uri), list });
  }

  /** False when there is no such list. */
  remove(uri: Aor): boolean {
    if (!this.#components.store.has(uri)) return false;
    this.#change({ uri, version: this.#nextVersion(uri) });
    return true;
  }

  /** A server can be reached, for the first time or again: each of both asks the other. */
  met(server: ServerId): void {
    if (this.#isStopped) return;
    this.#toAsk.add(server);
    if (!this.#isAsking) void this.#askAll();
  }

  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#retries) cancel();
  }

  /** Answers another server. */
  handle({ request, respond }: IncomingRequest): void {
    const { domain, store } = this.#components;
    const asked = readListsRequest(request.body, domain);
    if (asked === undefined) return respond(createResponse(request, 400));
    if (asked.kind === "news") return respond(createResponse(request, this.#learn(asked.lists) ? 200 : 413));
    // To make a digest all are read: only for the first page.
    const isSame = asked.after === "" && asked.digest === this.#digestNow();
    const answer: ListsAnswer = isSame ? { lists: [], more: false } : pageOf(store, asked.after);
    respond(createResponse(request, 200, { headers: [JSON_TYPE], body: JSON.stringify(answer) }));
  }

  #change(version: ListVersion): void {
    this.#components.store.put(version);
    this.#digest = undefined;
    for (const server of this.#components.others()) void this.#tell(server, version);
  }

  /** Later than all that is known of it here, though the wall clock went back. */
  #nextVersion(uri: Aor): number {
    const known = this.#components.store.versionOf(uri);
    return Math.max(Math.floor(this.#components.clock.wallMs()), (known?.version ?? 0) + 1);
  }

  async #tell(server: ServerId, version: ListVersion): Promise<void> {
    const response = await this.#send(server, { kind: "news", lists: [version] });
    if (response.status === 413) this.#components.logger.error({ server }, "a server has no room for a buddy list");
    // Where there is no link, the two compare what they know when there is one.
    else if (isUnanswered(response)) this.#retry(() => void this.#tell(server, version));
  }

  async #askAll(): Promise<void> {
    this.#isAsking = true;
    for (const server of this.#toAsk) {
      this.#toAsk.delete(server);
      await this.#ask(server).catch((error: unknown) => {
        this.#components.logger.error({ server, err: error }, "buddy lists of another server could not be kept");
        this.#retry(() => this.met(server));
      });
    }
    this.#isAsking = false;
  }

  async #ask(server: ServerId): Promise<void> {
    let after = "";
    for (;;) {
      const response = await this.#send(server, {
        kind: "question",
        digest: after === "" ? this.#digestNow() : "",
        after,
      });
      const answer = response.status === 200 ? readListsAnswer(response.body, this.#components.domain) : undefined;
      if (answer === undefined) {
        if (isUnanswered(response)) this.#retry(() => this.met(server));
        return;
      }
      const isLearnt = this.#learn(answer.lists);
      const last = answer.lists.at(-1)?.uri ?? "";
      if (!isLearnt || !answer.more || last <= after) return;
      after = last;
    }
  }

  /** Takes what is newer; false where there is no room for it. */
  #learn(versions: readonly ListVersion[]): boolean {
    const { store, counters } = this.#components;
    const newer = versions.filter((version) => isNewer(version, store.versionOf(version.uri)));
    if (newer.length === 0) return true;
    if (!this.#hasRoomFor(newer)) {
      counters.add("presence.lists_refused");
      return false;
    }
    counters.add("presence.lists_learnt", newer.length);
    const before = newer.map(({ uri }) => store.versionOf(uri));
    store.learn(newer);
    for (const [at, version] of newer.entries()) this.#warnOf(version, before[at]);
    this.#digest = undefined;
    return true;
  }

  /** Says what a list of another server has taken the place of, where nobody meant it to. */
  #warnOf({ uri, version, list }: ListVersion, before: ListVersion | undefined): void {
    const { users, logger } = this.#components;
    if (list === undefined) return;
    // Servers of before lists were shared have put neither with regard to the other.
    if (version === 0 && before?.version === 0 && before.list !== undefined)
      logger.warn(
        { list, lost: before.list },
        "two servers had a buddy list of the same address before these were shared: one is kept",
      );
    if (users.has(uri))
      logger.warn(
        { list },
        "a buddy list has the address of a user of this server: nobody can watch or reach them until it is removed",
      );
  }

  #hasRoomFor(versions: readonly ListVersion[]): boolean {
    const { store } = this.#components;
    const more = versions.filter(({ uri }) => store.versionOf(uri) === undefined).length;
    return more === 0 || store.count() + more <= limits.presence.lists.stored;
  }

  #digestNow(): string {
    return (this.#digest ??= digestOf(this.#components.store.versions()));
  }

  #retry(again: () => void): void {
    if (this.#isStopped) return;
    const cancel = this.#components.timers.after(limits.presence.lists.retryMs, () => {
      this.#retries.delete(cancel);
      again();
    });
    this.#retries.add(cancel);
  }

  #send(server: ServerId, body: ListsRequest): Promise<SipResponse> {
    const { stack, domain } = this.#components;
    const uri = `sip:${domain}`;
    const request = createRequest({
      ...{ method: LISTS_METHOD, uri, from: `<${uri}>;tag=${randomTag()}`, to: `<${uri}>` },
      ...{ headers: [JSON_TYPE], body: JSON.stringify(body) },
    });
    const { askMs: withinMs } = limits.presence.lists;
    return stack.send(request, { transport: "MESH", server }, { withinMs });
  }
}

const JSON_TYPE = ["Content-Type", "application/json"] as const;

/** Whether a server that can be reached did not answer in time, or was too busy. */
function isUnanswered({ status, headers }: SipResponse): boolean {
  return status === 408 || (status === 503 && !headers.has(AORTA_LOCAL));
}
