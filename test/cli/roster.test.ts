import { expect } from "chai";
import type { DrainView, LookupView, NodeStatus, RosterView } from "../../node/admin/node-view.ts";
import { AdminClient } from "../../node/cli/admin-client.ts";
import { codeOf } from "../helpers/codes.ts";
import type { RunningNode } from "./aorta.ts";
import { Aorta, until } from "./aorta.ts";
import { Phone } from "./phone.ts";

// These tests build on one another, in order: one domain that changes under its operator's hands.
describe("a domain whose servers come and go, by the aorta command", function () {
  this.timeout(90_000);
  const aorta = new Aorta();
  const nodes = new Map<string, RunningNode>();
  const phones: Phone[] = [];

  const at = (name: string) => ["--data", aorta.path(name)];
  const node = (name: string) => nodes.get(name) as RunningNode;
  const up = async (name: string, ...args: string[]) => {
    nodes.set(name, await aorta.up(name, ...args));
  };
  const join = async (name: string, inviter: string, ...options: string[]) => {
    const { stdout } = await aorta.run(["roster", "add", ...options, ...at(inviter)]);
    await up(name, "--join", stdout.trim());
  };
  const roster = (name: string) => node(name).get<RosterView>("/v1/roster");
  const voters = ({ servers }: RosterView) => servers.filter(({ voter }) => voter).map(({ name }) => name);
  const untilVoters = (asked: string, ...names: string[]) =>
    until(
      () => roster(asked),
      (seen) => !seen.joint && voters(seen).join() === names.join(),
    );
  const ownerOf = async (user: string, asked: string) =>
    (await node(asked).get<LookupView>(`/v1/lookup/${user}`)).owner?.name;
  const phone = async (user: string) => {
    const opened = await Phone.open(user);
    phones.push(opened);
    return opened;
  };
  /** Registers until it is accepted, as clients do. */
  const register = (who: Phone, name: string) =>
    until(
      () => who.register(node(name).sipPort),
      (status) => status === 200,
    );

  before(async () => {
    await up("berlin", "--domain", "example.com", "--lease", "1s", "--voters", "3");
    await join("paris", "berlin", "--steward");
    await join("rome", "berlin");
    await untilVoters("berlin", "berlin", "paris", "rome");
    await untilVoters("rome", "berlin", "paris", "rome");
  });
  after(async () => {
    for (const opened of phones) opened.close();
    await aorta.clean();
  });

  it("lets a fourth and a fifth join, who hold no replicas: as many as are wanted do", async () => {
    await join("oslo", "berlin");
    await join("wien", "berlin");
    await until(
      () => node("wien").get<NodeStatus>("/v1/status"),
      ({ peers, roster: { voters: count, servers } }) => peers.up === 4 && count === 3 && servers === 5,
    );
    const alice = await phone("alice");
    await register(alice, "wien");
    expect(await ownerOf("alice", "rome")).to.equal("wien");
  });

  it("drains a server while its users move on and others are claimed; another one holds replicas in its place", async () => {
    const movers = await Promise.all(["m1", "m2", "m3", "m4"].map(phone));
    for (const mover of movers) await register(mover, "rome");
    for (const text of ["are you", "there?"])
      expect(await movers[0]!.message(node("rome").sipPort, "nobody-yet", text)).to.equal(202);
    let isDrained = false;
    const claiming = (async () => {
      for (let round = 0; !isDrained; round++) {
        await register(await phone(`other${round}`), ["berlin", "paris", "oslo"][round % 3] as string);
      }
    })();
    const rome = node("rome");
    const drain = aorta.run(["drain", "--json", ...at("rome")]);
    for (const mover of movers) await register(mover, "paris");
    const { code, stdout, stderr } = await drain;
    isDrained = true;
    await claiming;
    expect(JSON.parse(stdout) as DrainView).to.deep.include({ state: "left", domain: "example.com", owned: 0 });
    expect(code).to.equal(0);
    expect(stderr, "what was waited for").to.contain(" …\n");
    expect(await rome.exit()).to.equal(0);
    for (const user of ["m1", "m2", "m3", "m4"]) expect(await ownerOf(user, "berlin"), user).to.equal("paris");
    await untilVoters("oslo", "berlin", "paris", "oslo");
    expect(await ownerOf("alice", "oslo"), "who had nothing to do with it").to.equal("wien");
    const held = await Promise.all(
      ["berlin", "paris", "oslo", "wien"].map(
        async (name) => (await node(name).get<NodeStatus>("/v1/status")).held.messages,
      ),
    );
    expect(
      held.toSorted((a, b) => a - b),
      "messages for somebody who is not there go to one of the others",
    ).to.deep.equal([0, 0, 0, 2]);
  });

  it("says of a history what is missing with the server that has left", async () => {
    for (const name of ["berlin", "paris"]) {
      const { stderr, code } = await aorta.run(["history", "search", "m1", ...at(name)]);
      expect(stderr).to.match(/what rome keeps is missing: left the domain on \d{4}-\d\d-\d\d$/m);
      expect(code).to.equal(0);
    }
  });

  it("says so when a server that has left is drained again or started, and lets it join anew", async () => {
    expect(await aorta.run(["drain", ...at("rome")])).to.include({
      code: 0,
      stdout: "this server has left example.com.\n",
    });
    const start = ["up", ...at("rome"), "--name", "rome", "--sip", "127.0.0.1:0", "--mesh", "127.0.0.1:0"];
    const refused = await aorta.run(start);
    expect(refused.code).to.equal(2);
    expect(refused.stderr).to.match(
      /^aorta: this server was taken out of example\.com .* aorta up --join <token> here$/m,
    );
    await join("rome", "berlin", "--steward");
    expect(node("rome").status.server.number, "its old number is not given again").to.equal(6);
  });

  it("takes a killed server out, and tells it so when it is back", async () => {
    const { voter } = (await roster("berlin")).servers.find(({ name }) => name === "wien") as { voter: boolean };
    expect(voter).to.equal(false);
    await node("wien").end("SIGKILL");
    const removed = await aorta.run(["roster", "remove", "wien", ...at("berlin")]);
    expect(removed.stderr).to.contain("wien, which is down");
    expect(removed.stdout).to.match(/^wien taken out of example\.com\. The roster is version \d+\.\d+\.$/m);
    expect(removed.code).to.equal(0);
    const alice = phones[0] as Phone;
    await register(alice, "oslo");
    await up("wien");
    expect(await node("wien").exit()).to.equal(1);
    expect(await node("wien").stderr()).to.match(/wien was taken out of example\.com .* serves nobody any more/);
    expect(await ownerOf("alice", "paris")).to.equal("oslo");
  });

  it("replaces one server by another in one change", async () => {
    const before = await roster("berlin");
    const { code, stdout } = await aorta.run([
      "roster",
      "--data",
      aorta.path("berlin"),
      "replace",
      "oslo",
      "rome",
      "--json",
    ]);
    expect(code).to.equal(0);
    const after = JSON.parse(stdout) as RosterView;
    expect(voters(after)).to.deep.equal(["berlin", "paris", "rome"]);
    expect(after.version, "joint, then stable").to.equal(before.version + 2);
    expect(after.servers.map(({ name }) => name)).to.not.include("oslo");
    expect(await node("oslo").exit()).to.equal(0);
  });

  it("refuses what would do harm, and says why", async () => {
    const refusals: [string, string, object, string][] = [
      ["berlin", "remove", { servers: ["nobody"] }, "NO_SUCH_SERVER"],
      ["paris", "remove", { servers: ["rome"] }, "NOT_A_STEWARD"],
      ["berlin", "remove", { servers: ["paris"], force: true }, "SERVER_UP"],
      ["berlin", "promote", { server: "paris" }, "IS_VOTER"],
      ["berlin", "replace", { old: "paris", by: "rome" }, "IS_VOTER"],
      ["berlin", "steward", { server: "berlin" }, "IS_STEWARD"],
      ["paris", "steward", { server: "paris", seize: true }, "STEWARD_UP"],
      ["paris", "steward", { server: "rome", seize: true }, "OTHER_SERVER"],
    ];
    for (const [asked, what, body, code] of refusals) {
      const client = new AdminClient({ socketPath: node(asked).status.admin });
      expect(await codeOf(client.call("POST", `/v1/roster/${what}`, body)), what).to.equal(code);
    }
    const unknown = await aorta.run(["roster", "remove", "nobody", ...at("berlin")]);
    expect(unknown).to.include({ code: 1, stdout: "" });
    const drained = await aorta.run(["drain", ...at("berlin")]);
    expect(drained.stderr).to.match(/hand that on first, by aorta roster steward <another server>/);
    expect(drained.code).to.equal(1);
  });

  it("hands the steward's role on, and goes on without the former one", async () => {
    const handed = await aorta.run(["roster", "steward", "paris", ...at("berlin")]);
    expect(handed.stdout).to.match(/^paris makes the rosters of example\.com\./);
    await until(
      () => roster("rome"),
      ({ servers }) => servers.some(({ name, steward }) => name === "paris" && steward),
    );
    await node("berlin").end("SIGKILL");
    await join("bern", "paris");
    const { code } = await aorta.run(["roster", "remove", "berlin", ...at("paris")]);
    expect(code).to.equal(0);
    await until(
      () => roster("rome"),
      ({ servers, joint }) => !joint && servers.map(({ name }) => name).join() === "paris,rome,bern",
    );
  });

  it("lets a server with the key seize the role when the steward is dead, and then take that one out", async () => {
    await until(
      () => roster("rome"),
      (seen) => voters(seen).length === 3 && !seen.joint,
    );
    await node("paris").end("SIGKILL");
    await until(
      () => roster("rome"),
      ({ servers }) => servers.some(({ name, up: isUp }) => name === "paris" && !isUp),
    );
    const seized = await aorta.run(["roster", "steward", "rome", "--seize", ...at("rome")]);
    expect(seized.stderr).to.equal("");
    expect(seized.stdout).to.match(/^rome makes the rosters of example\.com\./);
    await up("paris");
    await until(
      () => node("paris").get<NodeStatus>("/v1/status"),
      ({ steward, peers }) => !steward && peers.up === 2,
    );
    expect((await aorta.run(["invite", ...at("paris")])).stderr).to.equal(
      "aorta: only rome makes the rosters of example.com: ask it\n",
    );
    expect((await aorta.run(["roster", "remove", "paris", ...at("rome")])).code).to.equal(0);
    expect(await node("paris").exit()).to.equal(0);
  });

  it("takes servers out that are switched off for good, where the others cannot change their number without them", async () => {
    await untilVoters("rome", "rome", "bern");
    await node("bern").end("SIGKILL");
    await until(
      () => roster("rome"),
      ({ servers }) => servers.some(({ name, up: isUp }) => name === "bern" && !isUp),
    );
    const refused = await aorta.run(["roster", "remove", "bern", ...at("rome")]);
    expect(refused.stderr).to.match(/too many are silent: bern\. .* --force/);
    expect(refused.code).to.equal(1);
    const { code } = await aorta.run(["roster", "remove", "bern", "--force", ...at("rome")]);
    expect(code).to.equal(0);
    expect(voters(await roster("rome"))).to.deep.equal(["rome"]);
    await register(phones[0] as Phone, "rome");
  });
});
