import { expect } from "chai";
import type { BindingView, LookupView, NodeStatus } from "../../node/admin/node-view.ts";
import { Aorta, until } from "./aorta.ts";
import { Phone } from "./phone.ts";

// The same in virtual time, with watchers: test/scenario/registration/ghosts.test.ts
describe("a node that was killed while a user was on another", function () {
  this.timeout(60_000);
  const aorta = new Aorta();
  after(() => aorta.clean());

  it("brings nobody back who has signed off there", async () => {
    const at = (name: string) => ["--data", aorta.path(name)];
    const token = async () => (await aorta.run(["invite", ...at("rome")])).stdout.trim();
    const statusOf = (name: string) => aorta.json<NodeStatus>("status", ...at(name));
    const rome = await aorta.up("rome", "--domain", "example.com", "--lease", "2s");
    const oslo = await aorta.up("oslo", "--join", await token());
    const lima = await aorta.up("lima", "--join", await token());
    for (const name of ["rome", "oslo", "lima"]) {
      await until(
        () => statusOf(name),
        ({ peers, roster }) => peers.up === 2 && roster.voters === 3,
      );
    }
    const [desk, pocket, bob] = [await Phone.open("alice"), await Phone.open("alice"), await Phone.open("bob")];
    expect(await desk.register(oslo.sipPort)).to.equal(200);
    expect(await bob.register(oslo.sipPort)).to.equal(200);
    await oslo.end("SIGKILL");
    expect(await pocket.register(lima.sipPort)).to.equal(200);
    expect(await pocket.register(lima.sipPort, 0)).to.equal(200);
    await until(
      () => statusOf("lima"),
      ({ owned }) => owned === 0,
    );

    await aorta.up("oslo");
    const status = await until(
      () => statusOf("oslo"),
      ({ registrar, counters }) => registrar.reclaiming === 0 && counters["registrar.superseded"] === 1,
    );
    expect(status.registrar, "bob has been nowhere else").to.deep.equal({ users: 1, contacts: 1, reclaiming: 0 });
    const { bindings } = await aorta.json<{ bindings: BindingView[] }>("bindings", ...at("oslo"));
    expect(bindings.map(({ aor }) => aor)).to.deep.equal(["sip:bob@example.com"]);
    expect((await aorta.json<LookupView>("lookup", "alice", ...at("rome"))).state).to.equal("nobody");
    expect(await bob.message(rome.sipPort, "alice", "are you there?"), "held").to.equal(202);
    for (const phone of [desk, pocket, bob]) phone.close();
  });
});
