import { expect } from "chai";
import fc from "fast-check";
import type { Aor } from "../../../../dht-schema/aor.ts";
import { openMemoryStorage } from "../../../../node/storage/storage.ts";
import { digestOf, isNewer, pageOf } from "../../../../node/presence/lists/list-versions.ts";
import { limits } from "../../../../node/runtime/limits.ts";
import type { ListVersion } from "../../../../node/storage/ports.ts";

const uri = "sip:friends@example.com" as Aor;
const someone = fc.constantFrom("sip:joe@example.com", "sip:ann@example.com") as fc.Arbitrary<Aor>;
const version: fc.Arbitrary<ListVersion> = fc
  .record({
    version: fc.nat({ max: 2 }),
    owner: someone,
    members: fc.array(someone, { maxLength: 2 }),
    isThere: fc.boolean(),
  })
  .map(({ version: number, isThere, ...list }) => ({
    uri,
    version: number,
    ...(isThere && { list: { uri, ...list } }),
  }));

describe("versions of a list", () => {
  it("have the same newest one on every server, in whatever order they are heard of, and however often", () => {
    const newest = (heard: readonly ListVersion[]) =>
      heard.reduce<ListVersion | undefined>((known, each) => (isNewer(each, known) ? each : known), undefined);
    fc.assert(
      fc.property(fc.array(version, { minLength: 1 }), (versions) => {
        const known = newest(versions);
        expect(newest(versions.toReversed())).to.deep.equal(known);
        expect(newest([...versions, ...versions])).to.deep.equal(known);
        expect(versions.every((each) => each.version <= (known as ListVersion).version)).to.equal(true);
      }),
    );
  });

  it("have a digest that differs where anything does", () => {
    fc.assert(
      fc.property(version, version, (a, b) => {
        const isSame = !isNewer(a, b) && !isNewer(b, a);
        expect(digestOf([a]) === digestOf([b])).to.equal(isSame);
      }),
    );
  });

  it("are told page by page, each once", () => {
    const all = Array.from({ length: 3000 }, (_, index) => ({
      ...{ uri: `sip:${String(index).padStart(4, "0")}@h` as Aor, version: index },
    }));
    const { lists: store } = openMemoryStorage();
    store.learn(all);
    const told: ListVersion[] = [];
    for (let more = true; more;) {
      const page = pageOf(store, told.at(-1)?.uri ?? "");
      expect(JSON.stringify(page).length).to.be.at.most(limits.presence.lists.pageBytes + 100);
      told.push(...page.lists);
      ({ more } = page);
    }
    expect(told).to.deep.equal(all);
  });
});
