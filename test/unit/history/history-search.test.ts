import { expect } from "chai";
import fc from "fast-check";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import type { HistorySearch } from "../../../node/history/history-search.ts";
import { createHistorySearch } from "../../../node/history/history-search.ts";
import { OperationalError } from "../../../node/runtime/errors.ts";
import { limits } from "../../../node/runtime/limits.ts";
import type { HistoryStore } from "../../../node/storage/ports.ts";
import { openMemoryStorage } from "../../../node/storage/storage.ts";
import { SipNetwork } from "../../helpers/sip-network.ts";
import { VirtualTime } from "../../helpers/virtual-time.ts";

const ALICE = "sip:alice@example.com" as Aor;
const BOB = "sip:bob@example.com";
const EVERYTHING = { user: ALICE, words: [], sinceMs: 0, beforeMs: Number.MAX_SAFE_INTEGER, limit: 100 };

interface Server {
  readonly id: ServerId;
  readonly search: HistorySearch;
  readonly store: HistoryStore;
  add(atMs: number, text: string): void;
}

const DAY_MS = 24 * 3600 * 1000;

/** @param former servers that have left, and when */
function domainOf(
  names: readonly string[],
  former: readonly { readonly id: ServerId; readonly leftAtMs: number }[] = [],
): { time: VirtualTime; network: SipNetwork; servers: Server[] } {
  const time = new VirtualTime();
  const network = new SipNetwork(time);
  const servers = names.map((name): Server => {
    const self = name as ServerId;
    const stack = network.server(self);
    const store = openMemoryStorage().history;
    const others = () => names.filter((other) => other !== name) as ServerId[];
    const search = createHistorySearch({
      ...{ store, stack, self, others, domain: "example.com" },
      ...{ former: () => former, keepMs: 90 * DAY_MS, clock: time },
    });
    stack.onRequest((incoming) => search.handleQuery(incoming));
    return {
      id: self,
      search,
      store,
      add: (atMs, text) => store.add({ user: ALICE, peer: BOB, sent: true, atMs, callId: "c", text }, () => {}),
    };
  });
  return { time, network, servers };
}

describe("a search of a history", () => {
  it("joins what all servers have, the newest first, and says where each entry is", async () => {
    const { time, servers } = domainOf(["one", "two"]);
    servers[0]?.add(1, "a");
    servers[1]?.add(2, "b");
    servers[0]?.add(3, "c");
    const { entries, more, missing } = await time.until(servers[0]!.search.search(EVERYTHING, true));
    expect(entries.map(({ server, text }) => [server, text])).to.deep.equal([
      ["one", "c"],
      ["two", "b"],
      ["one", "a"],
    ]);
    expect([more, missing]).to.deep.equal([false, []]);
    const local = await servers[0]!.search.search(EVERYTHING, false);
    expect(local.entries.map(({ text }) => text)).to.deep.equal(["c", "a"]);
  });

  it("says which servers' parts are missing, and why", async () => {
    const { time, network, servers } = domainOf(["one", "two", "three"]);
    network.kill(servers[1]!.id);
    network.freeze(servers[2]!.id);
    const { missing } = await time.until(servers[0]!.search.search(EVERYTHING, true));
    expect(missing).to.deep.equal([
      { server: "two", reason: "not connected" },
      { server: "three", reason: "no answer" },
    ]);
  });

  it("says what cannot be found for now, here and on other servers", async () => {
    const { time, servers } = domainOf(["one", "two"]);
    for (const { id, add } of servers) add(1, `of ${id}`);
    servers[0]!.store.isTakingOver = () => true;
    servers[1]!.store.find = () => {
      throw new OperationalError("DATABASE_DAMAGED", "damaged");
    };
    const [first, second] = servers.map(({ search }) => search);
    const isMoved = { server: "one", reason: "is still being moved" };
    const isDamaged = { server: "two", reason: "cannot be read" };
    const { entries, missing } = await time.until(first!.search(EVERYTHING, true));
    expect(entries.map(({ text }) => text)).to.deep.equal(["of one"]);
    expect(missing).to.deep.equal([isMoved, isDamaged]);
    expect((await time.until(second!.search(EVERYTHING, true))).missing).to.deep.equal([isDamaged, isMoved]);
  });

  it("names the servers that have left the domain with what they kept, as long as they would have kept it", async () => {
    const startMs = new VirtualTime().wallMs();
    const { time, servers } = domainOf(
      ["one"],
      [
        { id: "two" as ServerId, leftAtMs: startMs },
        { id: "three" as ServerId, leftAtMs: startMs + 10 * DAY_MS },
      ],
    );
    const missing = async (sinceMs: number, everywhere = true) =>
      (await servers[0]!.search.search({ ...EVERYTHING, sinceMs }, everywhere)).missing.map(({ server }) => server);
    await time.advance(20 * DAY_MS);
    expect(await missing(0)).to.deep.equal(["two", "three"]);
    expect(await missing(startMs + 5 * DAY_MS), "what was written later cannot be there").to.deep.equal(["three"]);
    expect(await missing(0, false), "nobody else is asked").to.deep.equal([]);
    await time.advance(75 * DAY_MS);
    expect(await missing(0), "forgotten by now").to.deep.equal(["three"]);
    const { missing: named } = await servers[0]!.search.search(EVERYTHING, true);
    const day = new Date(startMs + 10 * DAY_MS).toISOString().slice(0, 10);
    expect(named[0]?.reason).to.equal(`left the domain on ${day}`);
  });

  it("gives every entry exactly once, page by page, whatever the sizes of pages and messages", async () => {
    const entry = fc.record({
      atMs: fc.integer({ min: 1, max: 40 }),
      server: fc.nat(2),
      bytes: fc.constantFrom(1, 100, 20_000),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 40 }), fc.integer({ min: 1, max: 10 }), async (all, limit) => {
        const { time, servers } = domainOf(["one", "two", "three"]);
        // Entries of one millisecond stay together on a page, and may exceed it: here each has its own, or two.
        const spread = all.map((each, at) => ({ ...each, atMs: each.atMs * 1000 + (at >> 1) }));
        for (const [at, { atMs, server, bytes }] of spread.entries())
          servers[server]?.add(atMs, `${at} ${"x".repeat(bytes)}`);
        const seen: string[] = [];
        let beforeMs = Number.MAX_SAFE_INTEGER;
        for (;;) {
          const page = await time.until(
            servers[0]!.search.search({ ...EVERYTHING, beforeMs, limit: Math.max(limit, 2) }, true),
          );
          seen.push(...page.entries.map(({ text }) => text.split(" ")[0] as string));
          if (!page.more) break;
          beforeMs = page.entries.at(-1)!.atMs;
        }
        expect(seen.map(Number).sort((a, b) => a - b)).to.deep.equal(spread.map((_, at) => at));
      }),
      { numRuns: 40 },
    );
  });

  it("answers another server with no more than a message holds, and refuses what it cannot read", async () => {
    const { time, network, servers } = domainOf(["one", "two"]);
    for (let at = 1; at <= 20; at++) servers[1]?.add(at, "x".repeat(10_000));
    const { entries, more } = await time.until(servers[0]!.search.search(EVERYTHING, true));
    expect(more).to.equal(true);
    expect(entries.length * 10_000).to.be.within(10_000, limits.history.answerBytes);
    const odd = { ...EVERYTHING, limit: 1e9 };
    const { missing } = await time.until(servers[0]!.search.search(odd, true));
    expect(missing).to.deep.equal([{ server: "two", reason: "answered 400" }]);
    expect(network.log).to.have.length(2);
  });
});
