import { expect } from "chai";
import { once } from "node:events";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import type {
  BindingView,
  ContactsView,
  HistoryView,
  InviteView,
  LookupView,
  NodeStatus,
  PeerDetail,
  PeerView,
  RosterView,
  UserView,
  WatchEvent,
} from "../../node/admin/node-view.ts";
import type { RunningNode } from "./aorta.ts";
import { Aorta, ending, until } from "./aorta.ts";
import { Phone } from "./phone.ts";

// Everything here runs as it does for an operator: real processes, real sockets, real disks.
describe("a domain of two nodes, run by the aorta command", function () {
  this.timeout(60_000);
  const aorta = new Aorta();
  let berlin: RunningNode;
  let paris: RunningNode;

  const at = (name: string) => ["--data", aorta.path(name)];
  const token = async () => (await aorta.run(["invite", ...at("berlin")])).stdout.trim();
  const statusOf = (name: string) => aorta.json<NodeStatus>("status", ...at(name));

  before(async () => {
    berlin = await aorta.up("berlin", "--domain", "example.com", "--lease", "2s");
    paris = await aorta.up("paris", "--join", await token());
    await until(
      () => statusOf("berlin"),
      ({ peers, roster }) => peers.up === 1 && roster.voters === 2,
    );
    await until(
      () => statusOf("paris"),
      ({ peers, roster }) => peers.up === 1 && roster.voters === 2,
    );
  });
  after(() => aorta.clean());

  it("shows the state of a node, for people and for programs", async () => {
    const status = await statusOf("paris");
    expect(status).to.deep.include({ domain: "example.com", state: "running", boot: 1, steward: false, leaseMs: 2000 });
    expect(status.server).to.deep.include({ number: 2, name: "paris" });
    const { code, stdout } = await aorta.run(["status", ...at("berlin")]);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^berlin of example\.com is running, for /);
    expect(stdout).to.match(/^peers +1 of 1 up$/m);
    expect(stdout).to.match(/^sip +udp 127\.0\.0\.1:\d+$/m);
    expect(stdout, "colour is for terminals").to.not.contain("\u001B[");
  });

  it("lists the servers and shows one by name, number or peer id", async () => {
    const peers = await aorta.json<PeerView[]>("peers", ...at("berlin"));
    expect(peers.map(({ name, self }) => [name, self])).to.deep.equal([
      ["berlin", true],
      ["paris", false],
    ]);
    for (const id of ["paris", "2", peers[1]!.id]) {
      const { peer } = await aorta.json<PeerDetail>("peer", id, ...at("berlin"));
      expect(peer).to.include({ name: "paris", self: false, state: "up", boot: 1 });
    }
    const { stdout } = await aorta.run(["peers", ...at("paris")]);
    expect(stdout).to.match(/^1 +berlin +up +.* ms +aorta\/[\d.]+ +\d+ +\/ip4\/127\.0\.0\.1\/tcp\/\d+$/m);
    const unknown = await aorta.run(["peer", "rome", ...at("berlin")]);
    expect(unknown.code).to.equal(1);
    expect(unknown.stderr).to.match(/^aorta: the roster has no server rome/);
    const misspelt = await aorta.run(["roster", "remove", "Pariss", ...at("berlin")]);
    expect(misspelt.stderr).to.match(/^aorta: the roster has no server Pariss, .* \(did you mean paris\?\)$/m);
  });

  it("shows the roster", async () => {
    const roster = await aorta.json<RosterView>("roster", ...at("paris"));
    expect(roster).to.include({ domain: "example.com", leaseMs: 2000, joint: false });
    expect(roster.servers.map(({ name, voter, steward }) => [name, voter, steward])).to.deep.equal([
      ["berlin", true, true],
      ["paris", true, false],
    ]);
    expect((await aorta.run(["roster", ...at("berlin")])).stdout).to.match(/^1 +berlin +steward, voter +12D3/m);
  });

  it("follows a user from nowhere to one server and to the other: lookup, bindings, watch", async () => {
    const phone = await Phone.open("alice");
    const watch = aorta.spawn(["watch", "alice", "--json", ...at("berlin")]);
    const ended = ending(watch);
    const lines = createInterface(watch.stdout!);
    const events: WatchEvent[] = [];
    lines.on("line", (line) => events.push(JSON.parse(line) as WatchEvent));
    const seen = async (count: number) => {
      while (events.length < count) await once(lines, "line");
      return events[count - 1]!;
    };
    expect(await seen(1)).to.include({ kind: "nobody" });
    expect(await aorta.json("lookup", "alice", ...at("paris"))).to.include({ state: "nobody" });

    expect(await phone.register(paris.sipPort)).to.equal(200);
    expect(await seen(2)).to.have.nested.property("owner.name", "paris");
    const found = await aorta.json<LookupView>("lookup", "sip:alice@example.com", ...at("berlin"));
    expect(found).to.include({ state: "owned", aor: "sip:alice@example.com" });
    expect(found.owner).to.include({ name: "paris", number: 2 });
    expect(found.leaseLeftMs).to.be.within(1, 2000);
    expect(found.replicas.every(({ verdict }) => verdict === "agrees")).to.equal(true);

    expect(await phone.register(berlin.sipPort)).to.equal(200);
    const moved = await seen(3);
    expect(moved).to.have.nested.property("owner.name", "berlin");
    const { bindings } = await aorta.json<{ bindings: BindingView[] }>("bindings", ...at("berlin"));
    expect(bindings.map(({ aor, epoch }) => [aor, epoch])).to.deep.equal([
      ["sip:alice@example.com", (moved as WatchEvent & { kind: "owner" }).epoch],
    ]);
    expect((await aorta.run(["bindings", ...at("paris")])).stderr).to.equal("no users are on this server\n");
    const { stdout } = await aorta.run(["lookup", "alice", ...at("paris")]);
    expect(stdout).to.match(/^sip:alice@example\.com is on berlin \(12D3Koo\w+\)\nepoch [\d.]+, lease left /);

    watch.kill("SIGINT");
    expect((await ended).code).to.equal(130);
    phone.close();
  });

  it("shows a user's contacts and removes them, on the server that the user is on, and says which that is", async () => {
    const phone = await Phone.open("erin");
    expect(await phone.register(berlin.sipPort)).to.equal(200);
    const uri = `sip:erin@127.0.0.1:${phone.port}`;
    const { contacts, state } = await aorta.json<ContactsView>("contacts", "erin", ...at("berlin"));
    expect(state).to.equal("served");
    expect(contacts).to.have.length(1);
    expect(contacts[0]).to.include({ uri, flow: `udp 127.0.0.1:${phone.port}`, connected: false, instance: "", q: 1 });
    expect(contacts[0]?.expiresInMs).to.be.within(500_000, 600_000);
    const shown = await aorta.run(["contacts", "erin", ...at("berlin")]);
    expect(shown.stdout).to.match(new RegExp(`^${uri} +\\S.* +udp 127\\.0\\.0\\.1:${phone.port} +1 +- +- +-$`, "m"));

    const elsewhere = await aorta.run(["contacts", "rm", "erin", ...at("paris")]);
    expect(elsewhere).to.include({ code: 1, stdout: "" });
    expect(elsewhere.stderr).to.equal(
      "aorta: sip:erin@example.com is on berlin (server 1): ask its node, by the same command with --data or --admin of berlin\n",
    );
    const unknown = await aorta.run(["contacts", "rm", "erin", "sip:x@y", ...at("berlin")]);
    expect(unknown).to.include({ code: 1, stderr: "aorta: sip:erin@example.com has no contact sip:x@y\n" });
    const removed = await aorta.run(["contacts", "rm", "erin", uri, ...at("berlin")]);
    expect(removed).to.include({ code: 0, stdout: `sip:erin@example.com is registered no longer at ${uri}\n` });
    await until(
      () => aorta.json<LookupView>("lookup", "erin", ...at("paris")),
      (found) => found.state === "nobody",
    );
    expect((await aorta.run(["contacts", "erin", ...at("paris")])).stderr).to.equal(
      "sip:erin@example.com has no contacts\n",
    );
    phone.close();
  });

  it("finds what a user wrote on each server that they have been on", async () => {
    const phone = await Phone.open("carol");
    expect(await phone.message(paris.sipPort, "dora", "Meet me at the Čapek café")).to.equal(202);
    expect(await phone.message(berlin.sipPort, "dora", "Or at the harbour")).to.equal(202);
    phone.close();
    const search = async (...words: string[]) => {
      const { messages, missing } = await aorta.json<HistoryView>(
        "history",
        "search",
        "carol",
        ...words,
        ...at("berlin"),
      );
      expect(missing).to.deep.equal([]);
      return messages.map(({ server, peer, sent, text }) => [server.name, peer, sent, text]);
    };
    const [cafe, harbour] = [
      ["paris", "sip:dora@example.com", true, "Meet me at the Čapek café"],
      ["berlin", "sip:dora@example.com", true, "Or at the harbour"],
    ];
    expect(await search()).to.deep.equal([harbour, cafe]);
    expect(await search("capek", "MEET")).to.deep.equal([cafe]);
    expect(await search("harb")).to.deep.equal([harbour]);
    expect(await search('"')).to.deep.equal([]);
    const shown = await aorta.run(["history", "search", "carol", ...at("berlin")]);
    expect(shown.stdout, "for people the newest is the last, beside the prompt").to.match(/café\n.*harbour\n$/);
    const { stdout } = await aorta.run(["history", "export", "carol", "--with", "dora", ...at("paris")]);
    const texts = stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { text: string }).text);
    expect(texts).to.deep.equal([cafe![3], harbour![3]]);
    expect((await aorta.run(["history", "search", "carol", ...at("paris")])).stdout).to.match(
      / berlin +→ sip:dora@example.com +Or at the harbour$/m,
    );
  });

  it("removes what a user wrote from all servers, and says which of them could not be asked", async () => {
    const phone = await Phone.open("rosa");
    expect(await phone.message(paris.sipPort, "dora", "to be forgotten")).to.equal(202);
    expect(await phone.message(berlin.sipPort, "dora", "this too")).to.equal(202);
    phone.close();
    const removed = await aorta.run(["history", "remove", "rosa", ...at("berlin")]);
    expect(removed).to.deep.include({
      ...{ code: 0, stderr: "" },
      stdout: "2 messages removed from the history of sip:rosa@example.com\n",
    });
    expect((await aorta.run(["history", "search", "rosa", ...at("paris")])).stderr).to.equal("nothing found\n");
    const again = await aorta.run(["history", "rm", "rosa", "--local", "--json", ...at("paris")]);
    expect(JSON.parse(again.stdout)).to.deep.equal({ aor: "sip:rosa@example.com", removed: 0, missing: [] });
  });

  it("refuses to look up what is no user of the domain, and exits with 2", async () => {
    for (const user of ["a@b@c", "alice@example.org", "tel:+123"]) {
      expect(await aorta.run(["lookup", user, ...at("berlin")])).to.include({ code: 2, stdout: "" });
    }
  });

  it("manages users without ever showing their secrets", async () => {
    const added = await aorta.run(["user", "add", "bob", "--password", "s3cret", ...at("berlin")]);
    expect(added).to.include({ code: 0, stdout: "sip:bob@example.com may register, as bob of realm example.com.\n" });
    const piped = await aorta.run(["user", "add", "carol@example.com", "--username", "c", ...at("berlin")], {
      input: "pw\n",
    });
    expect(piped.code).to.equal(0);
    const users = await aorta.json<UserView[]>("user", "list", ...at("berlin"));
    expect(users).to.deep.equal([
      { aor: "sip:bob@example.com", username: "bob", realm: "example.com" },
      { aor: "sip:carol@example.com", username: "c", realm: "example.com" },
    ]);
    expect((await aorta.run(["user", "remove", "carol", ...at("berlin")])).code).to.equal(0);
    expect(await aorta.run(["user", "remove", "carol", ...at("berlin")])).to.include({
      code: 1,
      stderr: "aorta: there is no user sip:carol@example.com\n",
    });
    for (const password of [[], ["--password", ""]]) {
      const empty = await aorta.run(["user", "add", "dave", ...password, ...at("berlin")]);
      expect(empty.code).to.equal(2);
      expect(empty.stderr).to.contain("a password is needed");
    }
    expect((await aorta.run(["user", "add", "tel:+49", "--password", "x", ...at("berlin")])).code).to.equal(2);
    expect(await aorta.json("user", "list", ...at("berlin"))).to.have.length(1);
  });

  it("manages buddy lists", async () => {
    const put = await aorta.run(["list", "put", "joe-friends", "alice", "bob", "--owner", "joe", ...at("berlin")]);
    const owner = "sip:joe@example.com";
    expect(put.stdout).to.equal(`sip:joe-friends@example.com has 2 members; ${owner} may subscribe to it.\n`);
    const members = ["sip:alice@example.com", "sip:bob@example.com"];
    expect(await aorta.json("list", "show", ...at("berlin"))).to.deep.equal([
      { uri: "sip:joe-friends@example.com", owner, members },
    ]);
    await until(
      () => aorta.json<unknown[]>("list", "show", ...at("paris")),
      ({ length }) => length === 1,
    );
    const one = await aorta.run(["list", "put", "team", "alice", "--owner", "joe", ...at("berlin")]);
    expect(one.stdout).to.contain("sip:team@example.com has 1 member; ");
    expect((await aorta.run(["list", "remove", "joe-friends", ...at("berlin")])).code).to.equal(0);
    expect(await aorta.run(["list", "remove", "joe-friends", ...at("berlin")])).to.include({
      code: 1,
      stderr: "aorta: there is no list sip:joe-friends@example.com\n",
    });
    expect((await aorta.run(["list", "put", "friends", "alice", ...at("berlin")])).code).to.equal(2);
  });

  it("prints a token alone, so that a script can take it, and only where the domain's key is", async () => {
    const { code, stdout, stderr } = await aorta.run(["invite", "--ttl", "10m", ...at("berlin")]);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    expect(stdout).to.match(/^aorta1-[\w-]+\n$/);
    const { expiresAtMs } = await aorta.json<InviteView>("invite", "--ttl", "10m", ...at("berlin"));
    expect(expiresAtMs - Date.now()).to.be.within(500_000, 600_000);
    const elsewhere = await aorta.run(["invite", ...at("paris")]);
    expect(elsewhere.code).to.equal(1);
    expect(elsewhere.stderr).to.equal("aorta: only berlin makes the rosters of example.com: ask it\n");
    expect((await aorta.run(["invite", "--ttl", "soon", ...at("berlin")])).code).to.equal(2);
  });

  const rejected: Record<string, [() => Promise<string>, RegExp]> = {
    "is no token": [async () => "aorta1-nonsense", /^aorta: token is damaged or cut short/],
    "is cut short": [async () => (await token()).slice(0, -5), /^aorta: token is damaged or cut short/],
    "has been used": [
      async () => {
        const used = await token();
        await (await aorta.up("rome", "--join", used)).end("SIGTERM");
        return used;
      },
      /^aorta: .*(has been used|ask for a new one)/,
    ],
  };
  for (const [what, [make, message]] of Object.entries(rejected)) {
    it(`refuses to join by a token that ${what}, and exits with 2`, async () => {
      const join = ["up", "--join", await make(), ...at("stranger"), "--name", "stranger"];
      const { code, stderr } = await aorta.run([
        ...join,
        "--sip",
        "127.0.0.1:0",
        "--mesh",
        "127.0.0.1:0",
        "--log-level",
        "silent",
      ]);
      expect(stderr).to.match(message);
      expect(code).to.equal(2);
    });
  }

  it("names the port that is in use, for each kind of port", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const taken = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const ports = { sip: "127.0.0.1:0", ws: "127.0.0.1:0", mesh: "127.0.0.1:0", admin: "127.0.0.1:0" };
    const refused = Object.keys(ports).map(async (name) => {
      const flags = Object.entries({ ...ports, [name]: taken }).flatMap(([flag, value]) => [`--${flag}`, value]);
      const up = ["up", "--domain", "a.test", ...at(`no-${name}`), ...flags, "--log-level", "silent"];
      const { code, stderr } = await aorta.run(up);
      expect(stderr, name)
        .to.contain(taken.split(":")[1])
        .and.to.match(/in use|listens on/);
      expect(code, "another start may find it free").to.equal(1);
    });
    await Promise.all(refused);
    other.close();
  });

  it("says of an address that the machine does not have, for each kind, that another start may mend it", async () => {
    const refused = ["sip", "mesh"].map(async (name) => {
      const ports = { sip: "127.0.0.1:0", mesh: "127.0.0.1:0", [name]: "192.0.2.1:4999" };
      const flags = Object.entries(ports).flatMap(([flag, value]) => [`--${flag}`, value]);
      const up = ["up", "--domain", "a.test", ...at(`no-address-${name}`), ...flags, "--log-level", "silent"];
      const { code, stderr } = await aorta.run(up);
      expect(stderr, name).to.match(/192\.0\.2\.1.*4999: not an address of this machine\n$/);
      expect(code, name).to.equal(1);
    });
    await Promise.all(refused);
  });

  it("refuses a second node on the same data folder", async () => {
    const up = ["up", ...at("berlin"), "--sip", "127.0.0.1:0", "--mesh", "127.0.0.1:0", "--log-level", "silent"];
    const second = await aorta.run(up);
    expect(second.code).to.equal(1);
    expect(second.stderr).to.equal(`aorta: data folder ${aorta.path("berlin")} is in use by another running node\n`);
  });

  it("waits for a node that is coming up, as long as it is told to", async () => {
    const asked = aorta.json<NodeStatus>("status", ...at("later"), "--wait", "20s");
    const later = await aorta.up("later", "--domain", "later.test");
    expect(await asked).to.include({ domain: "later.test", state: "running" });
    await later.end("SIGTERM");
    const { code, stderr } = await aorta.run(["status", ...at("later"), "--wait", "100ms"]);
    expect(code).to.equal(1);
    expect(stderr).to.match(/^aorta: no node is running/);
  });

  it("imports the users of a file, all or none, into a node that runs and into one that does not", async () => {
    const file = (lines: readonly string[]) => {
      writeFileSync(aorta.path("users"), lines.join("\n"));
      return ["user", "import", aorta.path("users")];
    };
    const wrong = await aorta.run([...file(["walter:fish", "custer"]), ...at("paris")]);
    expect(wrong).to.deep.equal({
      code: 2,
      stdout: "",
      stderr: "aorta: no user was stored:\n  line 2: expected user:password\n",
    });
    const many = Array.from({ length: 1200 }, (_, index) => `u${index}:p${index}`);
    expect(await aorta.run([...file(many), ...at("paris")])).to.deep.equal({
      code: 0,
      stdout: "1200 users may register in realm example.com.\n",
      stderr: "",
    });
    expect(await aorta.json<UserView[]>("user", "list", ...at("paris"))).to.have.length(1200);
    expect(await aorta.run(["user", "import", "nowhere", ...at("paris")])).to.include({ code: 2 });
    writeFileSync(aorta.path("latin1"), Buffer.from("m\u00fcller:brot", "latin1"));
    const latin1 = await aorta.run(["user", "import", aorta.path("latin1"), ...at("paris")]);
    expect(`${latin1.code},${latin1.stderr}`).to.match(/^2,aorta: .*latin1 cannot be read: .*utf-8/);
    const marked = ["user", "import", "-", "--json", ...at("paris")];
    expect((await aorta.run(marked, { input: "\uFEFFmarked:x\n" })).code).to.equal(0);
    const usernames = (await aorta.json<UserView[]>("user", "list", ...at("paris"))).map(({ username }) => username);
    expect(usernames).to.include("marked");
    expect((await aorta.run(["user", "import", "-", ...at("paris")], { input: "dora:cat\n" })).stdout).to.match(
      /^1 user/,
    );
  });

  it("keeps the socket, the keys and the users from other users of the machine", () => {
    expect(statSync(berlin.status.admin).mode & 0o777).to.equal(0o600);
    expect(statSync(aorta.path("berlin")).mode & 0o777).to.equal(0o700);
    expect(statSync(aorta.path("berlin/aorta.db")).mode & 0o777).to.equal(0o600);
  });

  // From here on nodes end and come back: these tests build on one another, in order.

  it("drains at SIGTERM without complaint and exits with 0", async () => {
    const phone = await Phone.open("alice");
    expect(await phone.register(berlin.sipPort)).to.equal(200);
    expect(await berlin.end("SIGTERM")).to.equal(0);
    expect(await berlin.stderr()).to.equal("");
    phone.close();
    expect(await aorta.run(["status", ...at("berlin")])).to.include({ code: 1, stdout: "" });
  });

  it("manages users in the data folder while the node is down", async () => {
    expect((await aorta.run(["user", "add", "erin", "--password", "x", ...at("berlin")])).code).to.equal(0);
    const taken = await aorta.run(["user", "add", "team", "--password", "x", ...at("berlin")]);
    expect([taken.code, taken.stderr]).to.deep.equal([
      2,
      "aorta: sip:team@example.com is a list: nobody could watch a user of that address\n",
    ]);
    const users = await aorta.json<UserView[]>("user", "list", ...at("berlin"));
    expect(users.map(({ username }) => username)).to.deep.equal(["bob", "erin"]);
  });

  it("refuses another domain, lease term or name for a folder that has one", async () => {
    const up = ["up", ...at("berlin"), "--sip", "127.0.0.1:0", "--mesh", "127.0.0.1:0", "--log-level", "silent"];
    const domain = await aorta.run([...up, "--domain", "example.org"]);
    expect(domain).to.include({ code: 2 });
    expect(domain.stderr).to.contain("belongs to example.com, not to example.org");
    const lease = await aorta.run([...up, "--lease", "9s"]);
    expect(lease).to.include({ code: 2 });
    expect(lease.stderr).to.contain("founded with a lease of 2s, not 9s");
    const name = await aorta.run([...up, "--name", "wien"]);
    expect(name).to.include({ code: 2 });
    expect(name.stderr).to.contain("is the folder of berlin, a server of example.com, not of wien");
  });

  it("comes back as the same server, with its users and contacts, whatever way it ended", async () => {
    const { id } = (await aorta.json<PeerView[]>("peers", ...at("paris")))[0]!;
    berlin = await aorta.up("berlin", "--domain", "example.com", "--lease", "2s");
    expect(berlin.status.server.id).to.equal(id);
    const { boot } = berlin.status;
    expect(berlin.status).to.include({ steward: true });
    expect(boot).to.be.greaterThan(1);
    const owned = () => aorta.json<{ bindings: BindingView[] }>("bindings", ...at("berlin"));
    // Alice's contact outlived the restart: berlin takes her back.
    await until(owned, ({ bindings }) => bindings.some(({ aor }) => aor === "sip:alice@example.com"));
    expect(await berlin.end("SIGKILL")).to.equal(null);
    berlin = await aorta.up("berlin");
    expect(berlin.status.boot).to.equal(boot + 1);
    await until(owned, ({ bindings }) => bindings.some(({ aor }) => aor === "sip:alice@example.com"));
    expect(await aorta.json<UserView[]>("user", "list", ...at("berlin"))).to.have.length(2);
  });

  it("refuses a damaged database with exit code 1, and changes nothing in it", async () => {
    expect(await berlin.end("SIGTERM")).to.equal(0);
    const file = aorta.path("berlin/aorta.db");
    truncateSync(file, 5000);
    const before = readFileSync(file);
    const { code, stderr } = await aorta.run(["up", ...at("berlin"), "--sip", "127.0.0.1:0", "--mesh", "127.0.0.1:0"]);
    expect(code).to.equal(1);
    expect(stderr).to.match(new RegExp(`^aorta: ${file} is damaged .*Nothing was changed`));
    expect(stderr).to.not.contain("    at ");
    expect(readFileSync(file).equals(before)).to.equal(true);
  });
});
