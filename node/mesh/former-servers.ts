import { decode, encode, list, struct, text, uint } from "../../dht-schema/codec.ts";
import type { Roster, ServerId } from "../../dht-schema/roster.ts";
import type { Clock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import type { Settings } from "../storage/ports.ts";
import { setting } from "./settings-names.ts";

/** A server that was taken out of the roster, as it was called there. */
export interface FormerServer {
  readonly id: ServerId;
  readonly number: number;
  readonly name: string;
  /** When this server heard of it, ms since 1970. */
  readonly leftAtMs: number;
}

const { formerServers } = limits.mesh;
const idsCodec = list(text(128), formerServers);
const serversCodec = list(
  struct("FormerServer", { id: text(128), number: uint(), name: text(64), leftAtMs: uint() }),
  formerServers,
);

/** Remembers, on disk too, the servers that were taken out of the roster while this one was in it. */
export class FormerServers {
  readonly #settings: Settings;
  readonly #clock: Clock;
  /** By id; those of whom an earlier release kept no more are `undefined`. */
  #servers: ReadonlyMap<string, FormerServer | undefined> = new Map();

  constructor(settings: Settings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  load(): void {
    const ids = this.#settings.get(setting.former);
    const servers = this.#settings.get(setting.formerServers);
    this.#servers = new Map([
      ...(ids === undefined ? [] : decode(idsCodec, ids).map((id) => [id, undefined] as const)),
      ...(servers === undefined ? [] : decode(serversCodec, servers).map((server) => keyed(server as FormerServer))),
    ]);
  }

  has(id: string): boolean {
    return this.#servers.has(id);
  }

  all(): readonly FormerServer[] {
    return [...this.#servers.values()].filter((server) => server !== undefined);
  }

  /** One roster has taken the place of another. */
  note(before: Roster, next: Roster): void {
    const present = new Set(next.servers.map(({ id }) => id));
    const left = before.servers.filter(({ id }) => !present.has(id));
    if (left.length === 0) return;
    const leftAtMs = this.#clock.wallMs();
    const all = new Map([
      ...this.#servers,
      ...left.map(({ id, number, name }) => keyed({ id: id as ServerId, number, name, leftAtMs })),
    ]);
    this.#servers = new Map([...all].filter(([id]) => !present.has(id)).slice(-formerServers));
    this.#settings.set(setting.former, encode(idsCodec, [...this.#servers.keys()]));
    this.#settings.set(setting.formerServers, encode(serversCodec, this.all()));
  }
}

function keyed(server: FormerServer): readonly [string, FormerServer] {
  return [server.id, server];
}
