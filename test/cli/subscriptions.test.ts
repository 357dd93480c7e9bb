import { expect } from "chai";
import { EventEmitter, once } from "node:events";
import type { NodeStatus } from "../../node/admin/node-view.ts";
import type { PresenceNotification } from "../../node/softphone/presence-subscription.ts";
import { Softphone } from "../../node/softphone/softphone.ts";
import type { RunningNode } from "./aorta.ts";
import { Aorta } from "./aorta.ts";

describe("a watcher with SIP.js, whose server's process is killed and started again", function () {
  this.timeout(60_000);
  const aorta = new Aorta();
  const phones: Softphone[] = [];

  after(async () => {
    await Promise.all(phones.map((phone) => phone.vanish()));
    await aorta.clean();
  });

  async function phone(user: string, { sipPort: port }: RunningNode): Promise<Softphone> {
    const server = { transport: "UDP", host: "127.0.0.1", port } as const;
    const opened = await Softphone.open({ aor: `sip:${user}@example.com`, server });
    phones.push(opened);
    return opened;
  }

  it("goes on in its one dialog, and the publication that it sees does too", async () => {
    const first = await aorta.up("berlin", "--domain", "example.com", "--lease", "1s");
    const [alice, joe] = [await phone("alice", first), await phone("joe", first)];
    await alice.publishPresence({ basic: "open", note: "before" });
    const seen: PresenceNotification[] = [];
    const notified = new EventEmitter();
    await joe.subscribePresence(alice.aor, (notification) => {
      seen.push(notification);
      notified.emit("notify");
    });
    const untilSeen = async (note: string, times = 1): Promise<void> => {
      const signal = AbortSignal.timeout(15_000);
      while (seen.filter(({ presence }) => presence?.note === note).length < times)
        await once(notified, "notify", { signal });
    };
    await untilSeen("before");

    const sip = `127.0.0.1:${first.sipPort}`;
    await first.end("SIGKILL");
    const second = await aorta.up("berlin", "--sip", sip);
    await untilSeen("before", 2);
    const { presence } = await second.get<NodeStatus>("/v1/status");
    expect(presence).to.include({ publications: 1, watchers: 1 });

    // The device modifies what it published to the first process, by the entity-tag that this gave it.
    expect(await alice.publishPresence({ basic: "open", note: "after" })).to.include({ status: 200 });
    await untilSeen("after");

    await second.end("SIGTERM");
    const third = await aorta.up("berlin", "--sip", sip);
    await untilSeen("after", 2);
    expect(await alice.publishPresence({ basic: "open", note: "at last" })).to.include({ status: 200 });
    await untilSeen("at last");
    expect(joe.requestsSent("SUBSCRIBE"), "joe's client has not noticed").to.equal(1);
    expect(alice.requestsSent("PUBLISH"), "nor has alice's").to.equal(3);
    expect(seen.map(({ state, presence: shown }) => [state, shown?.basic])).to.deep.equal(
      seen.map(() => ["active", "open"]),
    );
    await third.end("SIGTERM");
  });
});
