import { generateKeyPair, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import { expect } from "chai";
import type { Roster } from "../../dht-schema/roster.ts";
import { signRoster } from "../../dht-schema/roster.ts";
import { meshCounter } from "../../node/mesh/counters.ts";
import { RosterKeeper } from "../../node/mesh/roster-keeper.ts";
import { setting } from "../../node/mesh/settings-names.ts";
import { codeOf } from "../helpers/codes.ts";
import { memoryInvites, memorySettings } from "../helpers/memory-storage.ts";
import type { TestServer } from "../helpers/meshes.ts";
import { down, TestDomain, until, up } from "../helpers/meshes.ts";

const MINUTE_MS = 60_000;

describe("the steward's role", function () {
  this.timeout(30_000);
  let domain: TestDomain;
  afterEach(() => domain.stop());

  const rosterOf = ({ mesh }: TestServer): Roster => mesh.roster();
  const stewardOf = (server: TestServer): number => rosterOf(server).steward;
  const knows = (server: TestServer, condition: (roster: Roster) => boolean, what: string) =>
    until(server.mesh, () => condition(rosterOf(server)), what, 20_000);

  /** A founder and others, all of them voters, all with the domain's key but the last. */
  async function voters(size: number): Promise<TestServer[]> {
    domain = new TestDomain();
    const founder = await domain.found();
    await founder.mesh.start();
    for (let i = 1; i < size; i++) {
      const token = founder.mesh.createInvite({ ttlMs: MINUTE_MS, steward: i < size - 1 });
      await (await domain.create({ membership: { kind: "join", token } })).mesh.start();
    }
    await domain.allUp();
    const numbers = rosterOf(founder).servers.map(({ number }) => number);
    await founder.mesh.publishRoster({ ...rosterOf(founder), version: 2, voters: numbers, oldVoters: [1] });
    await founder.mesh.publishRoster({ ...rosterOf(founder), version: 3, oldVoters: [] });
    for (const server of domain.servers) await knows(server, ({ version }) => version === 3, "stable roster of all");
    return [...domain.servers];
  }

  it("is handed on to a server that holds the domain's key, which then invites and changes the roster alone", async () => {
    const [one, two, three] = (await voters(3)) as [TestServer, TestServer, TestServer];
    expect(await codeOf(two.mesh.stewardship.handOn("server-2"))).equals("NOT_A_STEWARD");
    expect(await codeOf(one.mesh.stewardship.handOn("server-3"))).equals("NO_DOMAIN_KEY");
    await one.mesh.stewardship.handOn("server-2");
    for (const server of [two, three]) await knows(server, ({ steward }) => steward === 2, "new steward");
    expect(rosterOf(one)).include({ version: 3, steward: 2 });
    expect(await codeOf(one.mesh.publishRoster({ ...rosterOf(one), revision: 99 }))).equals("NOT_A_STEWARD");
    expect(() => one.mesh.createInvite({ ttlMs: MINUTE_MS, steward: false })).throws(/only server-2 makes/);
    const four = await domain.join(two);
    expect(rosterOf(four).lastNumber).equals(4);
    await one.mesh.stop();
    await two.mesh.stewardship.handOn("server-4").catch(() => undefined);
    expect(stewardOf(two), "server-4 has no key").equals(2);
  });

  it("is seized from a dead steward with the promise of the others, and its versions leave a gap", async () => {
    const [one, two, three] = (await voters(3)) as [TestServer, TestServer, TestServer];
    expect(await codeOf(two.mesh.stewardship.seize([]))).equals("STEWARD_UP");
    await one.mesh.stop();
    await down(two.mesh, one.mesh.self);
    expect(await codeOf(three.mesh.stewardship.seize([]))).equals("NO_DOMAIN_KEY");
    await two.mesh.stewardship.seize([]);
    await knows(three, ({ steward }) => steward === 2, "new steward");
    expect(rosterOf(three)).deep.include({ version: 6, steward: 2, voters: [1, 2, 3] });
    expect(three.settings.get(setting.rosterFloor)).deep.equals(new TextEncoder().encode("6"));
  });

  it("is not seized without a majority of the others, unless these are vouched for to be switched off too", async () => {
    const [one, two, three, four] = (await voters(4)) as [TestServer, TestServer, TestServer, TestServer];
    for (const dead of [one, three, four]) await dead.mesh.stop();
    for (const dead of [one, three, four]) await down(two.mesh, dead.mesh.self);
    const refused = await two.mesh.stewardship.seize([]).catch((error: Error) => error.message);
    expect(refused).matches(/no answer from server-3, server-4/);
    expect(stewardOf(two)).equals(1);
    expect(await codeOf(two.mesh.stewardship.seize(["server-3", "4"]))).equals("resolved");
    expect(stewardOf(two)).equals(2);
  });

  it("is no longer that of a former steward who comes back, before it can publish anything", async () => {
    const [one, two, three] = (await voters(3)) as [TestServer, TestServer, TestServer];
    const [listenTwo, listenThree] = [two.mesh.addresses(), three.mesh.addresses()];
    // It has signed one more roster that nobody else has seen.
    await Promise.all([two, three].map(({ mesh }) => mesh.stop()));
    await down(one.mesh, two.mesh.self);
    await one.mesh.stop();
    const unseen = new RosterKeeper(one.settings, one.mesh.self);
    await unseen.load();
    one.settings.set(
      setting.roster,
      await signRoster({ ...rosterOf(one), version: 4, oldVoters: [1, 2, 3] }, unseen.domainKey!),
    );

    const second = await domain.restart(two, { listen: listenTwo });
    const third = await domain.restart(three, { listen: listenThree });
    await Promise.all([second.mesh.start(), third.mesh.start()]);
    await up(second.mesh, third.mesh.self);
    await second.mesh.stewardship.seize([]);
    await knows(third, ({ steward }) => steward === 2, "new steward");

    const first = await domain.restart(one);
    expect(first.mesh.isSteward, "by what it has on disk").equals(true);
    const change = { ...rosterOf(first), version: 5, oldVoters: [] };
    expect(await codeOf(first.mesh.publishRoster(change)), "alone").equals("STEWARD_ALONE");
    await first.mesh.start();
    await knows(first, ({ steward }) => steward === 2, "new steward at the old one");
    expect(await codeOf(first.mesh.publishRoster(change))).equals("NOT_A_STEWARD");
    expect(rosterOf(first).version).equals(6);
    expect(first.mesh.forks()).deep.equals([]);
  });

  it("goes on from what the dead steward had got to, where anybody who promises has seen it", async () => {
    const [one, two, three] = (await voters(3)) as [TestServer, TestServer, TestServer];
    await two.mesh.stop();
    await down(one.mesh, two.mesh.self);
    await one.mesh.publishRoster({ ...rosterOf(one), version: 4, voters: [1, 3], oldVoters: [1, 2, 3] });
    await knows(three, ({ version }) => version === 4, "joint version");
    await one.mesh.stop();
    const second = await domain.restart(two);
    await second.mesh.start();
    await up(second.mesh, three.mesh.self);
    await second.mesh.stewardship.seize([]);
    expect(rosterOf(second)).deep.include({ version: 7, voters: [1, 3], oldVoters: [1, 2, 3], steward: 2 });
  });

  it("is given to one of two who seize it at the same time", async () => {
    const [one, two, three] = (await voters(4)) as [TestServer, TestServer, TestServer, TestServer];
    await one.mesh.stop();
    await Promise.all([two, three].map(({ mesh }) => down(mesh, one.mesh.self)));
    const outcomes = await Promise.all([two, three].map(({ mesh }) => codeOf(mesh.stewardship.seize([]))));
    expect(outcomes).includes("resolved");
    const last = domain.server(3);
    await knows(last, ({ steward }) => steward !== 1, "new steward");
    for (const { mesh } of [two, three]) {
      await until(mesh, () => mesh.roster().version >= rosterOf(last).version, "the same roster");
    }
    expect(two.counters.get(meshCounter.rosterConflicts) + three.counters.get(meshCounter.rosterConflicts)).equals(0);
  });

  it("is taken anew by the steward when a server has promised a version to somebody who did not come through", async () => {
    const [one, two, three] = (await voters(3)) as [TestServer, TestServer, TestServer];
    await three.mesh.stop();
    three.settings.set(setting.rosterFloor, new TextEncoder().encode("8"));
    const again = await domain.restart(three);
    await again.mesh.start();
    // It listens elsewhere now: the steward corrects its address, by a roster that it does not take.
    await knows(again, ({ version }) => version > 8, "roster above the promise");
    for (const server of [one, two, again]) await knows(server, ({ version }) => version === 11, "the same roster");
    expect(rosterOf(again)).deep.include({ steward: 1, voters: [1, 2, 3] });
    expect(again.counters.get(meshCounter.rostersRefused)).greaterThan(0);
  });

  it("cannot be promised away by a server without the domain's key", async () => {
    const [, , three] = (await voters(3)) as [TestServer, TestServer, TestServer];
    // The last one has no key: it makes one up.
    three.settings.set(setting.domainKey, privateKeyToProtobuf(await generateKeyPair("Ed25519")));
    await three.mesh.stop();
    await domain.server(0).mesh.stop();
    const forger = await domain.restart(three);
    await forger.mesh.start();
    await up(forger.mesh, domain.server(1).mesh.self);
    expect(await codeOf(forger.mesh.stewardship.seize([]))).equals("STALE_ROSTER");
    expect(domain.server(1).settings.get(setting.rosterFloor)).equals(undefined);
    expect(domain.server(1).counters.get(meshCounter.rosterQuestionsRefused)).greaterThan(0);
  });

  it("shows a fork: a steward restored from an old copy that signs again what it has signed before", async () => {
    const [one, two] = (await voters(2)) as [TestServer, TestServer];
    const keeper = new RosterKeeper(one.settings, one.mesh.self);
    await keeper.load();
    await one.mesh.stop();
    // What the checks of a node would prevent: another roster 3.1, signed with the same key.
    const rival = { ...rosterOf(one), lastNumber: 77 };
    one.settings.set(setting.roster, await signRoster(rival, keeper.domainKey!));
    const restored = await domain.restart(one);
    await restored.mesh.start();
    await until(two.mesh, () => two.mesh.forks().length > 0, "fork seen");
    expect(two.mesh.forks()).deep.equals([one.mesh.self]);
    expect(rosterOf(two).lastNumber, "it keeps what it had").equals(2);
    expect(two.counters.get(meshCounter.rosterConflicts)).equals(1);
    await until(restored.mesh, () => restored.mesh.forks().length > 0, "fork seen from the other side");
    // A role that is seized, be it by who has it, makes one roster that both take.
    await restored.mesh.stewardship.seize([]);
    await until(two.mesh, () => two.mesh.forks().length === 0 && rosterOf(two).lastNumber === 77, "one roster again");
  });
});

describe("a server that is taken out of the roster", function () {
  this.timeout(30_000);
  let domain: TestDomain;
  beforeEach(async () => {
    domain = await TestDomain.of(3);
  });
  afterEach(() => domain.stop());

  const withoutThird = (roster: Roster): Roster => ({
    ...roster,
    revision: roster.revision + 1,
    servers: roster.servers.filter(({ number }) => number !== 3),
  });

  /** Resolves with the roster that the server is no longer in. */
  const removed = ({ mesh }: TestServer): Promise<Roster> =>
    new Promise((resolve) => mesh.on((event) => event.kind === "removed" && resolve(event.roster)));

  it("learns it at once while it is linked", async () => {
    const [one, , three] = domain.servers as [TestServer, TestServer, TestServer];
    const told = removed(three);
    await one.mesh.publishRoster(withoutThird(one.mesh.roster()));
    expect((await told).servers.map(({ number }) => number)).deep.equals([1, 2]);
  });

  it("learns it when it comes back, from whomever it reaches, and is refused everything else", async () => {
    const [one, two, three] = domain.servers as [TestServer, TestServer, TestServer];
    await three.mesh.stop();
    await one.mesh.publishRoster(withoutThird(one.mesh.roster()));
    await until(two.mesh, () => two.mesh.roster().servers.length === 2, "roster of two");
    await one.mesh.stop();
    const back = await domain.restart(three);
    const told = removed(back);
    await back.mesh.start();
    expect((await told).version).equals(1);
    expect(back.mesh.isUp(two.mesh.self)).equals(false);
    expect(two.mesh.peers().map(({ name }) => name)).deep.equals(["server-1"]);
    await back.mesh.stop();
    expect(await codeOf(domain.create({ settings: back.settings }))).equals("REMOVED");
  });

  it("joins anew with an invite, under a new number and with its old identity, and no other domain", async () => {
    const [one, , three] = domain.servers as [TestServer, TestServer, TestServer];
    const told = removed(three);
    await one.mesh.publishRoster(withoutThird(one.mesh.roster()));
    await told;
    await three.mesh.stop();
    const stranger = await domain.create({ membership: { kind: "found", domain: "example.org" } });
    const wrong = stranger.mesh.createInvite({ ttlMs: MINUTE_MS, steward: false });
    const { settings, name } = three;
    const join = (token: string) => domain.create({ settings, name, membership: { kind: "join", token } });
    expect(await codeOf(join(wrong))).equals("OTHER_DOMAIN");
    const again = await join(one.mesh.createInvite({ ttlMs: MINUTE_MS, steward: false }));
    expect(again.mesh.self).equals(three.mesh.self);
    expect(again.mesh.roster().servers.find(({ id }) => id === three.mesh.self)).include({
      number: 4,
      name: "server-3",
    });
    await again.mesh.start();
    await up(again.mesh, one.mesh.self);
  });

  it("may ask for it itself, of the steward alone", async () => {
    const [one, two, three] = domain.servers as [TestServer, TestServer, TestServer];
    await two.mesh.stewardship.leave();
    await until(three.mesh, () => three.mesh.roster().leaving.includes(2), "server-2 leaving");
    expect(await codeOf(one.mesh.stewardship.leave())).equals("IS_STEWARD");
    await one.mesh.stop();
    await down(three.mesh, one.mesh.self);
    expect(await codeOf(three.mesh.stewardship.leave())).equals("STEWARD_DOWN");
  });
});

describe("a steward that is cut off from the other voters", function () {
  this.timeout(30_000);
  let domain: TestDomain;
  afterEach(() => domain.stop());

  it("lets nobody in, and does when they are back", async () => {
    domain = await TestDomain.of(3);
    const [one, two, three] = domain.servers as [TestServer, TestServer, TestServer];
    await one.mesh.publishRoster({ ...one.mesh.roster(), version: 2, voters: [1, 2, 3] });
    await until(two.mesh, () => two.mesh.roster().version === 2, "three voters");
    await Promise.all([two, three].map(({ mesh }) => mesh.stop()));
    await Promise.all([two, three].map(({ mesh }) => down(one.mesh, mesh.self)));
    const token = one.mesh.createInvite({ ttlMs: MINUTE_MS, steward: false });
    const join = () =>
      domain.create({ settings, name: "late", invites: memoryInvites(), membership: { kind: "join", token } });
    const settings = memorySettings();
    expect(await codeOf(join())).equals("JOIN_FAILED");
    expect(one.mesh.roster().lastNumber).equals(3);
    await (await domain.restart(two)).mesh.start();
    await up(one.mesh, two.mesh.self);
    const late = await join();
    expect(late.mesh.roster().lastNumber).equals(4);
  });
});
