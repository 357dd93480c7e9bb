import { expect } from "chai";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { createLinkWait } from "../../../node/federation/links.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { AwayWaits } from "../../../node/session/away-waits.ts";
import { ServerAhead } from "../../../node/session/server-ahead.ts";
import { settle, VirtualTime } from "../../helpers/virtual-time.ts";

const SERVER = "two" as ServerId;
const TO = { transport: "MESH", server: SERVER } as const;
const { awayMs, waitingForAway } = limits.session;
const { atOnce } = waitingForAway;

/** A request to a server to which there is a link or not. @param host of its sender */
function ahead(isUp: boolean, waits = new AwayWaits(), host = "192.0.2.9") {
  const source = { transport: "UDP", address: host, port: 5060 } as const;
  const time = new VirtualTime();
  const links = { isUp: () => isUp, listeners: new Set<(server: ServerId) => void>() };
  const onUp = (listener: (server: ServerId) => void) => {
    links.listeners.add(listener);
    return () => void links.listeners.delete(listener);
  };
  const untilLinked = createLinkWait({ isUp: links.isUp, onUp }, time, awayMs);
  const components = { untilLinked, isLinked: links.isUp, isMember: () => true, timers: time };
  const linked = (server: ServerId): void => {
    for (const listener of links.listeners) listener(server);
  };
  return {
    time,
    linked,
    request: new ServerAhead(TO, source, undefined, { ...components, waits }),
    listeners: links.listeners,
  };
}

describe("the server to which a request within a session goes", () => {
  it("is waited for while there is no link to it", async () => {
    const { time, linked, request, listeners } = ahead(false);
    let isSent = false;
    void request.flow().then(() => (isSent = true));
    await time.advance(awayMs - 1);
    linked("another" as ServerId);
    await settle();
    expect(isSent).to.equal(false);
    linked(SERVER);
    await settle();
    expect(isSent).to.equal(true);
    expect(listeners.size).to.equal(0);
  });

  it("is not waited for where there is one, nor for longer than for a moment", async () => {
    expect(await ahead(true).request.flow()).to.deep.equal(TO);
    const { time, request } = ahead(false);
    expect(await time.until(request.flow(), awayMs)).to.deep.equal(TO);
    expect(await time.until(request.again(), awayMs)).to.equal(undefined);
  });

  it("has half of all that may wait, and no more waits for it, so that others are waited for", async () => {
    const waits = new AwayWaits();
    const sources = Array.from({ length: atOnce }, (_, i) => ahead(false, waits, `2001:db8:0:${i.toString(16)}::1`));
    const all = sources.map(({ request }) => request.flow());
    const waiting = sources.filter(({ listeners }) => listeners.size > 0);
    expect(waiting).to.have.length(atOnce / 2);
    expect(await all.at(-1), "not waited for").to.deep.equal(TO);
    const [one] = waiting;
    one!.linked(SERVER);
    await settle();
    const other = ahead(false, waits, "192.0.2.1");
    void other.request.flow();
    expect(other.listeners.size).to.equal(1);
  });

  it("has room for others though one source sends any number", async () => {
    const waits = new AwayWaits();
    const one = ahead(false, waits);
    const all = Array.from({ length: atOnce }, () => one.request.flow());
    expect(one.listeners.size).to.equal(Math.ceil(atOnce / 3));
    expect(await all.at(-1), "not waited for").to.deep.equal(TO);
    const other = ahead(false, waits, "192.0.2.1");
    void other.request.flow();
    expect(other.listeners.size).to.equal(1);
    one.linked(SERVER);
    await settle();
    void one.request.flow();
    expect(one.listeners.size, "there is room again").to.equal(1);
  });

  it("has room for others though one host uses many addresses of its network", () => {
    const waits = new AwayWaits();
    const requests = Array.from({ length: atOnce }, (_, i) => ahead(false, waits, `2001:db8::${i.toString(16)}`));
    for (const { request } of requests) void request.flow();
    expect(requests.filter(({ listeners }) => listeners.size > 0)).to.have.length(Math.ceil(atOnce / 3));
  });

  it("gets once more what was on its way when the link broke, and no more than that", async () => {
    const { request } = ahead(true);
    expect(await request.again()).to.deep.equal(TO);
    expect(await request.again()).to.equal(undefined);
  });
});
