import type { HistoryRemovedView, HistoryView } from "../../../admin/node-view.ts";
import { limits } from "../../../runtime/limits.ts";
import type { NodeOptions } from "../../find-node.ts";
import { clientOf } from "../../find-node.ts";
import { exitCode } from "../../exit-code.ts";
import { note, paint, print, printJson, withProgress } from "../../terminal.ts";

interface HistoryOptions extends NodeOptions {
  readonly with?: string;
  /** Age, ms. */
  readonly since?: number;
  readonly local: boolean;
}

interface SearchOptions extends HistoryOptions {
  readonly limit: number;
}

/** Finds messages of a user by their words. */
export async function searchHistory(user: string, words: readonly string[], options: SearchOptions): Promise<void> {
  const asked = ask(user, { ...restrictions(options), words: words.join(" "), limit: String(options.limit) }, options);
  const found = await withProgress("searching", asked);
  if (options.json) return printJson(found);
  for (const message of found.messages.toReversed()) print(describe(message));
  if (found.messages.length === 0) note("nothing found");
  if (found.more) note(`there are older ones: --limit, at most ${limits.history.entries}, shows more`);
  noteMissing(found);
}

/** Prints all messages of a user; where some are missing, what there is, and fails. */
export async function exportHistory(user: string, options: HistoryOptions): Promise<void> {
  const pages: HistoryView["messages"][] = [];
  const restricted = { ...restrictions(options), limit: String(limits.history.entries) };
  // By number: one that left and joined anew has the name of before.
  const missing = new Map<number, HistoryView["missing"][number]>();
  for (let before: number | undefined; ;) {
    const page = { ...restricted, ...(before !== undefined && { before: String(before) }) };
    const found = await withProgress("reading messages", ask(user, page, options));
    pages.push(found.messages);
    for (const part of found.missing) missing.set(part.server.number, part);
    before = found.messages.at(-1)?.atMs;
    if (!found.more || before === undefined) break;
  }
  for (const message of pages.flat().toReversed()) print(JSON.stringify(message));
  noteMissing({ missing: [...missing.values()] });
  if (missing.size > 0) process.exitCode = exitCode.failure;
}

/** Removes all messages of a user; where some may be left, says where, and fails. */
export async function removeHistory(user: string, options: NodeOptions & { readonly local: boolean }): Promise<void> {
  const path = `${pathOf(user)}?local=${options.local}`;
  const asked = (await clientOf(options)).delete<HistoryRemovedView & { readonly aor: string }>(path);
  const done = await withProgress("removing messages", asked);
  if (done.missing.length > 0) process.exitCode = exitCode.failure;
  if (options.json) return printJson(done);
  const { aor, removed, missing } = done;
  print(`${removed} ${removed === 1 ? "message" : "messages"} removed from the history of ${paint("strong", aor)}`);
  for (const { server, reason } of missing) note(`what ${server.name} keeps is not removed: ${reason}`);
}

async function ask(user: string, query: Record<string, string>, options: NodeOptions): Promise<HistoryView> {
  const parameters = new URLSearchParams(query).toString();
  return (await clientOf(options)).get<HistoryView>(`${pathOf(user)}?${parameters}`);
}

const pathOf = (user: string) => `/v1/history/${encodeURIComponent(user)}`;

function restrictions({ with: peer, since, local }: HistoryOptions): Record<string, string> {
  return {
    local: String(local),
    ...(peer !== undefined && { peer }),
    ...(since !== undefined && { since: String(Date.now() - since) }),
  };
}

function describe({ atMs, peer, sent, server, text }: HistoryView["messages"][number]): string {
  const time = new Date(atMs).toISOString().slice(0, 19).replace("T", " ");
  const who = `${sent ? "→" : "←"} ${paint("strong", onOneLine(peer))}`;
  return `${paint("quiet", `${time}  ${server.name}`)}  ${who}  ${onOneLine(text)}`;
}

/** What others wrote moves no terminal. */
function onOneLine(text: string): string {
  return text.replaceAll(/[\s\p{Cc}]+/gu, " ");
}

function noteMissing({ missing }: Pick<HistoryView, "missing">): void {
  for (const { server, reason } of missing) note(`what ${server.name} keeps is missing: ${reason}`);
}
