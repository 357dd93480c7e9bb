import { expect } from "chai";
import fc from "fast-check";
import { replicaGroupSize } from "../../dht-schema/replica-group.ts";
import type { Roster, ServerId } from "../../dht-schema/roster.ts";
import { isJoint } from "../../dht-schema/roster.ts";
import { RosterDoor } from "../../node/mesh/roster-door.ts";
import { RosterKeeper } from "../../node/mesh/roster-keeper.ts";
import { Stewardship } from "../../node/mesh/stewardship.ts";
import { VoterContact } from "../../node/mesh/voter-contact.ts";
import { silentLogger } from "../../node/runtime/logger.ts";
import { createCounters } from "../../node/runtime/metrics.ts";
import { Random } from "../../sim/random.ts";
import { memorySettings } from "../helpers/memory-storage.ts";
import { numbersTo, testRoster, testServer } from "../helpers/rosters.ts";

const SIZE = 5;

/** A server with all that decides about rosters: the real keeper, door and steward's role. */
interface Member {
  readonly number: number;
  readonly keeper: RosterKeeper;
  readonly stewardship: Stewardship;
  readonly door: RosterDoor;
  /** As the steward: the version that each server said last to have. */
  readonly reports: Map<number, number>;
}

/**
 * Servers between which every message may be late, overtaken or lost. Each of them believes itself in touch with everybody, so
 * that nothing depends on a steward seeing that it is cut off.
 */
class Domain {
  readonly members: Member[] = [];
  readonly #random: Random;
  readonly #pending: (() => void)[] = [];
  /** Rosters on their way, and being looked at: signatures are checked by other threads, in their own time. */
  readonly #pushes = new Set<Promise<void>>();
  #broken: Error | undefined;
  /** What members have begun to do, and may not have done yet. */
  readonly #begun: Promise<unknown>[] = [];
  readonly #signed = new Map<string, unknown>();
  /** The part of a divided network that each server is in. */
  #sides = new Map<number, number>();
  /** Whether messages are lost: those between the parts all of them, the others at times. */
  isCalm = false;

  constructor(random: Random) {
    this.#random = random;
  }

  async found(): Promise<void> {
    const first = this.#member(1);
    await first.keeper.found(testRoster(SIZE, { servers: numbersTo(SIZE).map(testServer) }));
    for (const number of numbersTo(SIZE).slice(1)) {
      const { keeper } = this.#member(number);
      await keeper.adopt(first.keeper.domainPublicKey, first.keeper.signed, first.keeper.domainKey);
    }
    for (const member of this.members) {
      member.keeper.onChange((_roster, origin) => origin === "here" && this.#published(member));
    }
  }

  #member(number: number): Member {
    const { id } = testServer(number);
    const contact = new VoterContact(id);
    const keeper = new RosterKeeper(memorySettings(), id, contact);
    const own = () => ({
      rosterVersion: keeper.roster.version,
      rosterRevision: keeper.roster.revision,
      rosterDigest: keeper.digest,
    });
    const others = () => new Map(numbersTo(SIZE).map((other) => [testServer(other).id as ServerId, own()]));
    contact.look({ own, others });
    const door = new RosterDoor(
      { keeper, logger: silentLogger, counters: createCounters() },
      { leave: async () => {}, removed: () => {} },
    );
    const stewardship = new Stewardship({
      self: id as ServerId,
      keeper,
      logger: silentLogger,
      // The operator who seizes is always wrong: nobody is dead.
      isUp: (server) => server !== testServer(keeper.roster.steward).id,
      random: () => 0,
      ask: async (server, type, body = new Uint8Array()) => {
        await this.#travel(number, server.number);
        const answer = await (this.members[server.number - 1] as Member).door.answer(type, body, id);
        await this.#travel(server.number, number);
        return answer;
      },
    });
    const member = { number, keeper, stewardship, door, reports: new Map<number, number>() };
    this.members.push(member);
    return member;
  }

  /** Resolves when the message arrives; never, like a time-out that takes long, or with an error when it is lost. */
  #travel(from: number, to: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push(() => {
        const isCut = this.#sides.get(from) !== this.#sides.get(to) || this.#random.chance(0.1);
        if (isCut && !this.isCalm) reject(new Error("lost"));
        else resolve();
      });
    });
  }

  #published(member: Member): void {
    const { keeper } = member;
    const { version, revision, voters, oldVoters } = keeper.roster;
    this.#isOnly(`${version}.${revision}`, keeper.digest);
    this.#isOnly(`voters of ${version}`, [voters, oldVoters].join(" after "));
    for (const other of this.members) this.#push(member, other);
  }

  #isOnly(name: string, value: unknown): void {
    if ((this.#signed.get(name) ?? value) !== value) this.#broken ??= new Error(`there are two ${name}`);
    this.#signed.set(name, value);
  }

  #push(from: Member, to: Member): void {
    const { signed } = from.keeper;
    const push = this.#travel(from.number, to.number)
      .then(() => to.keeper.accept(signed))
      .then(
        () => {},
        () => {},
      )
      .finally(() => this.#pushes.delete(push));
    this.#pushes.add(push);
  }

  /** Something happens: a message arrives, or somebody does something. */
  async step(): Promise<void> {
    const random = this.#random;
    if (random.chance(0.04)) this.#sides = new Map(numbersTo(SIZE).map((number) => [number, random.pick([1, 1, 2])]));
    if (this.#pending.length > 0 && random.chance(0.6)) this.#deliver();
    else if (random.chance(0.95)) this.#act(random.pick(this.members));
    else this.#begin(random.pick(this.members).stewardship.seize([]));
    await settled();
    this.check();
  }

  #begin(work: Promise<unknown>): void {
    this.#begun.push(work.catch(() => {}));
  }

  #deliver(): void {
    const at = Math.floor(this.#random.next() * this.#pending.length);
    this.#pending.splice(at, 1)[0]?.();
  }

  /** What a steward does by its timer and its operators; others tell their version to whom they take for the steward. */
  #act(member: Member): void {
    const { keeper, reports } = member;
    const { roster } = keeper;
    if (!keeper.isSteward) {
      const steward = this.members[roster.steward - 1] as Member;
      void this.#travel(member.number, steward.number)
        // What comes from a server that is ahead waits for its roster.
        .then(
          () => roster.version <= steward.keeper.roster.version && steward.reports.set(member.number, roster.version),
        )
        .catch(() => {});
      return;
    }
    reports.set(member.number, roster.version);
    const change = (next: (roster: Roster) => Roster) => this.#begin(keeper.update(next));
    const holders = (set: readonly number[], { version }: Roster) =>
      set.filter((number) => (reports.get(number) ?? 0) >= version).length;
    const what = this.#random.pick(["revise", "hand on", "voters", "voters", "voters"] as const);
    if (what === "revise") change((now) => ({ ...now, revision: now.revision + 1, lastNumber: now.lastNumber + 1 }));
    else if (what === "hand on")
      change((now) => ({ ...now, revision: now.revision + 1, steward: this.#random.pick(numbersTo(SIZE)) }));
    else if (!isJoint(roster)) {
      const size = this.#random.pick([1, 3, 5]);
      const voters = numbersTo(SIZE)
        .sort(() => this.#random.next() - 0.5)
        .slice(0, size)
        .sort((a, b) => a - b);
      change((now) => ({ ...now, version: now.version + 1, voters, oldVoters: now.voters }));
    } else {
      const late = roster.oldVoters.length - holders(roster.oldVoters, roster);
      const isHeld = holders(roster.voters, roster) * 2 > roster.voters.length;
      if (late <= (replicaGroupSize(roster.oldVoters.length) - 1) / 2 && isHeld)
        change((now) => (now === roster ? { ...now, version: now.version + 1, oldVoters: [] } : now));
    }
  }

  /** Delivers all that is on its way, until `work` is done. */
  async #drain(work: Promise<unknown>): Promise<void> {
    let isOver = false;
    const watched = work.finally(() => (isOver = true));
    watched.catch(() => {});
    do {
      await settled();
      this.#deliver();
      this.check();
      if (isOver && this.#pending.length === 0) await Promise.all(this.#pushes);
    } while (!isOver || this.#pending.length > 0);
    await settled();
    await watched;
  }

  /** Users can be claimed under a version where majorities of its voters have it: never under two at a time. */
  check(): void {
    if (this.#broken !== undefined) throw this.#broken;
    const rosters = new Map(this.members.map(({ keeper }) => [keeper.roster.version, keeper.roster]));
    const isInForce = ({ version, voters, oldVoters }: Roster) =>
      [voters, oldVoters].every((set) => {
        const having = set.filter((number) => this.members[number - 1]?.keeper.roster.version === version);
        return set.length === 0 || having.length * 2 > set.length;
      });
    const inForce = [...rosters.values()].filter(isInForce);
    expect(inForce.map(({ version }) => version)).to.have.length.below(2);
  }

  /** Nothing is lost any more, and an operator who knows what to do makes one roster of all. */
  async heal(): Promise<void> {
    this.isCalm = true;
    await this.#drain(Promise.all(this.#begun));
    const newest = () => this.members.reduce((a, b) => (b.keeper.roster.version > a.keeper.roster.version ? b : a));
    const seize = async ({ keeper: { roster }, stewardship }: Member) => {
      const { steward, voters, oldVoters } = roster;
      // Where the steward alone votes nobody can promise anything, and the operator has to vouch for it.
      const isAlone = [voters, oldVoters].some((set) => set.join() === String(steward));
      await this.#drain(stewardship.seize(isAlone ? [String(steward)] : []));
    };
    // Whoever is asked may show a newer roster, of which another steward is the only voter.
    await seize(newest()).catch(() => seize(newest()));
    for (const member of this.members) this.#push(newest(), member);
    await this.#drain(Promise.resolve());
    // What the links do when a server does not take the roster.
    const steward = this.members[newest().keeper.roster.steward - 1] as Member;
    for (const { number, keeper } of this.members) {
      if (keeper.roster.version === steward.keeper.roster.version) continue;
      await this.#drain(steward.stewardship.overcome(testServer(number).id as ServerId));
    }
    expect(new Set(this.members.map(({ keeper }) => keeper.digest)).size).to.equal(1);
  }
}

/** Everything that can go on without another message has gone on. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("the steward's role, whoever takes it, whenever, and whatever is lost", function () {
  this.timeout(60_000);

  it("never makes two rosters of one version and revision, nor two versions that both have their majorities; and can always be taken", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const domain = new Domain(new Random(seed));
        await domain.found();
        for (let step = 0; step < 250; step++) await domain.step();
        await domain.heal();
      }),
      { numRuns: Number(process.env["STEWARDSHIP_RUNS"] ?? 15), endOnFailure: true },
    );
  });
});
