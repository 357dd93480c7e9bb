import { createHash } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import type { KadMember } from "../../dht-schema/replica-group.ts";
import { compareDistance, replicaGroup, replicaGroupSize } from "../../dht-schema/replica-group.ts";
import { ReplicaGroups } from "../../dht-schema/replica-groups.ts";

const kadId = fc.uint8Array({ minLength: 32, maxLength: 32 });
/** Ids that differ in few octets, so that distances are compared beyond the first. */
const nearId = fc.tuple(fc.nat(31), fc.nat(255)).map(([at, octet]) => {
  const id = new Uint8Array(32).fill(0xa5);
  id[at] = octet;
  return id;
});
const anyId = fc.oneof(kadId, nearId);

const members = (size: { minLength?: number; maxLength?: number }) =>
  fc
    .uniqueArray(anyId, { ...size, selector: (id) => Buffer.from(id).toString("hex") })
    .map((ids) => ids.map((id, index) => ({ number: index + 1, kadId: id })));

const distance = (a: Uint8Array, b: Uint8Array) =>
  BigInt(`0x${Buffer.from(a.map((octet, index) => octet ^ (b[index] as number))).toString("hex")}`);

/** The definition, slow and obvious: sort all by distance, take the nearest. */
function slowGroup(target: Uint8Array, all: readonly KadMember[]): number[] {
  const most = Math.min(5, all.length);
  const size = most % 2 === 0 ? most - 1 : most;
  return all
    .map(({ number, kadId: id }) => ({ number, far: distance(target, id) }))
    .sort((a, b) => (a.far < b.far ? -1 : a.far > b.far ? 1 : 0))
    .slice(0, Math.max(0, size))
    .map(({ number }) => number);
}

describe("a replica group", () => {
  it("is the nearest members by XOR, as a sort of all by distance finds them", () => {
    fc.assert(
      fc.property(anyId, members({ maxLength: 40 }), (target, all) => {
        expect(replicaGroup(target, all)).to.deep.equal(slowGroup(target, all));
      }),
      { numRuns: 500 },
    );
  });

  it("is a function of the set of members, in whatever order they stand", () => {
    const shuffled = members({ minLength: 1, maxLength: 20 }).chain((all) =>
      fc.record({ all: fc.constant(all), other: fc.shuffledSubarray(all, { minLength: all.length }) }),
    );
    fc.assert(
      fc.property(anyId, shuffled, (target, { all, other }) => {
        expect(replicaGroup(target, other)).to.deep.equal(replicaGroup(target, all));
      }),
    );
  });

  it("changes by at most one replica when a server joins or leaves a domain of more than five", () => {
    fc.assert(
      fc.property(anyId, members({ minLength: 6, maxLength: 30 }), (target, all) => {
        const before = replicaGroup(target, all.slice(0, -1));
        const after = replicaGroup(target, all);
        const stay = before.filter((number) => after.includes(number));
        const last = (all.at(-1) as KadMember).number;
        expect(stay.length).to.equal(after.includes(last) ? 4 : 5);
        if (!after.includes(last)) expect(after).to.deep.equal(before);
      }),
    );
  });

  it("spreads keys evenly enough over the servers", () => {
    const random = (seed: number) => {
      const id = new Uint8Array(32);
      for (let i = 0; i < 32; i++) id[i] = (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) >>> 24;
      return id;
    };
    const all = Array.from({ length: 20 }, (_, index) => ({ number: index + 1, kadId: random(index * 7_919 + 1) }));
    const counts = new Map<number, number>();
    for (let key = 0; key < 4_000; key++) {
      for (const number of replicaGroup(random(key * 104_729 + 5), all))
        counts.set(number, (counts.get(number) ?? 0) + 1);
    }
    expect(counts.size, "every server holds something").to.equal(20);
  });

  it("has an odd size, so that majorities are the smallest possible, up to five", () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7, 1_000].map(replicaGroupSize)).to.deep.equal([0, 1, 1, 3, 3, 5, 5, 5, 5]);
    expect(replicaGroupSize(-1)).to.equal(0);
  });
});

describe("the replica groups of many keys", () => {
  it("are those that a sort of all members by distance finds, whatever prefixes the ids share", () => {
    fc.assert(
      fc.property(members({ maxLength: 120 }), fc.array(anyId, { minLength: 1, maxLength: 8 }), (all, keys) => {
        const groups = new ReplicaGroups(all);
        for (const key of keys) expect(groups.of(key)).to.deep.equal(slowGroup(key, all));
      }),
      { numRuns: 500 },
    );
  });

  it("are found for a member's own id, which is the nearest to itself", () => {
    fc.assert(
      fc.property(members({ minLength: 1, maxLength: 120 }), (all) => {
        const groups = new ReplicaGroups(all);
        for (const { number, kadId: id } of all) expect(groups.of(id)[0]).to.equal(number);
      }),
    );
  });

  it("are those of the slow version among ten thousand members", () => {
    const all = Array.from({ length: 10_000 }, (_, index) => ({
      number: index + 1,
      kadId: createHash("sha256").update(`server ${index}`).digest(),
    }));
    const groups = new ReplicaGroups(all);
    for (let key = 0; key < 50; key++) {
      const target = createHash("sha256").update(`key ${key}`).digest();
      expect(groups.of(target)).to.deep.equal(slowGroup(target, all));
    }
  });
});

describe("the distance of two ids", () => {
  it("orders ids as the numbers do that they differ by", () => {
    fc.assert(
      fc.property(anyId, anyId, anyId, (target, a, b) => {
        const [near, far] = [distance(target, a), distance(target, b)];
        expect(Math.sign(compareDistance(target, a, b))).to.equal(near < far ? -1 : near > far ? 1 : 0);
      }),
      { numRuns: 500 },
    );
  });
});
