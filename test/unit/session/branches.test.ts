import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import { forkedTo } from "../../../node/session/branches.ts";
import type { Flow } from "../../../node/sip/stack.ts";
import { request } from "../federation/requests.ts";

const BOB = "sip:bob@example.com" as Aor;
const flowOf = (port: number): Flow => ({ transport: "UDP", address: "192.0.2.1", port });

/** The Contacts that an INVITE goes to which is for the device at one, or the status of what it is answered. */
function reached(sought: string, registered: readonly string[]): readonly string[] | number {
  const contacts = registered.map((uri, at) => ({ uri, flow: flowOf(at + 1) }));
  const components = { contacts: { contactsOf: () => contacts }, isTrusted: () => false, counters: createCounters() };
  const invite = request("INVITE", BOB, { headers: [["Aorta-Contact", sought]] });
  const branches = forkedTo(invite, BOB, flowOf(9), components);
  if ("status" in branches) return branches.status;
  for (const branch of branches) expect(branch.request.headers.has("Aorta-Contact")).to.equal(false);
  return branches.map((branch) => branch.request.uri);
}

describe("a request for one device of its user", () => {
  const [desk, mobile] = ["sip:bob@192.0.2.1:5060", "sip:bob@192.0.2.1:5062;transport=tcp"];

  it("goes to that one, however it writes its parameters", () => {
    expect(reached(desk, [desk, mobile])).to.deep.equal([desk]);
    expect(reached("sip:bob@192.0.2.1:5062;ob", [desk, mobile])).to.deep.equal([mobile]);
  });

  it("goes to that one, whatever port it writes in sessions, as baresip does over TCP", () => {
    const over = "sip:bob-0x55e5@192.0.2.1:38237;transport=tcp";
    expect(reached("sip:bob-0x55e5@192.0.2.1:51476;transport=tcp", [desk, over])).to.deep.equal([over]);
  });

  it("goes to the very one where parameters are all that tells two apart, and to both where they do not", () => {
    const lines = ["sip:bob@192.0.2.1:5060;line=a", "sip:bob@192.0.2.1:5060;line=b"];
    expect(reached("sip:bob@192.0.2.1:5060;line=b", lines)).to.deep.equal([lines[1]]);
    expect(reached("sip:bob@192.0.2.1:5060", lines)).to.deep.equal(lines);
  });

  it("goes to none of the others when that one is gone (480)", () => {
    expect(reached(desk, ["sip:bob@192.0.2.2:5060", "sip:192.0.2.1:5060"])).to.equal(480);
    expect(reached(desk, [])).to.equal(480);
  });
});
