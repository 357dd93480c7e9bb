import type { Aor } from "../../dht-schema/aor.ts";
import type { Binding } from "./binding.ts";
import { ContactIndex } from "./contact-index.ts";

interface Entry {
  bindings: readonly Binding[];
  /** The second in which the first of them expires: where `byExpirySecond` lists the AoR. */
  expirySecond: number;
}

/**
 * The bindings of every AoR, listed by when they expire. Time comes in with each call; reading never shows an expired
 * binding, whether or not {@link BindingTable.expire} has run.
 */
export class BindingTable {
  readonly #entries = new Map<Aor, Entry>();
  readonly #byExpirySecond = new Map<number, Set<Aor>>();
  readonly #byConnection = new Map<string, Set<Aor>>();
  readonly #byContact = new ContactIndex();
  #contacts = 0;

  /** AoRs with a binding, expired ones included until they are swept. */
  get aors(): number {
    return this.#entries.size;
  }

  /** Bindings, expired ones included until they are swept. */
  get contacts(): number {
    return this.#contacts;
  }

  has(aor: Aor): boolean {
    return this.#entries.has(aor);
  }

  /** Unexpired bindings. */
  get(aor: Aor, nowMs: number): readonly Binding[] {
    const bindings = this.#entries.get(aor)?.bindings;
    if (bindings === undefined) return [];
    return bindings.every((binding) => binding.expiresAtMs > nowMs) ? bindings : unexpired(bindings, nowMs);
  }

  /** Replaces all bindings of an AoR. */
  set(aor: Aor, bindings: readonly Binding[]): void {
    const entry = this.#entries.get(aor);
    if (entry !== undefined) this.#unlist(aor, entry);
    this.#byContact.change(aor, urisOf(entry?.bindings ?? []), urisOf(bindings));
    if (bindings.length === 0) return void this.#entries.delete(aor);
    const expirySecond = secondOf(Math.min(...bindings.map((binding) => binding.expiresAtMs)));
    // Changed where it is: a key that is taken out of a map and put in anew leaves a hole each time, which every later look-up of it passes.
    if (entry === undefined) this.#entries.set(aor, { bindings, expirySecond });
    else Object.assign(entry, { bindings, expirySecond });
    this.#contacts += bindings.length;
    list(this.#byExpirySecond, expirySecond, aor);
    for (const connection of connectionsOf(bindings)) list(this.#byConnection, connection, aor);
  }

  /** Forgets what has expired; returns it, by AoR. Work is in proportion to what expires. @param most AoRs that are looked at; there may be more where there were as many */
  expire(nowMs: number, most = Infinity): ReadonlyMap<Aor, readonly Binding[]> {
    const second = Math.floor(nowMs / 1000);
    const expired = new Map<Aor, readonly Binding[]>();
    for (const aor of this.#dueBy(second, most)) {
      const { bindings } = this.#entries.get(aor) as Entry;
      const left = unexpired(bindings, nowMs);
      this.set(aor, left);
      if (left.length < bindings.length)
        expired.set(
          aor,
          bindings.filter((binding) => !left.includes(binding)),
        );
    }
    return expired;
  }

  /** AoRs with a binding over a stream connection. */
  aorsOn(connection: string): readonly Aor[] {
    return [...(this.#byConnection.get(connection) ?? [])];
  }

  /** AoRs with a binding to a Contact of that user and host, expired ones included until they are swept. */
  aorsNear(contactUri: string): Iterable<Aor> {
    return this.#byContact.usersNear(contactUri);
  }

  /** AoRs listed at or before a second, as many as that at most. */
  #dueBy(second: number, most: number): readonly Aor[] {
    const due: Aor[] = [];
    for (const [listed, aors] of this.#byExpirySecond) {
      if (listed > second) continue;
      for (const aor of aors) if (due.push(aor) >= most) return due;
    }
    return due;
  }

  #unlist(aor: Aor, entry: Entry): void {
    this.#contacts -= entry.bindings.length;
    unlist(this.#byExpirySecond, entry.expirySecond, aor);
    for (const connection of connectionsOf(entry.bindings)) unlist(this.#byConnection, connection, aor);
  }
}

function list<Key>(index: Map<Key, Set<Aor>>, key: Key, aor: Aor): void {
  const listed = index.get(key);
  if (listed === undefined) index.set(key, new Set([aor]));
  else listed.add(aor);
}

function unlist<Key>(index: Map<Key, Set<Aor>>, key: Key, aor: Aor): void {
  const listed = index.get(key);
  if (listed?.delete(aor) === true && listed.size === 0) index.delete(key);
}

function urisOf(bindings: readonly Binding[]): readonly string[] {
  return [...new Set(bindings.map(({ uri }) => uri))];
}

function connectionsOf(bindings: readonly Binding[]): ReadonlySet<string> {
  const connections = new Set<string>();
  for (const { flow } of bindings) {
    if (flow.transport !== "MESH" && flow.connection !== undefined) connections.add(flow.connection);
  }
  return connections;
}

/** The first whole second at which it is expired. */
function secondOf(expiresAtMs: number): number {
  return Math.ceil(expiresAtMs / 1000);
}

function unexpired(bindings: readonly Binding[], nowMs: number): readonly Binding[] {
  return bindings.filter((binding) => binding.expiresAtMs > nowMs);
}
