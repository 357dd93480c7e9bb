import { expect } from "chai";
import fc from "fast-check";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { Phone } from "../../helpers/phone.ts";
import { readRlmi } from "../../helpers/rlmi.ts";
import type { SimulatedServer } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const ALICE = "sip:alice@example.com" as Aor;
const NAMES = ["one", "two", "three"] as const;

type Step =
  /** Alice says something new at a server; where she is not, that moves her. */
  | { readonly kind: "publish"; readonly at: number }
  /** The process of a server dies, and is back before anybody else could have its users. */
  | { readonly kind: "restart"; readonly at: number; readonly downMs: number; readonly inOrder: boolean }
  /** The directory cannot be reached for a moment: the server loses all its users. */
  | { readonly kind: "lose-leases"; readonly at: number; readonly ms: number }
  /** All servers die, what the directory keeps in memory is lost, and they come back one by one. */
  | { readonly kind: "blackout"; readonly first: number; readonly apartMs: number }
  | { readonly kind: "wait"; readonly ms: number };

const at = fc.nat(NAMES.length - 1);
const stepArb: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("publish" as const), at }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("restart" as const),
      at,
      downMs: fc.nat(8000),
      inOrder: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lose-leases" as const), at, ms: fc.nat(1500) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("blackout" as const), first: at, apartMs: fc.nat(4000) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(7000) }) },
);

/** A domain of three servers, a watcher on each, one of them by a list, and alice with a device on each. */
class Storm {
  readonly domain = new SimulatedDomain();
  readonly servers: SimulatedServer[] = NAMES.map((name) => this.domain.server(name));
  readonly devices: Phone[] = this.servers.map((server) => this.domain.phone("alice", server));
  readonly watchers: Phone[] = this.servers.map((server, index) => this.domain.phone(`watcher${index}`, server));
  readonly restarts = NAMES.map(() => 0);
  /** Counts what alice says. */
  said = 0;
  /** When a server last was without its users: it takes them back a moment later. */
  #lostAtMs = -Infinity;

  async begin(): Promise<void> {
    const { time } = this.domain;
    const list = "sip:list@example.com" as Aor;
    this.servers[2]!.storage.lists.put({ uri: list, owner: this.watchers[2]!.aor, members: [ALICE] });
    await this.publish(0);
    for (const watcher of this.watchers.slice(0, 2)) await time.until(watcher.subscribe(ALICE));
    await time.until(this.watchers[2]!.subscribe(list, { headers: [["Supported", "eventlist"]] }));
    await time.advance(1000);
  }

  async publish(index: number): Promise<void> {
    const device = this.devices[index]!;
    this.said += 1;
    const { status } = await this.domain.time.until(device.publish(String(this.said)));
    if (status === 412) await this.domain.time.until(device.publish(String(this.said), { initial: true }));
  }

  async run(step: Step): Promise<void> {
    switch (step.kind) {
      case "publish":
        return this.publish(step.at);
      case "wait":
        return this.domain.time.advance(step.ms);
      case "lose-leases":
        this.domain.directory.expire(this.servers[step.at]!.locator);
        this.#lostAtMs = this.domain.time.monotonicMs();
        // Longer than the grace of watchers would be no moment.
        return this.domain.time.advance(step.ms);
      case "blackout": {
        // Whatever is under way comes to its end: what a server has not heard of yet it cannot know afterwards.
        await this.domain.time.advance(3000);
        for (const server of this.servers) this.domain.kill(server);
        for (const { locator } of this.servers) this.domain.directory.expire(locator);
        for (let count = 0; count < NAMES.length; count += 1) {
          const index = (step.first + count) % NAMES.length;
          this.servers[index] = this.domain.restart(this.servers[index]!);
          this.restarts[index]! += 1;
          await this.domain.time.advance(step.apartMs);
        }
        this.#lostAtMs = this.domain.time.monotonicMs();
        return;
      }
      case "restart": {
        // A server that dies before it has its users back leaves them to nobody for longer than watchers bear.
        await this.domain.time.advance(Math.max(0, this.#lostAtMs + 1500 - this.domain.time.monotonicMs()));
        const server = this.servers[step.at]!;
        if (step.inOrder) await this.domain.time.until(server.presence.stop());
        this.domain.kill(server);
        await this.domain.time.advance(step.downMs);
        this.servers[step.at] = this.domain.restart(server);
        this.restarts[step.at]! += 1;
        this.#lostAtMs = this.domain.time.monotonicMs();
      }
    }
  }

  /** What a watcher was told, NOTIFY by NOTIFY: `closed` or what alice said. */
  toldTo(index: number): string[] {
    const notifies = this.watchers[index]!.notifies("presence");
    if (index < 2) return this.watchers[index]!.news().map(({ basic, note }) => (basic === "open" ? note : basic));
    return notifies.map((notify) => readRlmi(notify).members["alice"]?.replace(/^\w+ (open )?/, "") ?? "");
  }
}

describe("watchers of a user in a storm of moves and restarts", function () {
  this.timeout(60_000);

  it("see no false closed, nothing older after something newer, hardly anything twice, and the truth in the end", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepArb, { minLength: 1, maxLength: 25 }), async (steps) => {
        const storm = new Storm();
        await storm.begin();
        for (const step of steps) await storm.run(step);
        await storm.domain.time.advance(45_000);
        await storm.publish(steps.length % NAMES.length);
        await storm.domain.time.advance(20_000);
        for (const [index, watcher] of storm.watchers.entries()) {
          const told = storm.toldTo(index);
          expect(
            told.filter((text) => !/^\d*$/.test(text)),
            `no closed: ${told.join()}`,
          ).to.deep.equal([]);
          const said = told.filter((text) => text !== "").map(Number);
          expect(said, "never back").to.deep.equal(said.toSorted((a, b) => a - b));
          expect(said.at(-1), "the truth").to.equal(storm.said);
          const twice = said.length - new Set(said).size;
          expect(twice, "only a new run tells what was told").to.be.at.most(storm.restarts[index]!);
          const cseqs = watcher
            .notifies("presence")
            .map(({ headers }) => Number.parseInt(headers.get("CSeq") ?? "", 10));
          expect(cseqs, "CSeqs rise").to.deep.equal([...new Set(cseqs)].toSorted((a, b) => a - b));
          const dialogs = watcher.notifies("presence").map(({ headers }) => headers.get("Call-ID"));
          expect(new Set(dialogs).size, "one dialog for all of it").to.equal(1);
        }
        const owners = storm.servers.filter(({ locator }) => locator.owned(ALICE) !== undefined);
        expect(owners).to.have.length(1);
        expect(storm.servers.filter(({ storage }) => storage.publications.list().length > 0)).to.deep.equal(owners);
      }),
      { numRuns: 30 },
    );
  });
});
