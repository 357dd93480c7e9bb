import type { ResourceList, Storage } from "../../node/storage/ports.ts";

/** Puts a list on one server's disk, as its operator would, and tells nobody. */
export function keepList({ lists }: Pick<Storage, "lists">, list: ResourceList): void {
  lists.put({ uri: list.uri, version: (lists.versionOf(list.uri)?.version ?? 0) + 1, list });
}
