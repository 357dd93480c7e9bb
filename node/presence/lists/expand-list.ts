import type { Aor } from "../../../dht-schema/aor.ts";
import { limits } from "../../runtime/limits.ts";

/** Who is on a list; `too-large` where that is more than one subscription may have. */
export type Expansion = { readonly kind: "members"; readonly members: readonly Aor[] } | { readonly kind: "too-large" };

/**
 * The users on a list, each once, in order: lists on it are taken apart, to a depth. One that is on itself adds nothing.
 * @param membersOf the members of what is a list
 * @see RFC 4662 §4.4 (nested lists), RFC 5363 §4 (loops)
 */
export function expandList(
  members: readonly Aor[],
  membersOf: (uri: Aor) => readonly Aor[] | undefined,
  root?: Aor,
): Expansion {
  const { members: maxMembers, depth, uriBytes } = limits.presence.lists;
  const users = new Set<Aor>();
  const visited = new Set<Aor>(root === undefined ? [] : [root]);
  let bytes = 0;
  let isTooLarge = false;
  const visit = (uris: readonly Aor[], level: number): void => {
    for (const uri of uris) {
      if (isTooLarge || visited.has(uri)) continue;
      visited.add(uri);
      const nested = membersOf(uri);
      if (nested !== undefined) {
        if (level < depth) visit(nested, level + 1);
        else isTooLarge = true;
        continue;
      }
      users.add(uri);
      bytes += uri.length;
      isTooLarge ||= users.size > maxMembers || bytes > uriBytes;
    }
  };
  visit(members, 1);
  return isTooLarge ? { kind: "too-large" } : { kind: "members", members: [...users] };
}
