import { cpSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import type { NodeStatus } from "../../node/admin/node-view.ts";
import { Aorta, until } from "./aorta.ts";
import { Phone } from "./phone.ts";

describe("a node whose data is not what it left", function () {
  this.timeout(60_000);
  const aorta = new Aorta();
  after(() => aorta.clean());

  it("does not start with a ballot ceiling that cannot be read, and says what to do", async () => {
    const node = await aorta.up("rome", "--domain", "example.com");
    await node.end("SIGTERM");
    const database = new DatabaseSync(join(aorta.path("rome"), "aorta.db"));
    database.exec("UPDATE setting SET value = x'ff00ff' WHERE name = 'directory.ceiling'");
    database.close();
    const { code, stderr } = await aorta.run([
      "up",
      "--data",
      aorta.path("rome"),
      "--auth",
      "none",
      "--sip",
      "127.0.0.1:0",
      "--mesh",
      "127.0.0.1:0",
    ]);
    expect(code).to.equal(1);
    expect(stderr).to.match(/ballot ceiling is damaged.*join anew/s);
    expect(stderr).to.not.contain("    at ");
  });

  it("does not start on a damaged database, and sends nobody to a backup whom it would give a second owner", async () => {
    const node = await aorta.up("turin", "--domain", "example.com");
    await node.end("SIGTERM");
    truncateSync(join(aorta.path("turin"), "aorta.db"), 20_000);
    const listeners = ["--sip", "127.0.0.1:0", "--mesh", "127.0.0.1:0"];
    const { code, stderr } = await aorta.run(["up", "--data", aorta.path("turin"), ...listeners]);
    expect(code).to.equal(1);
    expect(stderr).to.match(
      /aorta\.db is damaged \(.*\)\. Nothing was changed\. Where other servers .* join anew with an invite/,
    );
    expect(stderr).to.match(/A backup is for a domain that has no other server$/m);
  });

  it("goes on without its history when that is damaged, says so, and keeps messages again in a new one", async () => {
    let node = await aorta.up("oslo", "--domain", "example.com");
    await node.end("SIGTERM");
    const file = join(aorta.path("oslo"), "history.db");
    writeFileSync(file, "no database at all ".repeat(1000));
    node = await aorta.up("oslo", "--log-level", "silent");
    const phone = await Phone.open("alice");
    expect(await phone.register(node.sipPort)).to.equal(200);
    expect(await phone.message(node.sipPort, "alice2", "lost")).to.equal(202);
    const { failing } = (await node.get<NodeStatus>("/v1/status")).history;
    expect(failing).to.include({ code: "DATABASE_DAMAGED", lost: 1 });
    const shown = await aorta.run(["status", "--data", aorta.path("oslo")]);
    expect(shown.code).to.equal(0);
    expect(shown.stdout).to.match(/history fails +for .*, 1 messages lost: .* move it away/);
    expect((await aorta.run(["history", "search", "alice", "--data", aorta.path("oslo")])).stderr).to.contain(
      "what oslo keeps is missing: cannot be read",
    );
    const exported = await aorta.run(["history", "export", "alice", "--data", aorta.path("oslo")]);
    expect(exported, "a script must not take it for all there is").to.include({ code: 1, stdout: "" });
    await node.end("SIGTERM");
    rmSync(file);
    node = await aorta.up("oslo");
    expect(await phone.message(node.sipPort, "alice2", "kept")).to.equal(202);
    phone.close();
    const whole = await aorta.run(["status", "--data", aorta.path("oslo")]);
    expect(whole.stdout).to.match(/history +\d\.\d MB of 4295\.0 MB, back to 20\d\d-/);
    expect(whole.stdout).to.not.contain("history fails");
  });

  it("is told by its peers that it was put back from a backup, takes no further part, and says so", async () => {
    const berlin = await aorta.up("berlin", "--domain", "example.com", "--lease", "2s");
    const { stdout: token } = await aorta.run(["invite", "--data", aorta.path("berlin")]);
    let paris = await aorta.up("paris", "--join", token.trim());
    await paris.end("SIGTERM");
    const backup = aorta.path("paris-backup");
    cpSync(aorta.path("paris"), backup, { recursive: true, filter: (file) => !file.endsWith(".sock") });
    // The domain sees it start twice more; then the backup takes the place of its data.
    for (let start = 0; start < 2; start++) {
      paris = await aorta.up("paris");
      await until(
        () => paris.get<NodeStatus>("/v1/status"),
        ({ peers }) => peers.up === 1,
      );
      await paris.end("SIGTERM");
    }
    rmSync(aorta.path("paris"), { recursive: true });
    cpSync(backup, aorta.path("paris"), { recursive: true });
    paris = await aorta.up("paris", "--log-level", "silent");
    await until(
      () => paris.get<NodeStatus>("/v1/status"),
      ({ oldData }) => oldData === true,
    );
    const status = await aorta.run(["status", "--data", aorta.path("paris")]);
    expect(status.code).to.equal(1);
    expect(status.stdout).to.match(/data +older than what other servers have seen/);
    const { counters, peers } = await berlin.get<NodeStatus>("/v1/status");
    expect(counters["mesh.old_data"]).to.be.at.least(1);
    expect(peers.up).to.equal(0);
  });
});
