import { expect } from "chai";
import { type Notification, Subscriber, SubscriptionState, UserAgent } from "sip.js";
import { systemClock } from "../../../node/runtime/clock.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { createHeaders } from "../../../node/sip/message/headers.ts";
import type { SipSide } from "../../../node/sip-side.ts";
import { createSipSide } from "../../../node/sip-side.ts";
import { parseWatcherInfo } from "../../../node/presence/watcherinfo/watcherinfo-document.ts";
import type { ClientTransport } from "../../../node/softphone/transport/client-transport.ts";
import { TcpTransport } from "../../../node/softphone/transport/tcp-transport.ts";
import { Softphone } from "../../../node/softphone/softphone.ts";
import type { Storage } from "../../../node/storage/ports.ts";
import { openMemoryStorage } from "../../../node/storage/storage.ts";
import type { Aor } from "../../../dht-schema/aor.ts";
import { keepList } from "../../helpers/kept-lists.ts";
import { TestDirectories } from "../../helpers/directories.ts";
import { Inbox } from "../../helpers/next.ts";
import { readRlmi } from "../../helpers/rlmi.ts";

const DOMAIN = "example.com";
const user = (name: string) => `sip:${name}@${DOMAIN}` as Aor;

/** A NOTIFY as SIP.js gives it. */
interface Told {
  readonly type: string;
  readonly body: Uint8Array;
}

describe("SIP.js clients that subscribe to lists, watchers and registrations", function () {
  this.timeout(30_000);
  let directories: TestDirectories;
  let side: SipSide;
  let storage: Storage;
  const agents: UserAgent[] = [];
  const subscribers: Subscriber[] = [];

  before(async () => {
    directories = await TestDirectories.of(1);
    const { mesh, directory, counters } = directories.server(0);
    storage = openMemoryStorage();
    const config = {
      sip: [{ address: "127.0.0.1", port: 0 }],
      ws: [],
      authentication: "none",
      digest: "md5",
      onConflict: "takeover",
      historyMs: 0,
    } as const;
    const shared = { domain: DOMAIN, mesh, directory, storage, clock: systemClock, logger: silentLogger, counters };
    side = createSipSide({ config, ...shared });
    await side.start();
  });

  after(async () => {
    await Promise.all(subscribers.map(end));
    await Promise.all(agents.map((agent) => agent.stop()));
    await side.drain();
    await side.stop();
    await directories.stop();
  });

  function server(): { readonly transport: "TCP"; readonly host: string; readonly port: number } {
    const { port } = side.stack.listening().find(({ transport }) => transport === "TCP")!;
    return { transport: "TCP", host: "127.0.0.1", port };
  }

  /** Subscribes as a user, and collects what is told. */
  async function subscribe(name: string, to: Aor, event: string, accept: string): Promise<Inbox<Told>> {
    const { host, port } = server();
    const agent = new UserAgent({
      uri: UserAgent.makeURI(user(name))!,
      sipExtensionExtraSupported: ["eventlist"],
      viaHost: `${crypto.randomUUID()}.invalid`,
      contactParams: { transport: "tcp" },
      logBuiltinEnabled: false,
      gracefulShutdown: false,
      transportConstructor: TcpTransport,
      transportOptions: { host, port },
    });
    agents.push(agent);
    await agent.start();
    const local = (agent.transport as ClientTransport).local()!;
    agent.contact.uri.host = local.address;
    agent.contact.uri.port = local.port;
    const told = new Inbox<Told>();
    const subscriber = new Subscriber(agent, UserAgent.makeURI(to)!, event, {
      expires: 600,
      extraHeaders: [`Accept: ${accept}`, "Supported: eventlist"],
    });
    subscriber.delegate = {
      onNotify(notification: Notification) {
        void notification.accept();
        const { request } = notification;
        const type = request.getHeader("Content-Type") ?? "";
        told.push({ type, body: Buffer.from(request.body, "utf8") });
      },
    };
    subscribers.push(subscriber);
    await subscriber.subscribe();
    return told;
  }

  /** SIP.js keeps its timers until the server has said that it is over. */
  async function end(subscriber: Subscriber): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    subscriber.stateChange.addListener((state) => state === SubscriptionState.Terminated && resolve());
    await subscriber.unsubscribe();
    await promise;
    await subscriber.dispose();
  }

  it("are told of all members of a list, and then of the one who changes", async () => {
    keepList(storage, { uri: user("joe-friends"), owner: user("joe"), members: [user("anna"), user("ben")] });
    const anna = await Softphone.open({ aor: user("anna"), server: server() });
    await anna.publishPresence({ basic: "open", note: "at work" });
    const accept = "multipart/related, application/rlmi+xml, application/pidf+xml";
    const told = await subscribe("joe", user("joe-friends"), "presence", accept);
    const read = ({ type, body }: Told) => readRlmi({ headers: createHeaders([["Content-Type", type]]), body });
    const first = read(await told.first(({ type }) => type.startsWith("multipart/related"), "state of the list"));
    expect(first).to.deep.include({ full: true, members: { anna: "active open at work", ben: "pending closed" } });
    await anna.publishPresence({ basic: "open", note: "at lunch" });
    const second = await told.first(({ body }) => Buffer.from(body).includes("at lunch"), "change of a member");
    expect(read(second)).to.deep.include({ full: false, members: { anna: "active open at lunch" } });
    await anna.close();
  });

  it("are told who watches, and which devices have registered", async () => {
    const carl = await Softphone.open({ aor: user("carl"), server: server() });
    const registrations = await subscribe("carl", user("carl"), "reg", "application/reginfo+xml");
    await carl.register();
    const contact = await registrations.first(
      ({ body }) => Buffer.from(body).includes('event="registered"'),
      "registration",
    );
    expect(contact.type).to.equal("application/reginfo+xml");
    const watchers = await subscribe("carl", user("carl"), "presence.winfo", "application/watcherinfo+xml");
    await subscribe("joe", user("carl"), "presence", "application/pidf+xml");
    const isJoe = ({ body }: Told) =>
      parseWatcherInfo(body).watchers.some(({ uri, status }) => uri === user("joe") && status === "active");
    expect((await watchers.first(isJoe, "watcher")).type).to.equal("application/watcherinfo+xml");
    await carl.close();
  });
});
