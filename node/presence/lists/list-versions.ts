import { createHash } from "node:crypto";
import { z } from "zod";
import type { Aor } from "../../../dht-schema/aor.ts";
import { domainOf, tryParseAor } from "../../../dht-schema/aor.ts";
import { limits } from "../../runtime/limits.ts";
import type { ListVersion, ResourceListStore } from "../../storage/ports.ts";

/** What one server says to another of lists. */
export type ListsRequest =
  /** These have changed. */
  | { readonly kind: "news"; readonly lists: readonly ListVersion[] }
  /** What is there beyond a URI, in their order? From the beginning: if the other's digest is not this one. */
  | { readonly kind: "question"; readonly digest: string; readonly after: string };

/** A part of what a server knows. Empty where that is what the asker knows. */
export interface ListsAnswer {
  /** By URI. */
  readonly lists: readonly ListVersion[];
  readonly more: boolean;
}

const listSchema = z.object({
  uri: z.string(),
  version: z.int().min(0),
  list: z.object({ owner: z.string(), members: z.array(z.string()).max(limits.presence.lists.members) }).optional(),
});
const requestSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("news"), lists: z.array(listSchema) }),
  z.object({ kind: z.literal("question"), digest: z.string(), after: z.string() }),
]);
const answerSchema = z.object({ lists: z.array(listSchema), more: z.boolean() });

/** Whether a version takes the place of another. Of two of the same time it is the same one on every server. */
export function isNewer(version: ListVersion, than: ListVersion | undefined): boolean {
  if (than === undefined || version.version !== than.version) return version.version > (than?.version ?? -1);
  return textOf(version) > textOf(than);
}

/** Tells whether two servers know the same. @param versions by URI */
export function digestOf(versions: readonly ListVersion[]): string {
  const hash = createHash("sha256");
  for (const version of versions) hash.update(textOf(version)).update("\n");
  return hash.digest("base64url");
}

/** As many of those beyond a URI as one message holds. What is read and counted is no more than that, for a domain may have many. */
export function pageOf(store: Pick<ResourceListStore, "versionsAfter">, after: string): ListsAnswer {
  const { pageBytes, pageLists } = limits.presence.lists;
  const rest = store.versionsAfter(after, pageLists + 1);
  let bytes = 0;
  const tooMuch = rest.findIndex((version) => (bytes += textOf(version).length + 1) > pageBytes);
  const fitting = Math.min(tooMuch < 0 ? rest.length : tooMuch, pageLists);
  return { lists: rest.slice(0, fitting), more: fitting < rest.length };
}

/** `undefined` where it cannot be read, or names users of another domain. */
export function readListsRequest(body: Uint8Array, domain: string): ListsRequest | undefined {
  const request = parsed(requestSchema, body);
  if (request?.kind !== "news") return request;
  const lists = versionsIn(request.lists, domain);
  return lists && { kind: "news", lists };
}

/** As {@link readListsRequest}. */
export function readListsAnswer(body: Uint8Array, domain: string): ListsAnswer | undefined {
  const answer = parsed(answerSchema, body);
  const lists = answer && versionsIn(answer.lists, domain);
  return lists && { lists, more: answer.more };
}

function parsed<Schema extends z.ZodType>(schema: Schema, body: Uint8Array): z.infer<Schema> | undefined {
  try {
    return schema.safeParse(JSON.parse(Buffer.from(body).toString())).data;
  } catch {
    return undefined;
  }
}

function versionsIn(read: readonly z.infer<typeof listSchema>[], domain: string): ListVersion[] | undefined {
  const versions: ListVersion[] = [];
  for (const { uri: text, version, list } of read) {
    const uri = aorOf(text, domain);
    const owner = list && aorOf(list.owner, domain);
    const members = list?.members.flatMap((member) => aorOf(member, domain) ?? []);
    if (uri === undefined || members?.length !== list?.members.length) return undefined;
    if (Buffer.byteLength(members?.join("") ?? "") > limits.presence.lists.uriBytes) return undefined;
    if (owner !== undefined && members !== undefined) versions.push({ uri, version, list: { uri, owner, members } });
    else if (list === undefined) versions.push({ uri, version });
    else return undefined;
  }
  return versions;
}

function aorOf(text: string, domain: string): Aor | undefined {
  const aor = tryParseAor(text);
  return aor !== undefined && domainOf(aor) === domain ? aor : undefined;
}

function textOf({ uri, version, list }: ListVersion): string {
  return JSON.stringify({ uri, version, ...(list && { list: { owner: list.owner, members: list.members } }) });
}
