import type { Aor } from "../../dht-schema/aor.ts";
import { tryParseUri, userAndHost } from "../sip/message/uri.ts";

/**
 * Who has registered a Contact, or one of the same user and host. What else a device writes there (`transport`, `ob`; over TCP the port, too) need not be
 * the same in its registration and in its sessions.
 */
export class ContactIndex {
  /** Nearly always one user, who takes the least memory without a set. */
  readonly #users = new Map<string, Aor | Set<Aor>>();

  /** Takes note of what a user has registered now. @param uris before and after, each once */
  change(aor: Aor, before: readonly string[], after: readonly string[]): void {
    // A refresh, which is nearly all that there is, changes nothing.
    if (before.length === after.length && after.every((uri) => before.includes(uri))) return;
    const [old, present] = [placesIn(before), placesIn(after)];
    for (const place of old) if (!present.has(place)) this.#remove(place, aor);
    for (const place of present) if (!old.has(place)) this.#add(place, aor);
  }

  /** Who has registered that Contact or one that is near, in no order. */
  *usersNear(uri: string): Iterable<Aor> {
    const place = placeOf(uri);
    const users = place === undefined ? undefined : this.#users.get(place);
    if (typeof users === "string") yield users;
    else if (users !== undefined) yield* users;
  }

  #add(place: string, aor: Aor): void {
    const users = this.#users.get(place);
    if (users === undefined) this.#users.set(place, aor);
    else if (typeof users === "string") this.#users.set(place, new Set([users, aor]));
    else users.add(aor);
  }

  #remove(place: string, aor: Aor): void {
    const users = this.#users.get(place);
    if (users === aor) this.#users.delete(place);
    else if (users instanceof Set && users.delete(aor) && users.size === 0) this.#users.delete(place);
  }
}

/** How alike two Contacts are: the same whatever is said of the way there; of the same user and host, but another port; or not. */
export function likenessOf(a: string, b: string): "same" | "near" | undefined {
  if (a === b) return "same";
  const [left, right] = [tryParseUri(a), tryParseUri(b)];
  if (left === undefined || right === undefined || userAndHost(left) !== userAndHost(right)) return undefined;
  if (left.port === right.port) return "same";
  // Without a user it is the port alone that tells devices behind one address apart.
  return left.user === undefined ? undefined : "near";
}

function placesIn(uris: readonly string[]): ReadonlySet<string> {
  return new Set(uris.flatMap((uri) => placeOf(uri) ?? []));
}

function placeOf(uri: string): string | undefined {
  const parsed = tryParseUri(uri);
  return parsed && userAndHost(parsed);
}
