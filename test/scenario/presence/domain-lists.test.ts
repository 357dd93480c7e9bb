import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { digestSecrets } from "../../../node/cli/commands/user/digest-secrets.ts";
import { LISTS_METHOD } from "../../../node/presence/lists/domain-lists.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { createRequest } from "../../../node/sip/message/build.ts";
import type { Phone } from "../../helpers/phone.ts";
import { readRlmi } from "../../helpers/rlmi.ts";
import type { SimulatedServer } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";
import { openMemoryStorage } from "../../../node/storage/storage.ts";

const user = (name: string) => `sip:${name}@example.com` as Aor;
const FRIENDS = user("joe-friends");
const friends = (...members: string[]) => ({ uri: FRIENDS, owner: user("joe"), members: members.map(user) });
const membersAt = ({ storage }: SimulatedServer) =>
  storage.lists.get(FRIENDS)?.members.map((member) => member.slice(4, -12));

async function twoServers() {
  const domain = new SimulatedDomain();
  const [one, two] = [domain.server("one"), domain.server("two")];
  await domain.time.advance(10);
  return { domain, one, two };
}

/** Joe at a server subscribes to his list, and is told of whom. */
async function told(domain: SimulatedDomain, joe: Phone): Promise<string[] | number> {
  const { status, headers } = await domain.time.until(
    joe.subscribe(FRIENDS, { headers: [["Supported", "eventlist"]] }),
  );
  if (status !== 200 || headers.get("Require") !== "eventlist") return status;
  await domain.time.advance(1000);
  const [first] = joe
    .notifies("presence")
    .filter(({ body }) => body.length > 0)
    .map(readRlmi);
  return Object.entries(first?.members ?? {}).map(([name, state]) => `${name} ${state}`);
}

describe("a list of buddies whose owner moves", () => {
  it("is where he is: put at one server, it is subscribed to at another", async () => {
    const { domain, one, two } = await twoServers();
    await domain.time.until(domain.phone("alice", one).publish("at work"));
    one.lists.put(friends("alice", "bob"));
    await domain.time.advance(10);
    expect(await told(domain, domain.phone("joe", two))).to.deep.equal([
      "alice active open at work",
      "bob pending closed",
    ]);
  });

  it("is there although the server at which it was put is down", async () => {
    const { domain, one, two } = await twoServers();
    one.lists.put(friends("alice"));
    await domain.time.advance(10);
    domain.kill(one);
    expect(await told(domain, domain.phone("joe", two))).to.deep.equal(["alice pending closed"]);
  });

  it("is there after all servers have been started again", async () => {
    const { domain, one, two } = await twoServers();
    one.lists.put(friends("alice"));
    await domain.time.advance(10);
    domain.kill(one);
    domain.kill(two);
    const again = domain.restart(two);
    expect(await told(domain, domain.phone("joe", again))).to.deep.equal(["alice pending closed"]);
  });

  it("takes nothing but subscriptions on any server", async () => {
    const { domain, one, two } = await twoServers();
    one.lists.put(friends("alice"));
    await domain.time.advance(10);
    expect((await domain.device("joe", two).message(FRIENDS, "hello all")).status).to.equal(405);
  });
});

describe("the lists of a domain", () => {
  it("are learnt by a server that was down when they were made, and by one that is new", async () => {
    const { domain, one, two } = await twoServers();
    domain.kill(two);
    one.lists.put(friends("alice"));
    const [again, three] = [domain.restart(two), domain.server("three")];
    await domain.time.advance(100);
    expect([again, three].map(membersAt)).to.deep.equal([["alice"], ["alice"]]);
  });

  it("do not come back by a server that was down when they were removed", async () => {
    const { domain, one, two } = await twoServers();
    one.lists.put(friends("alice"));
    await domain.time.advance(10);
    domain.kill(two);
    expect([one.lists.remove(FRIENDS), one.lists.remove(FRIENDS)]).to.deep.equal([true, false]);
    const again = domain.restart(two);
    await domain.time.advance(100);
    expect([one, again].map(membersAt)).to.deep.equal([undefined, undefined]);
    again.lists.put(friends("bob"));
    await domain.time.advance(10);
    expect([one, again].map(membersAt)).to.deep.equal([["bob"], ["bob"]]);
  });

  it("are what they were made last, where two servers could not hear of each other", async () => {
    const { domain, one, two } = await twoServers();
    domain.network.links.cut(one.id, two.id);
    await domain.time.advance(2000);
    one.lists.put(friends("alice"));
    await domain.time.advance(1000);
    two.lists.put(friends("bob"));
    domain.network.links.heal(one.id, two.id);
    await domain.time.advance(1000);
    domain.meet(one, two);
    await domain.time.advance(100);
    expect([one, two].map(membersAt)).to.deep.equal([["bob"], ["bob"]]);
  });

  it("of the same address, which two servers had before they shared them, are one: what is lost is in the log", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [openMemoryStorage(), openMemoryStorage()];
    one.lists.put({ uri: FRIENDS, version: 0, list: friends("alice") });
    two.lists.put({ uri: FRIENDS, version: 0, list: friends("bob") });
    for (const lists of [one.lists, two.lists])
      lists.put({ uri: user("same"), version: 0, list: { ...friends("carol"), uri: user("same") } });
    const warnings: object[] = [];
    const servers = [one, two].map((storage, at) =>
      domain.server(`s${at}`, { storage, logger: { ...silentLogger, warn: (fields) => warnings.push(fields) } }),
    );
    await domain.time.advance(1000);
    const [kept, same] = servers.map(membersAt);
    expect(kept).to.deep.equal(same);
    const [list, lost] =
      kept?.[0] === "alice" ? [friends("alice"), friends("bob")] : [friends("bob"), friends("alice")];
    expect(warnings).to.deep.equal([{ list, lost }]);
    // From here on a change is meant.
    servers[0]?.lists.put(friends("dave"));
    await domain.time.advance(1000);
    expect([servers.map(membersAt), warnings.length]).to.deep.equal([[["dave"], ["dave"]], 1]);
  });

  it("that have the address of a user of another server are in the log there", async () => {
    const domain = new SimulatedDomain();
    const storage = openMemoryStorage();
    const secrets = digestSecrets("joe-friends", "example.com", "secret");
    storage.users.put({ aor: FRIENDS, username: "joe-friends", realm: "example.com", ...secrets });
    const warnings: object[] = [];
    const one = domain.server("one");
    domain.server("two", { storage, logger: { ...silentLogger, warn: (fields) => warnings.push(fields) } });
    await domain.time.advance(10);
    one.lists.put({ ...friends("alice"), uri: user("others") });
    one.lists.put(friends("alice"));
    await domain.time.advance(1000);
    expect(warnings).to.deep.equal([{ list: friends("alice") }]);
    one.lists.remove(FRIENDS);
    await domain.time.advance(1000);
    expect(warnings).to.have.lengthOf(1);
  });

  it("are told again to a server that did not answer in time", async () => {
    const { domain, one, two } = await twoServers();
    domain.network.freeze(two.id);
    one.lists.put(friends("alice"));
    await domain.time.advance(limits.presence.lists.askMs);
    two.stack.state = "up";
    await domain.time.advance(100);
    expect(membersAt(two)).to.equal(undefined);
    await domain.time.advance(limits.presence.lists.retryMs);
    expect(membersAt(two)).to.deep.equal(["alice"]);
  });

  it("are many more than one message holds, and all are learnt", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const members = Array.from({ length: 150 }, (_, index) => user(`member-${index}`));
    for (let index = 0; index < 60; index++) one.lists.put({ uri: user(`list-${index}`), owner: user("joe"), members });
    const two = domain.server("two");
    await domain.time.advance(1000);
    expect(two.lists.list()).to.deep.equal(one.lists.list());
    const asked = domain.network.log.filter(({ request, to }) => request.method === LISTS_METHOD && to === one.id);
    expect(asked.length).to.be.within(3, 10);
  });

  it("are compared, and not sent, where two servers know the same", async () => {
    const { domain, one, two } = await twoServers();
    one.lists.put(friends("alice"));
    await domain.time.advance(10);
    domain.network.log.length = 0;
    domain.meet(one, two);
    await domain.time.advance(100);
    expect(domain.network.log.map(({ request }) => request.method)).to.deep.equal([LISTS_METHOD, LISTS_METHOD]);
    expect(two.counters.get("presence.lists_learnt")).to.equal(1);
  });

  it("are nobody's business but the servers': a client gets 405", async () => {
    const { domain, one } = await twoServers();
    const joe = domain.device("joe", one);
    const body = JSON.stringify({ kind: "question", digest: "", after: "" });
    const addresses = { uri: "sip:example.com", from: `<${joe.aor}>;tag=j`, to: "<sip:example.com>" };
    expect((await joe.send(createRequest({ method: LISTS_METHOD, ...addresses, body }))).status).to.equal(405);
  });

  it("are refused by a server where they cannot be read, or are of another domain", async () => {
    const { domain, one, two } = await twoServers();
    const send = (body: string) => {
      const addresses = { uri: "sip:example.com", from: "<sip:example.com>;tag=j", to: "<sip:example.com>" };
      const request = createRequest({ method: LISTS_METHOD, ...addresses, body });
      return domain.time.until(two.stack.send(request, { transport: "MESH", server: one.id }));
    };
    const news = (over: object) => JSON.stringify({ kind: "news", lists: [{ uri: FRIENDS, version: 1, ...over }] });
    const list = { owner: user("joe"), members: [user("alice")] };
    expect((await send(news({ list }))).status).to.equal(200);
    for (const [what, body] of [
      ["no JSON", "{"],
      ["no request", "{}"],
      ["another domain", news({ uri: "sip:list@example.org", list })],
      ["a member elsewhere", news({ list: { ...list, members: ["sip:eve@example.org"] } })],
      ["an owner who is none", news({ list: { ...list, owner: "joe" } })],
      ["too many members", news({ list: { ...list, members: Array.from({ length: 201 }, (_, i) => user(`m${i}`)) } })],
      ["long addresses", news({ list: { ...list, members: Array(200).fill(user("a".repeat(60))) } })],
      ["a version below 0", news({ version: -1, list })],
    ] as const)
      expect((await send(body)).status, what).to.equal(400);
    expect(one.storage.lists.count()).to.equal(1);
  });
});
