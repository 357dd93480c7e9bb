import { generateKeyPair } from "@libp2p/crypto/keys";
import { expect } from "chai";
import { encode, list, text } from "../../../dht-schema/codec.ts";
import type { Roster, ServerId } from "../../../dht-schema/roster.ts";
import { signRoster } from "../../../dht-schema/roster.ts";
import { foundingRoster } from "../../../node/mesh/founding.ts";
import { RosterKeeper } from "../../../node/mesh/roster-keeper.ts";
import { VoterContact } from "../../../node/mesh/voter-contact.ts";
import { setting } from "../../../node/mesh/settings-names.ts";
import type { Settings } from "../../../node/storage/ports.ts";
import { codeOf } from "../../helpers/codes.ts";
import { memorySettings } from "../../helpers/memory-storage.ts";

const FIRST = foundingRoster("example.com", {
  id: "12D3KooWPqT2nMDSiXUSx5D7fasaxhxKigVhcqfkKqrLghCq9jxz",
  name: "first",
  addresses: [],
});
const SELF = FIRST.servers[0]?.id ?? "";
const OTHER = { number: 2, id: "12D3KooWQjyKyQJMKCJhoGST9YV3jo8vAEErN1NkwPU1Gn6Xft2g", name: "other", addresses: [] };
const revised = (roster: Roster, change: Partial<Roster> = {}): Roster => ({
  ...roster,
  revision: roster.revision + 1,
  ...change,
});

describe("the keeper of the roster", () => {
  let settings: Settings;
  let keeper: RosterKeeper;
  let heard: string[];
  beforeEach(async () => {
    settings = memorySettings();
    keeper = new RosterKeeper(settings, FIRST.servers[0]?.id);
    await keeper.found(FIRST);
    heard = [];
    keeper.onChange((roster, origin) => heard.push(`${roster.version}.${roster.revision} ${origin}`));
  });

  const signedHere = (roster: Roster): Promise<Uint8Array> => signRoster(roster, keeper.domainKey as never);

  it("has stored a roster before anybody hears of it", async () => {
    let stored: Uint8Array | undefined;
    keeper.onChange(() => (stored = settings.get(setting.roster)));
    await keeper.update(revised);
    expect(stored).deep.equals(keeper.signed);
  });

  it("leaves the old roster in force when the new one cannot be stored", async () => {
    settings.set = () => {
      throw new Error("disk full");
    };
    expect(await codeOf(keeper.update(revised))).matches(/disk full/);
    expect(keeper.roster).equals(FIRST);
    expect(heard).deep.equals([]);
  });

  it("loses none of many changes made at once", async () => {
    await Promise.all(
      Array.from({ length: 20 }, () =>
        keeper.update((roster) => revised(roster, { lastNumber: roster.lastNumber + 1 })),
      ),
    );
    expect(keeper.roster).include({ revision: 20, lastNumber: FIRST.lastNumber + 20 });
    expect(heard).lengthOf(20);
  });

  it("goes on after a change that failed", async () => {
    const failed = keeper.update(() => {
      throw new RangeError("no");
    });
    const next = keeper.update(revised);
    expect(await codeOf(failed)).matches(/no code/);
    expect(await codeOf(next)).equals("resolved");
  });

  it("takes a newer roster from a peer, and neither an older nor the same one", async () => {
    const [second, third] = [revised(FIRST), revised(revised(FIRST))];
    expect(await keeper.accept(await signedHere(third))).equals("accepted");
    expect(await keeper.accept(await signedHere(third))).equals("known");
    expect(await keeper.accept(await signedHere(second))).equals("older");
    expect(keeper.roster).deep.equals(third);
    expect(heard).deep.equals(["1.2 peer"]);
  });

  it("tells a different roster of the same revision from the same one, and keeps the first", async () => {
    await keeper.update(revised);
    const rival = await signedHere(revised(FIRST, { lastNumber: 9 }));
    expect(await keeper.accept(rival)).equals("conflict");
    expect(keeper.roster.lastNumber).equals(FIRST.lastNumber);
  });

  it("changes nothing while too few voters are in touch", async () => {
    const contact = new VoterContact(SELF);
    let isUp = false;
    const mark = { rosterVersion: 1, rosterRevision: 0, rosterDigest: 0 };
    contact.look({ own: () => mark, others: () => (isUp ? new Map([[OTHER.id as ServerId, mark]]) : new Map()) });
    const careful = new RosterKeeper(memorySettings(), SELF, contact);
    await careful.found({ ...FIRST, lastNumber: 2, servers: [...FIRST.servers, OTHER], voters: [1, 2] });
    expect(await codeOf(careful.update(revised))).equals("STEWARD_ALONE");
    expect(careful.roster.revision).equals(0);
    isUp = true;
    expect(await codeOf(careful.update(revised))).equals("resolved");
  });

  it("keeps to the lease term and the drift that the domain was founded with, whoever signs others", async () => {
    for (const change of [{ leaseMs: 9_999 }, { driftPpm: 1 }]) {
      expect(await codeOf(keeper.update((roster) => revised(roster, change)))).equals("OTHER_TERMS");
      expect(await codeOf(keeper.accept(await signedHere(revised(FIRST, change))))).equals("OTHER_TERMS");
    }
    expect(keeper.roster).equals(FIRST);
  });

  describe("that has promised a version to who takes the steward's role", () => {
    beforeEach(async () => expect(await keeper.promise(4)).equals("promised"));

    it("takes and makes no roster below it", async () => {
      expect(await keeper.accept(await signedHere({ ...FIRST, version: 3 }))).equals("promised");
      expect(await codeOf(keeper.update(revised))).equals("STEWARD_CONTESTED");
      expect(keeper.roster).equals(FIRST);
      expect(await keeper.accept(await signedHere({ ...FIRST, version: 4 }))).equals("accepted");
    });

    it("takes one below it only from who shows what the others have", async () => {
      const signed = await signedHere({ ...FIRST, version: 3 });
      expect(await keeper.accept(signed, { belowFloor: true })).equals("accepted");
    });

    it("promises each version once, and none that it has passed", async () => {
      expect(await keeper.promise(4)).equals("too-low");
      expect(await keeper.promise(3)).equals("too-low");
      expect(await keeper.promise(5)).equals("promised");
      await keeper.accept(await signedHere({ ...FIRST, version: 9 }));
      expect(await keeper.promise(9)).equals("too-low");
    });

    it("keeps the promise over a restart", async () => {
      const again = new RosterKeeper(settings, SELF);
      await again.load();
      expect(again.floor).equals(4);
      expect(await again.accept(await signedHere({ ...FIRST, version: 3 }))).equals("promised");
    });

    it("publishes as the new steward what it has promised, and nothing else", async () => {
      const taking = (version: number) => (roster: Roster) => revised(roster, { version });
      expect(await codeOf(keeper.seize(4, taking(5)))).equals("STALE_ROSTER");
      expect(await codeOf(keeper.seize(3, taking(3)))).equals("STALE_ROSTER");
      expect((await keeper.seize(4, taking(4))).version).equals(4);
    });
  });

  it("remembers who was taken out, until they are let in again", async () => {
    const both = { ...revised(FIRST), lastNumber: 2, servers: [...FIRST.servers, OTHER] };
    await keeper.update(() => both);
    expect(keeper.isFormer(OTHER.id)).equals(false);
    await keeper.update((roster) => revised(roster, { servers: FIRST.servers }));
    expect(keeper.isFormer(OTHER.id)).equals(true);
    const again = new RosterKeeper(settings, SELF);
    await again.load();
    expect(again.isFormer(OTHER.id)).equals(true);
    const [{ leftAtMs, ...named } = { leftAtMs: 0 }, ...more] = again.former();
    expect([named, more]).deep.equals([{ id: OTHER.id, number: 2, name: "other" }, []]);
    expect(leftAtMs).greaterThan(0);
    await keeper.update((roster) =>
      revised(roster, { lastNumber: 3, servers: [...FIRST.servers, { ...OTHER, number: 3 }] }),
    );
    expect(keeper.isServer(OTHER.id)).equals(true);
    expect(keeper.former()).deep.equals([]);
  });

  it("knows those still whom an earlier release has remembered by their ids alone", async () => {
    settings.set(setting.former, encode(list(text(128), 256), [OTHER.id]));
    const again = new RosterKeeper(settings, SELF);
    await again.load();
    expect([again.isFormer(OTHER.id), again.former()]).deep.equals([true, []]);
  });

  it("may be in a roster anew once it was taken out, and not before", async () => {
    const steward = new RosterKeeper(memorySettings(), OTHER.id);
    await steward.found({ ...FIRST, lastNumber: 2, steward: 2, servers: [...FIRST.servers, OTHER], voters: [2] });
    const joiner = new RosterKeeper(memorySettings(), SELF);
    await joiner.adopt(steward.domainPublicKey, steward.signed, undefined);
    await steward.update((roster) => revised(roster, { servers: [OTHER] }));
    expect(await joiner.accept(steward.signed)).equals("accepted");
    expect(joiner).include({ isMember: false, hasRoster: true });
    await steward.update((roster) =>
      revised(roster, { lastNumber: 3, servers: [OTHER, { ...FIRST.servers[0]!, number: 3 }] }),
    );
    await joiner.adopt(steward.domainPublicKey, steward.signed, undefined);
    expect(joiner.isMember).equals(true);
  });

  it("refuses a roster that another key has signed, or that breaks the rules of rosters", async () => {
    const forged = await signRoster(revised(FIRST), await generateKeyPair("Ed25519"));
    expect(await codeOf(keeper.accept(forged))).equals("BAD_SIGNATURE");
    expect(await codeOf(keeper.update((roster) => revised(roster, { voters: [] })))).equals("BAD_ROSTER");
    expect(keeper.roster).equals(FIRST);
  });

  it("refuses a roster that would not fit in a frame", async () => {
    const addresses = Array.from({ length: 16 }, () => `/dns4/${"x".repeat(240)}/tcp/1`);
    const servers = Array.from({ length: 300 }, (_, i) => ({
      number: i + 1,
      id: i === 0 ? (FIRST.servers[0]?.id ?? "") : `peer-${i}`,
      name: `server-${i}`,
      addresses,
    }));
    expect(await codeOf(keeper.update((roster) => revised(roster, { servers, lastNumber: 300 })))).equals(
      "ROSTER_TOO_LARGE",
    );
  });

  it("restores roster and key from the settings", async () => {
    await keeper.update(revised);
    const again = new RosterKeeper(settings);
    expect(await again.load()).equals(true);
    expect(again.roster).deep.equals(keeper.roster);
    expect(again.domainKey?.raw).deep.equals(keeper.domainKey?.raw);
    expect(again.isServer(FIRST.servers[0]?.id ?? "")).equals(true);
    expect(await new RosterKeeper(memorySettings()).load()).equals(false);
  });
});
