import type { Aor } from "../../dht-schema/aor.ts";
import { ConfigurationError } from "../runtime/errors.ts";
import type { ResourceListStore, UserStore } from "../storage/ports.ts";
import type { LookupView } from "./node-view.ts";

// An address is of a user or of a list, never of both: a SUBSCRIBE for it is one for the list (RFC 4662 §4.2), and nobody could watch the user.

/** @throws {ConfigurationError} `IS_USER` */
export function checkNoUser(aor: Aor, users: Pick<UserStore, "has">): void {
  if (users.has(aor)) throw new ConfigurationError("IS_USER", `${aor} is a user: nobody could watch them any more`);
}

/** What the directory knows of users of other servers: those who are registered now. @throws {ConfigurationError} `IS_USER` */
export function checkNotServed({ aor, owner }: LookupView): void {
  if (owner === undefined) return;
  throw new ConfigurationError(
    "IS_USER",
    `${aor} is a user, who is on ${owner.name}: nobody could watch them any more`,
  );
}

/** @throws {ConfigurationError} `IS_LIST` */
export function checkNoLists(users: readonly { readonly aor: Aor }[], lists: Pick<ResourceListStore, "list">): void {
  const uris = new Set(lists.list().map(({ uri }) => uri));
  const list = users.find(({ aor }) => uris.has(aor));
  if (list !== undefined)
    throw new ConfigurationError("IS_LIST", `${list.aor} is a list: nobody could watch a user of that address`);
}
