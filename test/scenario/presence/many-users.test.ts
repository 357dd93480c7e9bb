import { expect } from "chai";
import { limits } from "../../../node/runtime/limits.ts";
import type { Phone } from "../../helpers/phone.ts";
import type { SimulatedServer } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const COUNT = 2 * limits.presence.lookups + 100;

/** So many users at one server, each watched at `watching`. */
async function manyWatched(
  domain: SimulatedDomain,
  serving: SimulatedServer,
  watching: SimulatedServer,
): Promise<{ readonly users: readonly Phone[]; readonly watchers: readonly Phone[] }> {
  const users = Array.from({ length: COUNT }, (_, i) => domain.phone(`user${i}`, serving));
  const watchers = users.map((_, i) => domain.phone(`watcher${i}`, watching));
  await domain.time.until(Promise.all(users.map((user) => user.publish("here"))));
  await domain.time.until(Promise.all(watchers.map((watcher, i) => watcher.subscribe((users[i] as Phone).aor))));
  await domain.time.advance(20_000);
  for (const watcher of watchers) expect(watcher.news().at(-1)).to.include({ basic: "open" });
  return { users, watchers };
}

describe("the many watched users of one server", () => {
  it("are looked up some at a time, and ever more seldom, while the directory cannot be reached", async () => {
    const domain = new SimulatedDomain({ latencyMs: 20 });
    const one = domain.server("one");
    const { users, watchers } = await manyWatched(domain, one, one);
    one.locator.cutOff();
    domain.directory.expire(one.locator);
    one.locator.lookups = 0;
    one.locator.mostLookups = 0;
    await domain.time.advance(60_000);
    expect(one.locator.mostLookups).to.equal(limits.presence.lookups);
    expect(one.locator.lookups / COUNT).to.be.within(1, 15);
    one.locator.reconnect();
    await domain.time.advance(40_000);
    expect(users.filter(({ aor }) => one.locator.owned(aor) === undefined)).to.deep.equal([]);
    for (const watcher of watchers) expect(watcher.news().filter(({ basic }) => basic !== "open")).to.deep.equal([]);
  });

  it("are looked up again, and shown, after lookups that ended with an error", async () => {
    const domain = new SimulatedDomain({ latencyMs: 20 });
    const one = domain.server("one");
    const { watchers } = await manyWatched(domain, one, one);
    const { locator } = one;
    const locate = locator.locate.bind(locator);
    let failed = 0;
    locator.locate = () => Promise.reject(new Error(`no directory, ${(failed += 1)}`));
    locator.cutOff();
    domain.directory.expire(locator);
    await domain.time.advance(60_000);
    expect(failed / COUNT, "each of them, with others between").to.be.within(1, 15);
    locator.locate = locate;
    locator.reconnect();
    await domain.time.advance(40_000);
    for (const watcher of watchers) expect(watcher.news().filter(({ basic }) => basic !== "open")).to.deep.equal([]);
  });

  it("are not asked for again and again while their server, which has been started anew, cannot take them up yet", async () => {
    const domain = new SimulatedDomain({ latencyMs: 20 });
    const [one, two] = [domain.server("one"), domain.server("two")];
    const { users, watchers } = await manyWatched(domain, one, two);
    domain.kill(one);
    await domain.time.advance(2000);
    const { length } = domain.network.log;
    const again = domain.restart(one);
    again.locator.cutOff();
    await domain.time.advance(10_000);
    again.locator.reconnect();
    await domain.time.advance(20_000);
    expect(users.filter(({ aor }) => again.locator.owned(aor) === undefined)).to.deep.equal([]);
    const asked = domain.network.log
      .slice(length)
      .filter(({ to, request }) => to === "one" && request.method === "SUBSCRIBE");
    expect(asked.length / COUNT).to.be.within(1, 4);
    for (const watcher of watchers) expect(watcher.news().filter(({ basic }) => basic !== "open")).to.deep.equal([]);
    for (const [i, user] of users.entries()) {
      if (i % 50 > 0) continue;
      await domain.time.until(user.publish("there"));
      await domain.time.advance(200);
      expect((watchers[i] as Phone).news().at(-1)).to.include({ note: "there" });
    }
  });
});
