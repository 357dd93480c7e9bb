import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import type { Roster } from "../../../dht-schema/roster.ts";
import { meshCounter } from "../../../node/mesh/counters.ts";
import { codeOf } from "../../helpers/codes.ts";
import type { DirectoryServer } from "../../helpers/directories.ts";
import { TestDirectories } from "../../helpers/directories.ts";
import { FaultNetwork } from "../../helpers/fault-network.ts";
import { down, until, up } from "../../helpers/meshes.ts";

const users = Array.from({ length: 8 }, (_, i) => parseAor(`sip:user${i}@example.com`));
const names = ["1", "2", "3", "4", "5"];

describe("a domain of five servers whose roster changes while the network is cut", function () {
  this.timeout(60_000);
  let network: FaultNetwork;
  let swarm: TestDirectories;
  let claiming: Promise<void>;
  let isOver: boolean;

  const server = (number: number): DirectoryServer => swarm.server(number - 1);
  const all = (...numbers: number[]) => numbers.map(server);
  const knows = ({ mesh }: DirectoryServer, condition: (roster: Roster) => boolean, what: string) =>
    until(mesh, () => condition(mesh.roster()), what, 20_000);

  /** Users move about for as long as the test goes on; nobody is ever owned twice. */
  async function moveUsersAbout(): Promise<void> {
    for (let round = 0; !isOver; round++) {
      const aor = users[round % users.length]!;
      const claimant = server(1 + ((round * 7) % names.length));
      await Promise.race([
        claimant.directory.claim(aor, { mode: round % 3 === 0 ? "if-free" : "take-over" }),
        new Promise((resolve) => setTimeout(resolve, 100)),
      ]);
      for (const user of users)
        expect(
          swarm.ownersOf(user).map(({ name }) => name),
          user,
        ).to.have.length.below(2);
    }
  }

  beforeEach(async () => {
    network = new FaultNetwork();
    swarm = await TestDirectories.of(5, {
      leaseMs: 1_000,
      stewards: true,
      meshOf: (index) => ({ listen: [`/memory/${index + 1}`], transport: network.transport(String(index + 1)) }),
    });
    isOver = false;
    claiming = moveUsersAbout();
    claiming.catch(() => undefined);
  });
  afterEach(async () => {
    isOver = true;
    network.heal();
    await swarm.stop();
  });

  /** What must be true in the end: one roster, one owner of each user, and everybody can be claimed. */
  async function allAgree(...members: DirectoryServer[]): Promise<void> {
    network.heal();
    const newest = () =>
      members
        .map(({ mesh }) => mesh.roster())
        .reduce((a, b) => (b.version > a.version || (b.version === a.version && b.revision > a.revision) ? b : a));
    for (const member of members) {
      for (const other of members) if (other !== member) await up(member.mesh, other.mesh.self);
      await knows(member, ({ oldVoters, leaving }) => oldVoters.length + leaving.length === 0, "stable roster");
      await until(member.mesh, () => member.mesh.roster().version === newest().version, "newest version", 20_000);
    }
    isOver = true;
    await claiming;
    for (const aor of users) {
      expect((await members[0]!.directory.claim(aor, { mode: "take-over" })).kind).to.equal("owned");
      expect(swarm.ownersOf(aor).map(({ name }) => name)).to.deep.equal([members[0]!.name]);
    }
    for (const { mesh, counters } of members) {
      expect(mesh.forks()).to.deep.equal([]);
      expect(counters.get(meshCounter.rosterConflicts)).to.equal(0);
    }
  }

  it("changes nothing where the steward is with a minority, and goes on under another steward where the majority is", async () => {
    network.split(["1", "2"], ["3", "4", "5"]);
    for (const far of all(3, 4, 5)) await down(server(1).mesh, far.mesh.self);
    await Promise.all(all(3, 4, 5).map(({ mesh }) => down(mesh, server(1).mesh.self)));
    const before = server(1).mesh.roster();
    expect(await codeOf(server(1).mesh.stewardship.remove(["5"], false))).to.equal("TOO_FEW_VOTERS");
    expect(await codeOf(server(1).mesh.stewardship.handOn("2"))).to.equal("STEWARD_ALONE");
    expect(server(1).mesh.roster()).to.equal(before);
    expect(await codeOf(server(2).mesh.stewardship.seize([]))).to.equal("STEWARD_UP");

    await server(3).mesh.stewardship.seize([]);
    await server(3).mesh.stewardship.remove(["server-2"], false);
    await knows(server(5), ({ servers }) => servers.length === 4, "roster without server 2");
    const told = knows(server(1), ({ steward }) => steward === 3, "new steward");
    network.heal();
    await told;
    expect(server(1).mesh.isSteward).to.equal(false);
    await allAgree(...all(1, 3, 4, 5));
    expect(users.some((aor) => server(2).directory.owned(aor) !== undefined)).to.equal(false);
  });

  it("is safe even when the role is taken from a steward that is alive, and only the taker cannot see it", async () => {
    network.split(["1"], ["3"]);
    await down(server(3).mesh, server(1).mesh.self);
    // Both change the voters at the same moment.
    const [seized] = await Promise.all([
      codeOf(server(3).mesh.stewardship.seize([])),
      codeOf(server(1).mesh.stewardship.remove(["5"], false)),
    ]);
    expect(seized).to.equal("resolved");
    await knows(server(1), ({ steward }) => steward === 3, "new steward");
    expect(await codeOf(server(1).mesh.stewardship.remove(["4"], false))).to.equal("NOT_A_STEWARD");
    const left = server(3).mesh.roster().leaving.includes(5) || server(3).mesh.roster().servers.length === 4;
    await allAgree(...(left ? all(1, 2, 3, 4) : all(1, 2, 3, 4, 5)));
  });

  it("takes out a server that is cut off, whose users can be claimed when its leases are over, and which learns it later", async () => {
    const aor = users[0]!;
    network.split(["5"], ["1", "2", "3", "4"]);
    await down(server(1).mesh, server(5).mesh.self);
    await down(server(5).mesh, server(1).mesh.self);
    expect(await codeOf(server(5).mesh.stewardship.leave())).to.equal("STEWARD_DOWN");
    await server(1).mesh.stewardship.remove(["server-5"], false);
    await knows(
      server(2),
      ({ servers, oldVoters }) => servers.length === 4 && oldVoters.length === 0,
      "roster of four",
    );
    expect((await server(2).directory.claim(aor, { mode: "take-over" })).kind).to.equal("owned");
    const removed = new Promise<void>((resolve) => server(5).mesh.on((event) => event.kind === "removed" && resolve()));
    network.heal();
    await removed;
    expect((await server(5).directory.claim(aor, { mode: "take-over" })).kind).to.equal("unavailable");
    await allAgree(...all(1, 2, 3, 4));
  });
});
