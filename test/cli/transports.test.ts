import { expect } from "chai";
import type { LookupView, NodeStatus } from "../../node/admin/node-view.ts";
import type { PresenceNotification } from "../../node/softphone/presence-subscription.ts";
import type { ReceivedMessage, SoftphoneTransport } from "../../node/softphone/softphone.ts";
import { Softphone } from "../../node/softphone/softphone.ts";
import { Inbox } from "../helpers/next.ts";
import type { RunningNode } from "./aorta.ts";
import { Aorta, until } from "./aorta.ts";

describe("SIP.js clients of two servers in processes of their own", function () {
  this.timeout(60_000);
  const aorta = new Aorta();
  const phones: Softphone[] = [];
  let berlin: RunningNode;
  let paris: RunningNode;

  before(async () => {
    const ws = ["--ws", "127.0.0.1:0"];
    berlin = await aorta.up("berlin", "--domain", "example.com", ...ws);
    const { stdout } = await aorta.run(["invite", "--data", aorta.path("berlin")]);
    paris = await aorta.up("paris", "--join", stdout.trim(), ...ws);
    for (const node of [berlin, paris]) {
      await until(
        () => node.get<NodeStatus>("/v1/status"),
        ({ peers }) => peers.up === 1,
      );
    }
  });
  afterEach(async () => {
    await Promise.all(phones.splice(0).map((phone) => phone.close()));
  });
  after(() => aorta.clean());

  async function registered(user: string, node: RunningNode, transport: SoftphoneTransport) {
    const listener = node.status.sip.find((each) => each.startsWith(`${transport.toLowerCase()} `));
    const port = Number(listener?.split(":").at(-1));
    const server = { transport, host: "127.0.0.1", port };
    const phone = await Softphone.open({ aor: `sip:${user}@example.com`, server });
    phones.push(phone);
    const messages = new Inbox<ReceivedMessage>();
    phone.onMessage(messages.push);
    expect(await phone.register(), `REGISTER of ${user}`).to.include({ status: 200 });
    return { phone, messages };
  }

  for (const transport of ["UDP", "TCP", "WS"] as const) {
    it(`register, publish, watch and write to each other across both over ${transport}`, async () => {
      // Other users for each transport: what one has published lives on.
      const [aliceName, joeName] = [`alice-${transport}`.toLowerCase(), `joe-${transport}`.toLowerCase()];
      const alice = await registered(aliceName, berlin, transport);
      const joe = await registered(joeName, paris, transport);
      for (const [user, owner] of [
        [aliceName, berlin],
        [joeName, paris],
      ] as const) {
        // A replica that is slow to say what it holds leaves it unclear for a moment.
        const view = await until(
          () => paris.get<LookupView>(`/v1/lookup/${user}`),
          ({ state }) => state !== "unclear",
        );
        expect([view.state, view.owner?.name]).to.deep.equal(["owned", owner.status.server.name]);
      }

      const told = new Inbox<PresenceNotification>();
      await joe.phone.subscribePresence(alice.phone.aor, told.push);
      for (const note of ["at work", "at lunch"]) {
        expect(await alice.phone.publishPresence({ basic: "open", note }), note).to.include({ status: 200 });
        const { state, presence } = await told.first((each) => each.presence?.note === note, note);
        expect({ state, basic: presence?.basic }).to.deep.equal({ state: "active", basic: "open" });
      }

      expect(await joe.phone.sendMessage(alice.phone.aor, "Bon appétit 🜁")).to.include({ status: 200 });
      expect(await alice.phone.sendMessage(joe.phone.aor, "Danke ß")).to.include({ status: 200 });
      expect(alice.messages.all).to.deep.equal([{ from: joe.phone.aor, text: "Bon appétit 🜁" }]);
      expect(joe.messages.all).to.deep.equal([{ from: alice.phone.aor, text: "Danke ß" }]);
      expect(alice.phone.faults + joe.phone.faults).to.equal(0);
    });
  }
});
