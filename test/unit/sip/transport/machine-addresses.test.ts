import { expect } from "chai";
import { limits } from "../../../../node/runtime/limits.ts";
import type { Flow } from "../../../../node/sip/stack.ts";
import { INTERFACES, MachineAddresses } from "../../../../node/sip/transport/machine-addresses.ts";
import { TestMachine } from "../../../helpers/machines.ts";
import { settle, VirtualTime } from "../../../helpers/virtual-time.ts";

const TWO_NETWORKS = ["127.0.0.1/8", "10.9.0.5/16", "10.9.7.5/24", "192.168.77.5/24", "::1/128", "2001:db8::5/64"];

describe("the addresses of a machine", () => {
  const from = (address: string, listener?: string): Flow => ({
    transport: "UDP",
    address,
    port: 5060,
    ...(listener === undefined ? {} : { listener }),
  });

  it("are what a wildcard of their family stands for, but for those that mean nothing without an interface", () => {
    const { addresses } = new TestMachine("127.0.0.1/8", "fe80::5/64", "::1/128", "FEBF::1/64", "fec0::1/64");
    expect([...addresses.behind("0.0.0.0")]).to.deep.equal(["127.0.0.1"]);
    expect([...addresses.behind("::")]).to.deep.equal(["::1", "fec0::1"]);
    expect(addresses.all).to.include("fe80::5");
  });

  it("are said as the peer knows them: the one it came to, else that of its network, the narrowest, else the first", () => {
    const { addresses } = new TestMachine(...TWO_NETWORKS);
    for (const [flow, wildcard, expected] of [
      [from("192.168.77.9", "10.9.0.5:5060"), "0.0.0.0", "10.9.0.5"],
      [from("192.168.77.9"), "0.0.0.0", "192.168.77.5"],
      [from("192.168.77.9", "0.0.0.0:5060"), "0.0.0.0", "192.168.77.5"],
      [from("192.168.77.9", "10.9.0.6:5060"), "0.0.0.0", "192.168.77.5"],
      [from("10.9.7.1"), "0.0.0.0", "10.9.7.5"],
      [from("10.9.8.1"), "0.0.0.0", "10.9.0.5"],
      [from("203.0.113.1"), "0.0.0.0", "10.9.0.5"],
      [from("127.0.0.1"), "0.0.0.0", "127.0.0.1"],
      [from("2001:db8::9", "[2001:db8::5]:5060"), "::", "2001:db8::5"],
      [from("::1"), "::", "::1"],
      [from("fe80::9%eth0", "[fe80::5%eth0]:5060"), "::", "2001:db8::5"],
      [from("192.168.77.9", "192.168.77.5:5060"), "::", "2001:db8::5"],
      [{ transport: "MESH", server: "s" }, "0.0.0.0", "10.9.0.5"],
    ] as [Flow, string, string][])
      expect(addresses.towards(flow, wildcard), JSON.stringify(flow)).to.equal(expected);
  });

  it("come and go; one whose interface has lost its carrier is still there", async () => {
    const machine = new TestMachine("127.0.0.1/8", "10.9.0.5/24");
    const before = machine.addresses.all;
    await machine.become("10.9.0.5/24", "127.0.0.1/8");
    expect(machine.addresses.all, "as it was").to.equal(before);
    machine.down = ["10.9.0.5/24"];
    await machine.become("127.0.0.1/8", "10.9.0.6/24");
    expect([...machine.addresses.all]).to.have.members(["127.0.0.1", "10.9.0.5", "10.9.0.6"]);
    machine.down = [];
    await machine.become("127.0.0.1/8", "10.9.0.6/24");
    expect([...machine.addresses.all]).to.deep.equal(["127.0.0.1", "10.9.0.6"]);
    expect(machine.addresses.towards(from("10.9.0.1", "10.9.0.5:5060"), "0.0.0.0")).to.equal("10.9.0.6");
  });

  it("are looked at again and again, also when that fails once", async () => {
    const machine = new TestMachine("127.0.0.1/8");
    const time = new VirtualTime();
    const stop = machine.addresses.watch(time);
    const list = machine.list.bind(machine);
    machine.list = () => {
      throw new Error("no descriptor is free");
    };
    await time.advance(limits.sip.addressesMs);
    await settle();
    machine.list = list;
    machine.up = ["127.0.0.1/8", "10.9.0.5/24"];
    await time.advance(limits.sip.addressesMs);
    expect(machine.addresses.all).to.include("10.9.0.5");
    stop();
    machine.up = [];
    await time.advance(2 * limits.sip.addressesMs);
    expect(machine.addresses.all).to.include("10.9.0.5");
  });

  it("are those of this machine's interfaces, and of one that is listed no more it is tried whether it is gone", async () => {
    expect(new MachineAddresses().behind("0.0.0.0"), "Debian's name of the machine is at 127.0.1.1").to.include.keys(
      "127.0.0.1",
      "127.0.1.1",
    );
    expect(await INTERFACES.has("127.0.0.2"), "not listed, but there").to.equal(true);
    expect(await INTERFACES.has("192.0.2.1"), "nobody's: RFC 5737").to.equal(false);
  });
});
