import { expect } from "chai";
import { readFile } from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import type { Browser, Page } from "playwright-core";
import type { PresenceNotification } from "../../node/softphone/presence-subscription.ts";
import type { ReceivedMessage } from "../../node/softphone/softphone.ts";
import { Softphone } from "../../node/softphone/softphone.ts";
import { eventually } from "../helpers/eventually.ts";
import { DOMAIN, SessionWorld } from "../scenario/session/session-world.ts";
import { findProgram } from "./programs.ts";

/** SIP.js as its authors ship it: modules that a browser loads by themselves. */
const SIP_JS = dirname(fileURLToPath(import.meta.resolve("sip.js")));

/** What the page under test offers to this test. */
interface BrowserPhone {
  register(): Promise<number>;
  publish(note: string): Promise<number>;
  watch(aor: string): Promise<void>;
  send(aor: string, text: string): Promise<number>;
  readonly messages: string[];
  readonly documents: string[];
}

const PAGE = `<!doctype html><meta charset="utf-8"><title>phone</title><script type="module">
import { Messager, Publisher, Registerer, RegistererState, Subscriber, UserAgent } from "/sip.js/index.js";
window.openPhone = async (aor, server) => {
  const messages = [], documents = [];
  const agent = new UserAgent({
    uri: UserAgent.makeURI(aor),
    transportOptions: { server },
    logBuiltinEnabled: false,
    delegate: { onMessage: (message) => { messages.push(message.request.body); return message.accept(); } },
  });
  await agent.start();
  const status = (start) => new Promise((resolve) => {
    const settle = (response) => resolve(response.message.statusCode);
    start({ onAccept: settle, onReject: settle });
  });
  let publisher;
  window.phone = {
    messages, documents,
    register: () => status((requestDelegate) => new Registerer(agent).register({ requestDelegate })),
    send: (to, text) => status((requestDelegate) => new Messager(agent, UserAgent.makeURI(to), text).message({ requestDelegate })),
    // Publisher tells nothing of answers: the test looks at what watchers see.
    publish: (note) => {
      publisher ??= new Publisher(agent, UserAgent.makeURI(aor), "presence", { contentType: "application/pidf+xml" });
      return publisher.publish(\`<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="\${aor}"><tuple id="web"><status><basic>open</basic></status><note>\${note}</note></tuple></presence>\`);
    },
    watch: (user) => {
      const subscriber = new Subscriber(agent, UserAgent.makeURI(user), "presence");
      subscriber.delegate = { onNotify: (notification) => { documents.push(notification.request.body); return notification.accept(); } };
      return subscriber.subscribe();
    },
  };
};
</script>`;

describe("SIP.js in Chromium over WebSocket", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  let pages: Server;
  let browser: Browser;
  let page: Page;
  let joe: Softphone;

  before(async function () {
    // Debian: chromium
    const executablePath = findProgram("chromium");
    if (executablePath === undefined) return this.skip();
    world = await SessionWorld.of(2);
    pages = await servePages();
    browser = await chromium.launch({ executablePath, headless: true, args: CHROMIUM_FLAGS });
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(pages.address() as AddressInfo).port}/`);
    const [sip, ws] = [portOf(1, "UDP"), portOf(0, "WS")];
    await page.waitForFunction("window.openPhone !== undefined");
    await page.evaluate(`window.openPhone("sip:web@${DOMAIN}", "ws://127.0.0.1:${ws}")`);
    joe = await Softphone.open({
      aor: `sip:joe@${DOMAIN}`,
      server: { transport: "UDP", host: "127.0.0.1", port: sip },
    });
    await joe.register();
  });
  after(async () => {
    await joe?.close();
    await browser?.close();
    pages?.close();
    await world?.stop();
  });

  function portOf(server: number, transport: "UDP" | "WS"): number {
    return world.sides[server]!.stack.listening().find((each) => each.transport === transport)!.port;
  }

  const call = <Method extends "register" | "publish" | "watch" | "send">(
    method: Method,
    ...given: Parameters<BrowserPhone[Method]>
  ) => page.evaluate(`window.phone.${method}(...${JSON.stringify(given)})`) as ReturnType<BrowserPhone[Method]>;
  const seen = (what: "messages" | "documents") => page.evaluate(`window.phone.${what}`) as Promise<string[]>;

  it("registers, and messages go both ways", async () => {
    expect(await call("register")).to.equal(200);
    const received: ReceivedMessage[] = [];
    joe.onMessage((message) => received.push(message));
    expect(await call("send", joe.aor, "from the browser ✓")).to.equal(200);
    expect(received).to.deep.equal([{ from: `sip:web@${DOMAIN}`, text: "from the browser ✓" }]);
    expect((await joe.sendMessage(`sip:web@${DOMAIN}`, "to the browser ✓")).status).to.equal(200);
    expect(await seen("messages")).to.deep.equal(["to the browser ✓"]);
  });

  it("publishes, watches, and is watched", async () => {
    const notes: PresenceNotification[] = [];
    await joe.subscribePresence(`sip:web@${DOMAIN}`, (notification) => notes.push(notification));
    await call("publish", "in the browser");
    await eventually(() => notes.at(-1)?.presence?.note === "in the browser", "the browser's presence");
    await call("watch", joe.aor);
    await joe.publishPresence({ basic: "open", note: "at his desk" });
    let documents: string[] = [];
    await page.waitForFunction(`window.phone.documents.some((each) => each.includes("at his desk"))`);
    documents = await seen("documents");
    expect(documents.at(-1)).to.contain("<basic>open</basic>");
  });
});

/** Without what a browser does by itself in the background, which a test has no use for. */
const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

async function servePages(): Promise<Server> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    if (pathname === "/") return void response.writeHead(200, { "content-type": "text/html" }).end(PAGE);
    const path = normalize(pathname.replace(/^\/sip\.js\//, ""));
    if (!pathname.startsWith("/sip.js/") || path.startsWith("..")) return void response.writeHead(404).end();
    readFile(join(SIP_JS, path)).then(
      (script) => response.writeHead(200, { "content-type": "text/javascript" }).end(script),
      () => response.writeHead(404).end(),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}
