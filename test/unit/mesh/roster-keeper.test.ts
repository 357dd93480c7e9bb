import { generateKeyPair } from "@libp2p/crypto/keys";
import { expect } from "chai";
import type { Roster } from "../../../dht-schema/roster.ts";
import { signRoster } from "../../../dht-schema/roster.ts";
import { foundingRoster } from "../../../node/mesh/founding.ts";
import { RosterKeeper } from "../../../node/mesh/roster-keeper.ts";
import { setting } from "../../../node/mesh/settings-names.ts";
import type { Settings } from "../../../node/storage/ports.ts";
import { codeOf } from "../../helpers/codes.ts";
import { memorySettings } from "../../helpers/memory-storage.ts";

const FIRST = foundingRoster("example.com", {
  id: "12D3KooWPqT2nMDSiXUSx5D7fasaxhxKigVhcqfkKqrLghCq9jxz",
  name: "first",
  addresses: [],
});
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
