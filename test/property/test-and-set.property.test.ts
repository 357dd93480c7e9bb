import { expect } from "chai";
import fc from "fast-check";
import type { Aor } from "../../dht-schema/aor.ts";
import { parseAor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { compareBallots, formatBallot, sameBallot } from "../../dht-schema/ballot.ts";
import type { ClaimPurpose } from "../../node/directory/core/claim.ts";
import { CoreNetwork } from "../helpers/core-network.ts";
import { numbersTo } from "../helpers/rosters.ts";

const AORS = [parseAor("sip:alice@example.com"), parseAor("sip:bob@example.com")] as const;

/** What happens next in a schedule. */
type Step =
  | { readonly kind: "claim"; readonly server: number; readonly aor: number; readonly purpose: ClaimPurpose }
  | { readonly kind: "release"; readonly server: number; readonly aor: number }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "cut" | "heal" | "stall" | "flow"; readonly server: number; readonly other: number }
  | { readonly kind: "crash"; readonly server: number }
  | { readonly kind: "pause"; readonly server: number };

const aor = fc.nat(AORS.length - 1);
const stepsOf = (servers: number): fc.Arbitrary<Step> => {
  const server = fc.integer({ min: 1, max: servers });
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("claim"),
        server,
        aor,
        purpose: fc.constantFrom("take-over", "if-free"),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("release"), server, aor }) },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("pass"),
        ms: fc.constantFrom(1, 2, 3, 5, 10, 300, 2_500, 9_000, 11_000),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constantFrom("cut", "heal", "stall", "flow"), server, other: server }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("crash", "pause"), server }) },
  ) as fc.Arbitrary<Step>;
};

/**
 * The specification, sequential and trivial: a cell for each AoR that holds the epoch of its last owner. A successful
 * claim puts a greater epoch there; that is all.
 */
class TestAndSet {
  readonly #cells = new Map<Aor, Epoch>();

  claimed(user: Aor, epoch: Epoch): void {
    const before = this.#cells.get(user);
    // A server that owns already is told the epoch it has.
    if (before !== undefined && sameBallot(before, epoch)) return;
    if (before !== undefined) {
      expect(compareBallots(epoch, before), `${formatBallot(epoch)} after ${formatBallot(before)}`).to.be.above(0);
    }
    this.#cells.set(user, epoch);
  }
}

/** A schedule carried out on real cores; the network sees to it at every step that no AoR has two owners. */
class Run {
  readonly net: CoreNetwork;
  readonly #servers: readonly number[];
  readonly #specification = new TestAndSet();
  /** Claims that have not ended, with their servers. */
  readonly #open = new Map<number, number>();
  readonly #down = new Set<number>();
  readonly #paused = new Set<number>();
  readonly #stalled = new Map<string, readonly [number, number]>();

  constructor(servers: number) {
    this.#servers = numbersTo(servers);
    this.net = new CoreNetwork({
      servers,
      // A small step of the ceiling, so that restarts go through it.
      tuning: { ceilingStep: 8 },
      onEvent: (_server, event) => {
        if (event.kind !== "claimed") return;
        this.#open.delete(event.claim);
        if (event.result.kind === "owned") this.#specification.claimed(event.aor, event.result.epoch);
      },
    });
  }

  carryOut(step: Step): void {
    switch (step.kind) {
      case "pass":
        return this.net.run(step.ms);
      case "claim":
        return this.#claim(step.server, AORS[step.aor] as Aor, step.purpose);
      case "release":
        return this.#runs(step.server) ? this.net.release(step.server, AORS[step.aor] as Aor) : undefined;
      case "crash":
        return this.#crashOrStart(step.server);
      case "pause":
        return this.#pauseOrResume(step.server);
      default:
        if (step.server !== step.other) this.#link(step.kind, step.server, step.other);
    }
  }

  /** Everything heals; then a claim of each AoR has to succeed, and its owner is found everywhere. */
  heal(): void {
    const { net } = this;
    for (const [from, to] of this.#stalled.values()) net.flow(from, to);
    for (const server of this.#paused) net.resume(server);
    for (const server of this.#down) net.start(server);
    for (const server of this.#servers) net.rejoin(server);
    net.run(30_000);
    expect([...this.#open], "claims that never ended").to.deep.equal([]);
    for (const user of AORS) {
      const epoch = net.own(1, user);
      for (const server of this.#servers) expect(net.lookup(server, user)).to.deep.equal({ kind: "owner", epoch });
      net.release(1, user);
      net.run(100);
      expect(net.claim(2, user, "if-free").kind).to.equal("owned");
    }
  }

  #runs(server: number): boolean {
    return !this.#down.has(server) && !this.#paused.has(server);
  }

  #claim(server: number, user: Aor, purpose: ClaimPurpose): void {
    if (!this.#runs(server)) return;
    const id = this.net.startClaim(server, user, purpose);
    if (this.net.claimResult(server, id) === undefined) this.#open.set(id, server);
  }

  #crashOrStart(server: number): void {
    if (this.#down.delete(server)) return this.net.start(server);
    if (this.#paused.delete(server)) this.net.resume(server);
    this.net.crash(server);
    this.#down.add(server);
    for (const [id, claimant] of this.#open) if (claimant === server) this.#open.delete(id);
  }

  #pauseOrResume(server: number): void {
    if (this.#down.has(server)) return;
    if (this.#paused.delete(server)) return this.net.resume(server);
    this.net.pause(server);
    this.#paused.add(server);
  }

  #link(kind: "cut" | "heal" | "stall" | "flow", server: number, other: number): void {
    const name = `${server}>${other}`;
    if (kind === "cut" || kind === "heal") this.net[kind](server, other);
    else if (kind === "stall" && !this.#stalled.has(name)) {
      this.#stalled.set(name, [server, other]);
      this.net.stall(server, other);
    } else if (kind === "flow" && this.#stalled.delete(name)) this.net.flow(server, other);
  }
}

describe("claims under any schedule", function () {
  this.timeout(120_000);

  for (const [servers, runs] of [
    [3, 1_000],
    [5, 300],
  ] as const) {
    it(`are a test-and-set: of ${servers} servers at most one owns, and epochs grow`, () => {
      fc.assert(
        fc.property(fc.array(stepsOf(servers), { minLength: 5, maxLength: 40 }), (steps) => {
          const run = new Run(servers);
          for (const step of steps) run.carryOut(step);
          run.heal();
        }),
        { numRuns: runs },
      );
    });
  }
});
