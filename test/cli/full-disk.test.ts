import { spawnSync } from "node:child_process";
import { expect } from "chai";
import type { NodeStatus } from "../../node/admin/node-view.ts";
import type { RunningNode } from "./aorta.ts";
import { Aorta, until } from "./aorta.ts";
import { Phone } from "./phone.ts";

const hasPrlimit = spawnSync("prlimit", ["--version"]).status === 0;

describe("a node whose disk takes nothing more", function () {
  this.timeout(60_000);
  const aorta = new Aorta();
  let node: RunningNode;
  let alice: Phone;

  /** From here on every write to a file fails, as on a full disk; `unlimited` makes room again. */
  const limitFiles = (bytes: string) => {
    const { status, stderr } = spawnSync("prlimit", ["--pid", String(node.pid), `--fsize=${bytes}:`]);
    if (status !== 0) throw new Error(String(stderr));
  };
  const status = () => node.get<NodeStatus>("/v1/status");

  before(async function () {
    if (!hasPrlimit) this.skip();
    node = await aorta.up("berlin", "--domain", "example.com");
    alice = await Phone.open("alice");
    expect(await alice.register(node.sipPort)).to.equal(200);
  });
  after(async () => {
    alice?.close();
    await aorta.clean();
  });

  it("refuses what it cannot keep, says so, keeps its users, and goes on when there is room again", async () => {
    limitFiles("1024");
    const bob = await Phone.open("bob");
    expect(await bob.register(node.sipPort)).to.equal(503);
    expect(await alice.register(node.sipPort), "she is here, and stays").to.equal(200);
    const removal = await aorta.run(["contacts", "rm", "alice", "--data", aorta.path("berlin")]);
    expect(removal, "she would be back after a restart").to.include({ code: 1, stdout: "" });
    const invite = await aorta.run(["invite", "--data", aorta.path("berlin")]);
    expect(invite.code).to.equal(1);
    expect(invite.stderr).to.match(/cannot use .*aorta\.db|no room left/);

    const full = await status();
    expect(full.state).to.equal("running");
    expect(full.storageProblem?.code).to.be.oneOf(["DISK_FULL", "STORAGE_FAILED"]);
    expect(full.owned, "alice is still served").to.be.at.least(1);
    const shown = await aorta.run(["status", "--data", aorta.path("berlin")]);
    expect(shown.stdout).to.match(/storage +(cannot use|no room left)/);

    limitFiles("unlimited");
    expect(await bob.register(node.sipPort)).to.equal(200);
    await until(status, ({ storageProblem, owned }) => storageProblem === undefined && owned === 2);
    bob.close();
    await node.end("SIGTERM");
    const lines = (await node.stderr()).split("\n").filter((line) => line.includes('"part":"storage"'));
    expect(lines[0], "a 503 tells a phone nothing, the log tells why").to.match(/"code":"(DISK_FULL|STORAGE_FAILED)"/);
  });
});
