import { expect } from "chai";
import type { BindingView, LookupView, NodeStatus } from "../../node/admin/node-view.ts";
import { ownPorts } from "../../node/demo/ports.ts";
import type { RunningNode } from "./aorta.ts";
import { Aorta, until } from "./aorta.ts";
import { Phone } from "./phone.ts";

describe("a domain of three processes, when some of them fail", function () {
  this.timeout(60_000);
  const aorta = new Aorta();
  const names = ["berlin", "paris", "rome"] as const;
  const meshPorts = new Map<string, number>();
  const nodes = new Map<string, RunningNode>();
  let alice: Phone;

  const node = (name: string) => nodes.get(name) as RunningNode;
  // Their mesh ports stay, as in a real deployment: servers find each other again after all of them were down.
  const up = async (name: string, ...args: string[]) => {
    nodes.set(name, await aorta.up(name, "--mesh", `127.0.0.1:${meshPorts.get(name)}`, ...args));
  };
  const kill = (name: string) => node(name).end("SIGKILL");
  const allLinked = () =>
    Promise.all(
      names.map((name) =>
        until(
          () => node(name).get<NodeStatus>("/v1/status"),
          ({ peers, roster }) => peers.up === 2 && roster.voters === 3,
        ),
      ),
    );
  const lookUp = (name: string) => node(name).get<LookupView>("/v1/lookup/alice");
  const serves = async (name: string) =>
    (await node(name).get<{ bindings: BindingView[] }>("/v1/bindings")).bindings.length > 0;
  const untilServes = (name: string) =>
    until(
      () => serves(name),
      (does) => does,
    );
  const untilForgotten = (name: string) =>
    until(
      () => node(name).get<NodeStatus>("/v1/status"),
      ({ registrar }) => registrar.contacts === 0,
    );
  /** Registers until it is accepted: where no majority can be reached for a moment, 503 comes first. */
  const register = (name: string) =>
    until(
      () => alice.register(node(name).sipPort),
      (status) => status === 200,
    );

  before(async () => {
    const ports = await ownPorts(3);
    for (const [index, name] of names.entries()) meshPorts.set(name, ports[index] as number);
    await up("berlin", "--domain", "example.com", "--lease", "3s");
    for (const name of names.slice(1)) {
      const { stdout } = await aorta.run(["invite", "--data", aorta.path("berlin")]);
      await up(name, "--join", stdout.trim());
    }
    await allLinked();
    alice = await Phone.open("alice");
  });
  after(async () => {
    alice.close();
    await aorta.clean();
  });

  it("leaves nobody behind when a server drains: its lease would run on, but its users are free at once", async () => {
    await register("rome");
    expect((await lookUp("paris")).owner).to.include({ name: "rome" });
    expect(await node("rome").end("SIGTERM")).to.equal(0);
    expect(await lookUp("paris")).to.include({ state: "nobody" });
    await up("rome");
    await allLinked();
  });

  it("gives a killed server's user to another one, which keeps them when the killed one is back", async () => {
    await register("rome");
    await kill("rome");
    await register("paris");
    await untilServes("paris");
    await up("rome");
    await allLinked();
    // Rome has alice's contact on its disk; it finds that she has moved on, and forgets it.
    await untilForgotten("rome");
    expect(await serves("rome")).to.equal(false);
    expect((await lookUp("rome")).owner).to.include({ name: "paris" });
  });

  it("lets a server that was frozen beyond its lease serve none of its former users when it thaws", async () => {
    await register("paris");
    node("paris").signal("SIGSTOP");
    await register("berlin");
    node("paris").signal("SIGCONT");
    expect(await serves("paris"), "right after the thaw").to.equal(false);
    await untilServes("berlin");
    await untilForgotten("paris");
    expect(await serves("paris")).to.equal(false);
    expect((await lookUp("paris")).owner).to.include({ name: "berlin" });
  });

  it("takes users with contacts up again after all servers were killed at once", async () => {
    await register("berlin");
    await Promise.all(names.map(kill));
    await Promise.all(names.map((name) => up(name)));
    await allLinked();
    await untilServes("berlin");
    const found = await until(
      () => lookUp("rome"),
      ({ state }) => state === "owned",
    );
    expect(found.owner).to.include({ name: "berlin" });
  });

  it("says that it is unclear where a user is when no majority can be reached, and takes no user there", async () => {
    await Promise.all(["paris", "rome"].map(kill));
    const { code, stdout } = await aorta.run(["lookup", "bob", "--data", aorta.path("berlin")]);
    expect(stdout).to.match(/^sip:bob@example\.com: no majority of the replicas says the same$/m);
    expect(stdout).to.match(/^paris +silent +did not answer in time$/m);
    expect(code).to.equal(1);
    const bob = await Phone.open("bob");
    expect(await bob.register(node("berlin").sipPort)).to.equal(503);
    bob.close();
  });
});
