import { expect } from "chai";
import type { MeshEvent } from "../../node/mesh/mesh.ts";
import type { Settings } from "../../node/storage/ports.ts";
import { Inbox } from "../helpers/next.ts";
import { memorySettings } from "../helpers/memory-storage.ts";
import { TestDomain, up } from "../helpers/meshes.ts";

const NAMES = ["mesh.peer-key", "mesh.domain-public-key", "mesh.roster", "mesh.boot"];

/** What a backup tool would keep. */
function backupOf(settings: Settings): Settings {
  const copy = memorySettings();
  for (const name of NAMES) {
    const value = settings.get(name);
    if (value !== undefined) copy.set(name, value);
  }
  return copy;
}

describe("a server whose data was put back from a backup", function () {
  this.timeout(20_000);
  let domain: TestDomain;
  beforeEach(async () => {
    domain = await TestDomain.of(2);
  });
  afterEach(() => domain.stop());

  for (const starts of [1, 3]) {
    it(`gets no link from who has seen it later, and takes no further part (${starts} starts since the backup)`, async () => {
      const one = domain.server(0);
      let two = domain.server(1);
      const backup = backupOf(two.settings);
      for (let i = 0; i < starts; i++) {
        await two.mesh.stop();
        two = await domain.restart(two);
        await two.mesh.start();
        await up(one.mesh, two.mesh.self);
      }
      await two.mesh.stop();
      const old = await domain.create({ settings: backup, invites: two.invites, name: two.name });
      const events = new Inbox<MeshEvent>();
      old.mesh.on(events.push);
      await old.mesh.start();
      await events.first(({ kind }) => kind === "outdated", "word that the data is old");
      expect(one.counters.get("mesh.old_data")).to.be.at.least(1);
      expect(one.mesh.isUp(old.mesh.self)).to.equal(false);
      expect(old.mesh.isUp(one.mesh.self)).to.equal(false);
    });
  }

  it("is not what a server is that restarts on its own data, nor one whose link is replaced", async () => {
    const [one, two] = [domain.server(0), domain.server(1)];
    await two.mesh.stop();
    const again = await domain.restart(two);
    await again.mesh.start();
    await up(one.mesh, again.mesh.self);
    await up(again.mesh, one.mesh.self);
    expect(one.counters.get("mesh.old_data")).to.equal(0);
  });
});
