import { z } from "zod";
import { tryParseAor } from "../../dht-schema/aor.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import { AortaError } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";
import { createResponse } from "../sip/message/build.ts";
import type { IncomingRequest } from "../sip/stack.ts";
import type { HistoryEntry, HistoryQuery, HistoryStore } from "../storage/ports.ts";
import type { MissingPart, OtherServersComponents } from "./other-servers.ts";
import { askServer, formerServers } from "./other-servers.ts";

/** Method of the request by which servers of the mesh search each other's histories; from anybody else it is 405. */
export const HISTORY_METHOD = "AORTA-HISTORY";

/** An entry, and the server that keeps it. */
export interface FoundEntry extends HistoryEntry {
  readonly server: ServerId;
}

export interface HistoryAnswer {
  /** Newest first. */
  readonly entries: readonly FoundEntry[];
  /** Whether there are older ones: ask again, before the last one's time. */
  readonly more: boolean;
  /** Servers whose part is missing, and why. */
  readonly missing: readonly MissingPart[];
}

/** Searches users' histories, here and on the servers that they have been on. */
export interface HistorySearch {
  /** @param everywhere whether the other servers of the domain are asked too */
  search(query: HistoryQuery, everywhere: boolean): Promise<HistoryAnswer>;
  /** Answers another server. */
  handleQuery(incoming: IncomingRequest): void;
}

export interface HistorySearchComponents extends OtherServersComponents {
  readonly store: HistoryStore;
}

/** What one server has. */
interface Part {
  readonly entries: readonly FoundEntry[];
  readonly more: boolean;
  /** Why something may be missing of what it keeps. */
  readonly missing?: string | undefined;
}

const querySchema = z.strictObject({
  user: z.string(),
  words: z.array(z.string().min(1).max(limits.history.queryChars)).max(limits.history.words),
  peer: z.string().max(limits.history.queryChars).optional(),
  sinceMs: z.number(),
  beforeMs: z.number(),
  limit: z.int().min(1).max(limits.history.entries),
});
const partSchema = z.object({
  entries: z.array(
    z.object({
      peer: z.string(),
      sent: z.boolean(),
      atMs: z.number(),
      callId: z.string(),
      text: z.string(),
    }),
  ),
  more: z.boolean(),
  missing: z.string().optional(),
});

export function createHistorySearch(components: HistorySearchComponents): HistorySearch {
  const { store, self, others } = components;
  const local = (query: HistoryQuery): Part => {
    try {
      // One more than asked for tells whether there are more.
      const found = store.find({ ...query, limit: query.limit + 1 });
      const entries = found.map((entry) => ({ ...entry, server: self }));
      return { ...first(entries, query.limit), ...(store.isTakingOver() && { missing: "is still being moved" }) };
    } catch (error) {
      if (!(error instanceof AortaError)) throw error;
      return nothing("cannot be read");
    }
  };
  return {
    async search(query, everywhere) {
      const servers = everywhere ? others() : [];
      const asked = await Promise.all(
        servers.map(async (server) => ({ server, part: await ask(components, server, query) })),
      );
      const parts = [{ server: self, part: local(query) }, ...asked];
      const missing = parts.flatMap(({ server, part }) =>
        part.missing === undefined ? [] : [{ server, reason: part.missing }],
      );
      if (everywhere) missing.push(...formerServers(components, query.sinceMs));
      const merged = merge(
        parts.map(({ part }) => part),
        query.limit,
      );
      return { ...merged, missing };
    },
    handleQuery(incoming) {
      const { request } = incoming;
      const query = readQuery(request.body);
      if (query === undefined) return incoming.respond(createResponse(request, 400));
      const body = JSON.stringify(fitting(local(query)));
      incoming.respond(createResponse(request, 200, { headers: [["Content-Type", "application/json"]], body }));
    },
  };
}

/** What another server has, or why it cannot be had. */
async function ask(components: HistorySearchComponents, server: ServerId, query: HistoryQuery): Promise<Part> {
  const part = await askServer(components, server, HISTORY_METHOD, query, partSchema);
  if (!("entries" in part)) return nothing(part.missing);
  return { ...part, entries: part.entries.map((entry) => ({ ...entry, user: query.user, server })) };
}

const nothing = (missing: string): Part => ({ entries: [], more: false, missing });

/** All parts, newest first, back to where the first of them is cut off: further back something might be missing in between. */
export function merge(parts: readonly Part[], limit: number): Pick<Part, "entries" | "more"> {
  let knownSinceMs = -Infinity;
  for (const { entries, more } of parts) {
    const last = entries.at(-1);
    if (more && last !== undefined) knownSinceMs = Math.max(knownSinceMs, last.atMs);
  }
  const all = parts.flatMap(({ entries }) => entries).sort((a, b) => b.atMs - a.atMs);
  const known = all.filter(({ atMs }) => atMs >= knownSinceMs);
  const { entries, more } = first(known, limit);
  return { entries, more: more || known.length < all.length || parts.some((part) => part.more) };
}

/** The first of some entries, never ending between two of the same millisecond: who asks for those before it shall miss none. */
function first(entries: readonly FoundEntry[], count: number): Pick<Part, "entries" | "more"> {
  const next = entries[count];
  if (next === undefined) return { entries, more: false };
  const whole = entries.filter(({ atMs }) => atMs > next.atMs);
  return { entries: whole.length > 0 ? whole : entries.slice(0, count), more: true };
}

/** As much as one message holds. */
function fitting(part: Part): Part {
  const { entries } = part;
  let bytes = 0;
  const kept = entries.findIndex(
    (entry) => (bytes += Buffer.byteLength(JSON.stringify(entry)) + 1) > limits.history.answerBytes,
  );
  return kept < 0 ? part : { ...part, ...first(entries, Math.max(kept, 1)) };
}

function readQuery(body: Uint8Array): HistoryQuery | undefined {
  try {
    const { user, peer, ...query } = querySchema.parse(JSON.parse(Buffer.from(body).toString()));
    const aor = tryParseAor(user);
    return aor === undefined ? undefined : { ...query, user: aor, ...(peer === undefined ? {} : { peer }) };
  } catch {
    return undefined;
  }
}
