import { expect } from "chai";
import { EventEmitter, once } from "node:events";
import type { LookupView, NodeStatus } from "../../node/admin/node-view.ts";
import { ownPorts } from "../../node/demo/ports.ts";
import type { PresenceNotification } from "../../node/softphone/presence-subscription.ts";
import { Softphone } from "../../node/softphone/softphone.ts";
import type { RunningNode } from "./aorta.ts";
import { Aorta, until } from "./aorta.ts";

/** A subscription to a user's presence, and all that it was told. */
class Watch {
  readonly seen: PresenceNotification[] = [];
  readonly #notified = new EventEmitter();

  static async open(watcher: Softphone, aor: string): Promise<Watch> {
    const watch = new Watch();
    await watcher.subscribePresence(aor, (notification) => {
      watch.seen.push(notification);
      watch.#notified.emit("notify");
    });
    return watch;
  }

  /** Waits until a note has been told so often. */
  async untilSeen(note: string, times = 1): Promise<void> {
    const signal = AbortSignal.timeout(15_000);
    while (this.seen.filter(({ presence }) => presence?.note === note).length < times)
      await once(this.#notified, "notify", { signal });
  }

  expectOpenThroughout(): void {
    expect(this.seen.map(({ state, presence }) => [state, presence?.basic])).to.deep.equal(
      this.seen.map(() => ["active", "open"]),
    );
  }
}

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
    const watch = await Watch.open(joe, alice.aor);
    await watch.untilSeen("before");

    const sip = `127.0.0.1:${first.sipPort}`;
    await first.end("SIGKILL");
    const second = await aorta.up("berlin", "--sip", sip);
    await watch.untilSeen("before", 2);
    const { presence } = await second.get<NodeStatus>("/v1/status");
    expect(presence).to.include({ publications: 1, watchers: 1 });

    // The device modifies what it published to the first process, by the entity-tag that this gave it.
    expect(await alice.publishPresence({ basic: "open", note: "after" })).to.include({ status: 200 });
    await watch.untilSeen("after");

    await second.end("SIGTERM");
    const third = await aorta.up("berlin", "--sip", sip);
    await watch.untilSeen("after", 2);
    expect(await alice.publishPresence({ basic: "open", note: "at last" })).to.include({ status: 200 });
    await watch.untilSeen("at last");
    expect(joe.requestsSent("SUBSCRIBE"), "joe's client has not noticed").to.equal(1);
    expect(alice.requestsSent("PUBLISH"), "nor has alice's").to.equal(3);
    watch.expectOpenThroughout();
    await third.end("SIGTERM");
  });
});

describe("a watcher with SIP.js in a domain of three processes", function () {
  this.timeout(90_000);
  const aorta = new Aorta();
  const phones: Softphone[] = [];
  const nodes = new Map<string, RunningNode>();
  const addresses = new Map<string, readonly string[]>();
  let joe: Softphone;
  let watch: Watch;
  /** Alice's device, and at which server: she takes another one wherever she goes. */
  let alice: { readonly at: string; readonly phone: Softphone } | undefined;

  const node = (name: string) => nodes.get(name) as RunningNode;
  const start = async (name: string, ...args: string[]) =>
    nodes.set(name, await aorta.up(name, ...(addresses.get(name) ?? []), ...args));
  const up = async (name: string, ...args: string[]) => {
    await start(name, ...args);
    await until(
      () => node(name).get<NodeStatus>("/v1/status"),
      ({ peers }) => peers.up === nodes.size - 1,
    );
  };
  const restart = async (name: string, signal: "SIGTERM" | "SIGKILL") => {
    await node(name).end(signal);
    await up(name);
  };
  const publish = async (server: string, note: string) => {
    if (alice?.at !== server) {
      const { sipPort: port } = node(server);
      const at = { transport: "UDP", host: "127.0.0.1", port } as const;
      alice = { at: server, phone: await Softphone.open({ aor: "sip:alice@example.com", server: at }) };
      phones.push(alice.phone);
    }
    const published = await alice.phone.publishPresence({ basic: "open", note });
    expect(published, note).to.include({ status: 200 });
  };
  /** Until the server serves alice again, with what she published there. */
  const untilServed = (name: string) =>
    until(
      () => node(name).get<NodeStatus>("/v1/status"),
      ({ presence }) => presence.publications === 1,
    );

  before(async () => {
    const ports = await ownPorts(3);
    for (const [index, name] of ["berlin", "paris", "rome"].entries()) {
      const mesh = ["--mesh", `127.0.0.1:${ports[index]}`];
      addresses.set(name, mesh);
      if (index === 0) await up(name, "--domain", "example.com", "--lease", "2s");
      else await up(name, "--join", (await aorta.run(["invite", "--data", aorta.path("berlin")])).stdout.trim());
      addresses.set(name, [...mesh, "--sip", `127.0.0.1:${node(name).sipPort}`]);
      const server = { transport: "UDP", host: "127.0.0.1", port: node(name).sipPort } as const;
      if (name === "berlin") joe = await Softphone.open({ aor: "sip:joe@example.com", server });
    }
    phones.push(joe);
    await until(
      () => node("berlin").get<NodeStatus>("/v1/status"),
      ({ roster }) => roster.voters === 3,
    );
    await publish("paris", "in paris");
    watch = await Watch.open(joe, "sip:alice@example.com");
    await watch.untilSeen("in paris");
  });
  after(async () => {
    await Promise.all(phones.map((phone) => phone.vanish()));
    await aorta.clean();
  });
  afterEach("and the watcher's client has noticed nothing", () => {
    watch.expectOpenThroughout();
    expect(joe.requestsSent("SUBSCRIBE")).to.equal(1);
  });

  for (const [signal, how] of [
    ["SIGTERM", "stopped"],
    ["SIGKILL", "killed"],
  ] as const) {
    it(`goes on when the watcher's server is ${how} and started again`, async () => {
      await restart("berlin", signal);
      await publish("paris", `seen from berlin, ${how}`);
      await watch.untilSeen(`seen from berlin, ${how}`);
    });

    it(`goes on when the watched user's server is ${how} and started again`, async () => {
      await restart("paris", signal);
      await untilServed("paris");
      await publish("paris", `still in paris, ${how}`);
      await watch.untilSeen(`still in paris, ${how}`);
    });

    it(`goes on when the user moves while the watcher's server is ${how} and started again`, async () => {
      await node("berlin").end(signal);
      await publish("rome", `in rome, ${how}`);
      await up("berlin");
      await watch.untilSeen(`in rome, ${how}`);
      await publish("paris", `back in paris, ${how}`);
      await watch.untilSeen(`back in paris, ${how}`);
    });
  }

  it("goes on when all servers are killed at once, and those who start first find the user nowhere", async () => {
    await Promise.all([...nodes.values()].map((each) => each.end("SIGKILL")));
    await start("berlin");
    await start("rome");
    await until(
      () => node("berlin").get<LookupView>("/v1/lookup/alice"),
      ({ state }) => state === "nobody",
    );
    await up("paris");
    await untilServed("paris");
    await publish("paris", "after all");
    await watch.untilSeen("after all");
  });
});
