import { expect } from "chai";
import fc from "fast-check";
import type { Aor } from "../../../dht-schema/aor.ts";
import { parseWatcherInfo } from "../../../node/presence/watcherinfo/watcherinfo-document.ts";
import { keepList } from "../../helpers/kept-lists.ts";
import type { Dialog, Phone } from "../../helpers/phone.ts";
import { readRlmi } from "../../helpers/rlmi.ts";
import type { Weather } from "../../helpers/storm.ts";
import { serverArb, stormParameters, stormTimeoutMs, StormyServers, weatherArb } from "../../helpers/storm.ts";

const ALICE = "sip:alice@example.com" as Aor;
const LIST = "sip:list@example.com" as Aor;
const WINFO = { event: "presence.winfo" };

type Step =
  | Weather
  /** Alice says something new with one of two devices at a server; where she is not, that moves her. */
  | { readonly kind: "publish"; readonly at: number; readonly device: number }
  /** The watcher at a server refreshes its subscription. */
  | { readonly kind: "refresh"; readonly at: number }
  /** A server's disk is lost with it; its clients find out at once. */
  | { readonly kind: "wipe"; readonly at: number; readonly downMs: number };

const stepArb: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("publish" as const), at: serverArb, device: fc.nat(1) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("refresh" as const), at: serverArb }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wipe" as const), at: serverArb, downMs: fc.nat(8000) }) },
  { weight: 10, arbitrary: weatherArb },
);

/** What one NOTIFY told of alice. */
interface Told {
  readonly isOpen: boolean;
  readonly notes: readonly number[];
  /** Counts the runs of the server that told it. */
  readonly run: number;
}

/** A domain of three servers, a watcher on each, one of them by a list, and alice with two devices on each, who sees who watches her. */
class Storm {
  readonly weather = new StormyServers((at) => this.#starts[at]!.push(this.watchers[at]!.notifies("presence").length));
  readonly domain = this.weather.domain;
  readonly devices = this.weather.servers.map((server) => [0, 1].map(() => this.domain.phone("alice", server)));
  readonly watchers: Phone[] = this.weather.servers.map((server, at) => this.domain.phone(`watcher${at}`, server));
  readonly dialogs: Dialog[] = [];
  /** Why a watcher may be told the same again: a new run of its server, a refresh. */
  readonly reasons = this.watchers.map(() => 0);
  /** Dialogs that a watcher has had to make. */
  readonly made = this.watchers.map(() => 0);
  /** How many NOTIFYs each watcher had got when its server was started again, time by time. */
  readonly #starts: number[][] = this.watchers.map(() => []);
  /** What alice's devices say, by device, at the server on which she is. */
  truth = { at: -1, said: new Map<number, number>() };
  /** Counts what alice says. */
  #count = 0;

  async begin(): Promise<void> {
    await this.publish(0, 0);
    for (const at of this.watchers.keys()) await this.subscribe(at);
    await this.domain.time.advance(1000);
  }

  async subscribe(at: number): Promise<void> {
    const watcher = this.watchers[at]!;
    if (at === 2) keepList(this.weather.servers[2]!.storage, { uri: LIST, owner: watcher.aor, members: [ALICE] });
    const asked =
      at === 2 ? watcher.subscribe(LIST, { headers: [["Supported", "eventlist"]] }) : watcher.subscribe(ALICE);
    this.dialogs[at] = (await this.domain.time.until(asked)).dialog;
    this.made[at]! += 1;
  }

  async publish(at: number, index: number): Promise<void> {
    const next = (this.#count += 1);
    const isUp = this.weather.isUp(at);
    const publish = async (options = {}) =>
      (await this.domain.time.until(this.devices[at]![index]!.publish(String(next), options))).status;
    let status = await publish();
    if (status === 412) status = await publish({ initial: true });
    if (status === 403) {
      // By itself it brings nobody back from another server; when she has started it anew it does.
      this.devices[at]![index] = this.domain.phone("alice", this.weather.servers[at]!);
      status = await publish();
    }
    if (status !== 200) return void expect(isUp, `${status} of a server that is up`).to.equal(false);
    if (this.truth.at !== at) this.truth = { at, said: new Map() };
    this.truth.said.set(index, next);
  }

  async run(step: Step): Promise<void> {
    switch (step.kind) {
      case "publish":
        return this.publish(step.at, step.device);
      case "refresh":
        this.reasons[step.at]! += 1;
        return void this.watchers[step.at]!.resubscribe(this.dialogs[step.at]!);
      case "wipe":
        return this.#wipe(step.at, step.downMs);
      default:
        return this.weather.blow(step);
    }
  }

  /** What clients do when their server knows nothing of them: publish and subscribe anew. */
  async #wipe(at: number, downMs: number): Promise<void> {
    if (!this.weather.isUp(at)) return;
    await this.weather.end(at);
    await this.domain.time.advance(downMs);
    this.weather.begin(at, { wiped: true });
    if (this.truth.at === at) for (const device of this.truth.said.keys()) await this.publish(at, device);
    await this.subscribe(at);
  }

  /** What a watcher was told, NOTIFY by NOTIFY, by which run of its server. What a pending subscription shows says nothing of alice. */
  toldTo(at: number): Told[] {
    const seen =
      at === 2
        ? this.watchers[2]!.notifies("presence").map((notify) => readRlmi(notify).members["alice"] ?? "")
        : this.watchers[at]!.news().map(({ state, basic, note }) => `${state} ${basic} ${note}`);
    return seen
      .map((text, index) => ({
        isOpen: text.startsWith("active open"),
        notes: (text.match(/\d+/g) ?? []).map(Number).toSorted(byNumber),
        run: this.#starts[at]!.filter((count) => count <= index).length,
        text,
      }))
      .filter(({ text }) => text.startsWith("active"));
  }

  /** Who watches alice, as the server she is on tells her. */
  async watchersTold(): Promise<string[]> {
    const phone = this.domain.phone("alice", this.weather.servers[this.truth.at]!);
    await this.domain.time.until(phone.subscribe(ALICE, WINFO));
    await this.domain.time.advance(7000);
    const seen = new Map<string, string>();
    for (const { body } of phone.notifies(WINFO.event))
      for (const { id, uri, status } of parseWatcherInfo(body).watchers) seen.set(id, `${uri} ${status}`);
    return [...seen.values()].toSorted();
  }
}

const byNumber = (a: number, b: number) => a - b;

describe("watchers of a user in a storm of moves and restarts", function () {
  this.timeout(stormTimeoutMs);

  it("see no false closed, nothing older after something newer, hardly anything twice, and the truth in the end", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepArb, { minLength: 1, maxLength: 25 }), async (steps) => {
        const storm = new Storm();
        await storm.begin();
        for (const step of steps) await storm.run(step);
        await storm.weather.allUp();
        await storm.domain.time.advance(45_000);
        await storm.publish(steps.length % 3, steps.length % 2);
        await storm.domain.time.advance(20_000);
        const truth = [...storm.truth.said.values()].toSorted(byNumber);
        for (const [at, watcher] of storm.watchers.entries()) {
          const told = storm.toldTo(at);
          const log = `watcher ${at}: ${told.map(({ isOpen, notes, run }) => `${isOpen ? notes.join() : "closed"}@${run}`).join(" ")}`;
          expect(
            told.filter(({ isOpen }) => !isOpen),
            `no closed; ${log}`,
          ).to.deep.equal([]);
          // A server that has been started again does not know how new what its watchers saw was.
          const back = told.filter(({ notes, run }, index) => {
            const before = told[index - 1];
            return before?.run === run && Math.max(...notes) < Math.max(...before.notes);
          });
          expect(back, `never back; ${log}`).to.deep.equal([]);
          expect(told.at(-1)?.notes, `the truth; ${log}`).to.deep.equal(truth);
          const twice = told.filter(({ notes }, index) => String(notes) === String(told[index - 1]?.notes)).length;
          const reasons = storm.weather.restarts[at]! + storm.reasons[at]! + storm.made[at]!;
          expect(twice, `only with a reason is told what was told; ${log}`).to.be.at.most(reasons);
          const notifies = watcher.notifies("presence").map(({ headers }) => headers);
          expect(new Set(notifies.map((headers) => headers.get("Call-ID"))).size, "dialogs").to.equal(storm.made[at]);
          const cseqs = notifies
            .filter((headers) => headers.get("Call-ID") === storm.dialogs[at]!.callId)
            .map((headers) => Number.parseInt(headers.get("CSeq") ?? "", 10));
          expect(cseqs, "CSeqs rise").to.deep.equal([...new Set(cseqs)].toSorted(byNumber));
        }
        const { servers } = storm.weather;
        const owners = servers.filter(({ locator }) => locator.owned(ALICE) !== undefined);
        expect(owners).to.have.length(1);
        expect(servers.filter(({ storage }) => storage.publications.list().length > 0)).to.deep.equal(owners);
        expect(await storm.watchersTold(), "who watches").to.deep.equal(
          storm.watchers.map(({ aor }) => `${aor} active`),
        );
      }),
      stormParameters(30),
    );
  });
});
