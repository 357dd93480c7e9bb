import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { WatcherInfoDocument } from "../../../node/presence/watcherinfo/watcherinfo-document.ts";
import { parseWatcherInfo } from "../../../node/presence/watcherinfo/watcherinfo-document.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import { keepList } from "../../helpers/kept-lists.ts";
import type { Phone } from "../../helpers/phone.ts";
import type { SimulatedServer } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const WINFO = { event: "presence.winfo" };

async function aliceOnTwo(directory?: ConstructorParameters<typeof SimulatedDomain>[0]): Promise<{
  domain: SimulatedDomain;
  one: SimulatedServer;
  two: SimulatedServer;
  alice: Phone;
}> {
  const domain = new SimulatedDomain(directory);
  const [one, two] = [domain.server("one"), domain.server("two")];
  const alice = domain.phone("alice", two);
  await domain.time.until(alice.publish("on two"));
  // Other servers would have subscribed by then, and nothing has to be waited for.
  await domain.time.advance(500);
  return { domain, one, two, alice };
}

/** What a phone was told of its watchers, oldest first. */
function told(phone: Phone): WatcherInfoDocument[] {
  return phone
    .notifies("presence.winfo")
    .filter(({ body }) => body.length > 0)
    .map(({ body }) => parseWatcherInfo(body));
}

/** Who watches now, as the documents say together: what a client of the user would show. */
function watchers(phone: Phone): string[] {
  const table = new Map<string, string>();
  for (const { full, watchers: entries } of told(phone)) {
    if (full) table.clear();
    for (const { id, uri, status } of entries) {
      if (status === "terminated") table.delete(id);
      else table.set(id, `${uri.slice(4, -12)} ${status}`);
    }
  }
  return [...table.values()].toSorted();
}

describe("who watches a user (RFC 3857, RFC 3858)", () => {
  it("is told in full at first, then change by change, with versions one after the other", async () => {
    const { domain, two, alice } = await aliceOnTwo();
    const [joe, ann] = [domain.phone("joe", two), domain.phone("ann", two)];
    await domain.time.until(joe.subscribe(alice.aor));
    await domain.time.advance(20);
    expect((await domain.time.until(alice.subscribe(alice.aor, WINFO))).status).to.equal(200);
    await domain.time.advance(20);
    const { dialog } = await domain.time.until(ann.subscribe(alice.aor));
    await domain.time.advance(20);
    expect(watchers(alice)).to.deep.equal(["ann active", "joe active"]);
    await domain.time.until(ann.resubscribe(dialog, 0));
    await domain.time.advance(20);

    const documents = told(alice);
    expect(documents.map(({ version }) => version)).to.deep.equal(documents.map((_, index) => index));
    expect(documents.map(({ full }) => full)).to.deep.equal(documents.map((_, index) => index === 0));
    expect(documents[0]).to.include({ resource: alice.aor });
    expect(documents.at(-1)?.watchers).to.have.length(1);
    expect(documents.at(-1)?.watchers[0]).to.include({ uri: ann.aor, status: "terminated", event: "timeout" });
    expect(watchers(alice)).to.deep.equal(["joe active"]);
    expect(alice.notifies("presence.winfo")[0]?.headers.get("Subscription-State")).to.match(/^active/);
  });

  it("is told of watchers on other servers, as they come and go", async () => {
    const { domain, one, alice } = await aliceOnTwo();
    const three = domain.server("three");
    const [joe, ann] = [domain.phone("joe", one), domain.phone("ann", three)];
    const { dialog } = await domain.time.until(joe.subscribe(alice.aor));
    await domain.time.until(alice.subscribe(alice.aor, WINFO));
    await domain.time.advance(50);
    expect(watchers(alice)).to.deep.equal(["joe active"]);
    await domain.time.until(ann.subscribe(alice.aor));
    await domain.time.advance(50);
    expect(watchers(alice)).to.deep.equal(["ann active", "joe active"]);
    await domain.time.until(joe.resubscribe(dialog, 0));
    await domain.time.advance(50);
    expect(watchers(alice)).to.deep.equal(["ann active"]);
  });

  it("is told at once of those on other servers, too, so that who asks once hears of all", async () => {
    const { domain, one, two, alice } = await aliceOnTwo();
    await domain.time.until(domain.phone("joe", one).subscribe(alice.aor));
    await domain.time.until(domain.phone("ann", two).subscribe(alice.aor));
    await domain.time.until(alice.subscribe(alice.aor, { ...WINFO, expires: 0 }));
    await domain.time.advance(600);
    const states = alice.notifies("presence.winfo").map(({ headers }) => headers.get("Subscription-State"));
    expect(states).to.deep.equal(["terminated;reason=timeout"]);
    expect(watchers(alice)).to.deep.equal(["ann active", "joe active"]);
  });

  it("is told of those here after half a second, where another server does not say who watches there", async () => {
    const { domain, one, two, alice } = await aliceOnTwo();
    await domain.time.until(domain.phone("joe", one).subscribe(alice.aor));
    await domain.time.until(domain.phone("ann", two).subscribe(alice.aor));
    await domain.time.advance(50);
    domain.network.links.cut(one.id, two.id);
    await domain.time.until(alice.subscribe(alice.aor, { ...WINFO, expires: 0 }));
    await domain.time.advance(600);
    expect(watchers(alice)).to.deep.equal(["ann active"]);
  });

  it("is told in full at a refresh while another server has not said yet who watches there", async () => {
    const { domain, one, two, alice } = await aliceOnTwo();
    await domain.time.until(domain.phone("ann", two).subscribe(alice.aor));
    const { dialog } = await domain.time.until(alice.subscribe(alice.aor, WINFO));
    await domain.time.advance(20);
    const before = told(alice).length;
    await domain.time.until(domain.phone("joe", one).subscribe(alice.aor));
    domain.network.links.cut(one.id, two.id);
    await domain.time.until(alice.resubscribe(dialog));
    await domain.time.advance(20);
    const [refreshed] = told(alice).slice(before);
    expect([refreshed?.full, refreshed?.watchers.map(({ uri }) => uri)]).to.deep.equal([true, ["sip:ann@example.com"]]);
  });

  it("is told of nobody who goes where the server of the user goes on under a higher epoch, but of who has gone then", async () => {
    const { domain, one, two, alice } = await aliceOnTwo();
    const [joe, ann] = [domain.phone("joe", one), domain.phone("ann", one)];
    for (const phone of [joe, ann]) await domain.time.until(phone.subscribe(alice.aor));
    await domain.time.until(domain.phone("sue", two).subscribe(alice.aor));
    await domain.time.until(alice.subscribe(alice.aor, WINFO));
    await domain.time.advance(600);
    expect(watchers(alice)).to.deep.equal(["ann active", "joe active", "sue active"]);
    const before = told(alice).length;
    domain.directory.raise(alice.aor);
    await domain.time.advance(2_000);
    expect(told(alice)).to.have.length(before);
    domain.directory.raise(alice.aor);
    domain.kill(one);
    await domain.time.advance(60_000);
    expect(watchers(alice)).to.deep.equal(["sue active"]);
  });

  it("is told of each who comes or goes, though the NOTIFY before is answered while other servers have still to say who is there", async () => {
    const { domain, two, alice } = await aliceOnTwo();
    const [ann, bob] = [domain.phone("ann", two), domain.phone("bob", two)];
    const { dialog } = await domain.time.until(ann.subscribe(alice.aor));
    await domain.time.until(alice.subscribe(alice.aor, WINFO));
    await domain.time.advance(600);
    const slowly = Promise.withResolvers<void>();
    const { received } = alice.client;
    alice.client.onRequest(({ request, respond }) => {
      void slowly.promise.then(() => respond(createResponse(request, 200)));
    });
    const before = received.length;
    await domain.time.until(bob.subscribe(alice.aor));
    await domain.time.until(ann.resubscribe(dialog, 0));
    await domain.time.advance(100);
    expect(received).to.have.length(before + 1);
    domain.directory.raise(alice.aor);
    await domain.time.advance(100);
    slowly.resolve();
    await domain.time.advance(2_000);
    expect(watchers(alice)).to.deep.equal(["bob active"]);
    expect(told(alice).map(({ version }) => version)).to.deep.equal(told(alice).map((_, at) => at));
  });

  it("asks other servers only while somebody wants to know", async () => {
    const { domain, one, two, alice } = await aliceOnTwo();
    const joe = domain.phone("joe", one);
    await domain.time.until(joe.subscribe(alice.aor));
    await domain.time.advance(50);
    const asked = () =>
      domain.network.log.filter(
        ({ from, request }) =>
          from === two.name && request.method === "SUBSCRIBE" && request.headers.get("Event") === "presence.winfo",
      );
    expect(asked()).to.have.length(0);
    const { dialog } = await domain.time.until(alice.subscribe(alice.aor, WINFO));
    await domain.time.advance(50);
    expect(asked()).to.have.length(1);
    await domain.time.until(alice.resubscribe(dialog, 0));
    await domain.time.advance(50);
    expect(asked().map(({ request }) => request.headers.get("Expires"))).to.deep.equal(["3600", "0"]);
  });

  it("does not keep a server from stopping that others ask for it", async () => {
    const { domain, one, alice } = await aliceOnTwo();
    await domain.time.until(domain.phone("joe", one).subscribe(alice.aor));
    await domain.time.until(alice.subscribe(alice.aor, WINFO));
    await domain.time.advance(50);
    await domain.time.until(one.presence.stop(), 100);
    await domain.time.advance(50);
    expect(watchers(alice)).to.deep.equal([]);
  });

  it("tells the newest where there are more than one document holds", async () => {
    const { domain, two, alice } = await aliceOnTwo();
    const { watchersTold } = limits.presence;
    const joe = domain.phone("joe", two);
    const subscribeMany = async (count: number) => {
      const all = Promise.all(Array.from({ length: count }, () => joe.subscribe(alice.aor)));
      await domain.time.until(all);
      await domain.time.advance(20);
    };
    await subscribeMany(watchersTold + 10);
    await domain.time.until(alice.subscribe(alice.aor, WINFO));
    await domain.time.advance(20);
    expect(watchers(alice)).to.have.length(watchersTold);
    await subscribeMany(watchersTold + 10);
    await domain.time.advance(20_000);
    expect(watchers(alice)).to.have.length.within(watchersTold, 2 * watchersTold);
    for (const { body } of alice.notifies("presence.winfo")) expect(body.length).to.be.below(60_000);
  });

  it("fits into a message where the watchers' addresses are long, and longer in XML: the newest are told", async () => {
    const { domain, two, alice } = await aliceOnTwo();
    const joe = domain.phone("j&".repeat(90), two);
    for (let i = 0; i < 80; i++) await domain.time.until(joe.subscribe(alice.aor));
    await domain.time.until(alice.subscribe(alice.aor, WINFO));
    await domain.time.advance(20);
    expect(watchers(alice)).to.have.length.within(40, 79);
    for (const { body } of alice.notifies("presence.winfo")) expect(body.length).to.be.below(60_000);
  });

  it("is for the user alone to know", async () => {
    const { domain, one, alice } = await aliceOnTwo();
    const joe = domain.phone("joe", one);
    expect((await domain.time.until(joe.subscribe(alice.aor, WINFO))).status).to.equal(403);
  });

  it("is not known before the user is here: the subscription waits, and is told to come again when the user has left", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [alice, moved, joe] = [domain.phone("alice", one), domain.phone("alice", two), domain.phone("joe", one)];
    await domain.time.until(alice.subscribe(alice.aor, WINFO));
    await domain.time.until(joe.subscribe(alice.aor));
    await domain.time.advance(600);
    const states = () =>
      alice.notifies("presence.winfo").map(({ headers }) => headers.get("Subscription-State")?.split(";expires")[0]);
    expect(states()).to.deep.equal(["pending"]);
    await domain.time.until(alice.publish("on one"));
    await domain.time.advance(600);
    expect(states().at(-1)).to.equal("active");
    expect(watchers(alice)).to.deep.equal(["joe active"]);
    const before = states();
    await domain.time.until(moved.publish("on two"));
    await domain.time.advance(50);
    expect(states(), "nothing is said of watchers who are known here no more").to.deep.equal([
      ...before,
      "terminated;reason=deactivated",
    ]);
    await domain.time.until(moved.subscribe(alice.aor, { ...WINFO, expires: 0 }));
    await domain.time.until(moved.subscribe(alice.aor, WINFO));
    await domain.time.advance(600);
    const fetched = told(moved)[0]?.watchers.map(({ uri }) => uri);
    expect(fetched, "who asks once, just after the move, hears of those on other servers").to.deep.equal([joe.aor]);
    expect(watchers(moved)).to.deep.equal(["joe active"]);
  });

  it("is known again after the user's server was killed and started, in the same dialog", async () => {
    const { domain, one, two, alice } = await aliceOnTwo();
    const joe = domain.phone("joe", one);
    await domain.time.until(joe.subscribe(alice.aor));
    await domain.time.until(alice.subscribe(alice.aor, WINFO));
    await domain.time.advance(50);
    domain.kill(two);
    await domain.time.advance(1000);
    domain.restart(two);
    await domain.time.advance(15_000);
    expect(watchers(alice)).to.deep.equal(["joe active"]);
    const numbers = told(alice).map(({ watchers: entries }) => entries.length);
    expect(numbers, "nobody is said to have gone meanwhile").not.to.include(0);
    expect(new Set(alice.notifies("presence.winfo").map(({ headers }) => headers.get("Call-ID"))).size).to.equal(1);
    expect(told(alice).at(-1)?.version).to.be.greaterThan(told(alice)[0]!.version);
  });

  it("says nothing of watchers in the last word, when the user has left: who watches is known elsewhere", async () => {
    const { domain, one, two, alice } = await aliceOnTwo();
    await domain.time.until(domain.phone("joe", two).subscribe(alice.aor));
    await domain.time.until(alice.subscribe(alice.aor, WINFO));
    await domain.time.advance(50);
    await domain.time.until(domain.phone("alice", one).publish("on one"));
    await domain.time.advance(50);
    const last = alice.notifies("presence.winfo").at(-1);
    expect(last?.headers.get("Subscription-State")).to.equal("terminated;reason=deactivated");
    expect([last?.body.length, last?.headers.get("Content-Type")]).to.deep.equal([0, undefined]);
    expect(watchers(alice)).to.deep.equal(["joe active"]);
  });

  it("is answered to who asks just after a restart, though the user does not come back", async () => {
    const { domain, one, two, alice } = await aliceOnTwo();
    await domain.time.until(alice.subscribe(alice.aor, WINFO));
    await domain.time.advance(50);
    domain.kill(two);
    await domain.time.until(domain.phone("alice", one).publish("on one"));
    domain.restart(two);
    const before = alice.notifies("presence.winfo").length;
    const asked = [await domain.time.until(alice.subscribe(alice.aor, WINFO))];
    asked.push(await domain.time.until(alice.subscribe(alice.aor, { ...WINFO, expires: 0 })));
    await domain.time.advance(25_000);
    const states = new Map(
      alice
        .notifies("presence.winfo")
        .slice(before)
        .map(({ headers }) => [headers.get("Call-ID"), headers.get("Subscription-State")?.split(";expires")[0]]),
    );
    expect(asked.map(({ dialog }) => states.get(dialog.callId))).to.deep.equal([
      "pending",
      "terminated;reason=timeout",
    ]);
  });

  it("tells of who watches by a list as of others: active once the user has been seen", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [joe, alice] = [domain.phone("joe", one), domain.phone("alice", one)];
    const list = "sip:joe-friends@example.com" as Aor;
    keepList(one.storage, { uri: list, owner: joe.aor, members: [alice.aor] });
    await domain.time.until(joe.subscribe(list, { headers: [["Supported", "eventlist"]] }));
    await domain.time.until(alice.subscribe(alice.aor, WINFO));
    await domain.time.advance(600);
    await domain.time.until(alice.publish("here"));
    await domain.time.advance(1000);
    expect(watchers(alice)).to.deep.equal(["joe active"]);
  });

  it("does not tell of who watches by a list as pending, while their server has been started and knows nothing yet", async () => {
    const { domain, one, alice } = await aliceOnTwo({ latencyMs: 600 });
    const joe = domain.phone("joe", one);
    const list = "sip:joe-friends@example.com" as Aor;
    keepList(one.storage, { uri: list, owner: joe.aor, members: [alice.aor] });
    await domain.time.until(joe.subscribe(list, { headers: [["Supported", "eventlist"]] }));
    await domain.time.until(alice.subscribe(alice.aor, WINFO));
    await domain.time.advance(1000);
    expect(watchers(alice)).to.deep.equal(["joe active"]);
    const before = told(alice).length;
    domain.kill(one);
    domain.restart(one);
    await domain.time.advance(5000);
    expect(watchers(alice)).to.deep.equal(["joe active"]);
    const since = told(alice)
      .slice(before)
      .flatMap(({ watchers: entries }) => entries);
    expect(since.filter(({ status }) => status === "pending")).to.deep.equal([]);
  });

  it("is told what it has missed of a server, as soon as there is a link again; meanwhile nobody is said to have gone", async () => {
    const { domain, one, two, alice } = await aliceOnTwo();
    const [joe, ann] = [domain.phone("joe", one), domain.phone("ann", one)];
    await domain.time.until(joe.subscribe(alice.aor));
    await domain.time.until(alice.subscribe(alice.aor, WINFO));
    await domain.time.advance(50);
    domain.network.links.cut(one.id, two.id);
    await domain.time.until(ann.subscribe(alice.aor));
    await domain.time.advance(3000);
    expect(watchers(alice)).to.deep.equal(["joe active"]);
    domain.network.links.heal(one.id, two.id);
    await domain.time.advance(1000);
    expect(watchers(alice)).to.deep.equal(["ann active", "joe active"]);
    const gone = told(alice).flatMap(({ watchers: entries }) =>
      entries.filter(({ status }) => status === "terminated"),
    );
    expect(gone).to.deep.equal([]);
  });
});
