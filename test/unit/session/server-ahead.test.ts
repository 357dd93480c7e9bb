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

/** A request to a server to which there is a link or not. */
function ahead(isUp: boolean, waits = new AwayWaits()) {
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
    request: new ServerAhead(TO, undefined, { ...components, waits }),
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
    const { time, linked, request, listeners } = ahead(false, waits);
    const all = Array.from({ length: atOnce }, () => request.flow());
    expect(listeners.size).to.equal(atOnce / 2);
    expect(await all.at(-1), "not waited for").to.deep.equal(TO);
    const other = ahead(false, waits);
    void other.request.flow();
    expect(other.listeners.size).to.equal(0);
    linked(SERVER);
    await time.until(Promise.all(all));
    void other.request.flow();
    expect(other.listeners.size).to.equal(1);
  });

  it("gets once more what was on its way when the link broke, and no more than that", async () => {
    const { request } = ahead(true);
    expect(await request.again()).to.deep.equal(TO);
    expect(await request.again()).to.equal(undefined);
  });
});
