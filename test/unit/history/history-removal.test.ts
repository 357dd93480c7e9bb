import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { createHistoryRemoval, REMOVAL_METHOD } from "../../../node/history/history-removal.ts";
import { OperationalError } from "../../../node/runtime/errors.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { createRequest, createResponse } from "../../../node/sip/message/build.ts";
import { openMemoryStorage } from "../../../node/storage/storage.ts";
import { SipNetwork } from "../../helpers/sip-network.ts";
import { VirtualTime } from "../../helpers/virtual-time.ts";

const ALICE = "sip:alice@example.com" as Aor;
const BOB = "sip:bob@example.com" as Aor;
const { removedAtOnce } = limits.history;

function domainOf(names: readonly string[], former: readonly { id: ServerId; leftAtMs: number }[] = []) {
  const time = new VirtualTime();
  const network = new SipNetwork(time);
  const servers = names.map((name) => {
    const self = name as ServerId;
    const stack = network.server(self);
    const store = openMemoryStorage().history;
    const removal = createHistoryRemoval({
      ...{ store, stack, self, domain: "example.com", clock: time },
      others: () => names.filter((other) => other !== name) as ServerId[],
      ...{ former: () => former, keepMs: 90 * 24 * 3600 * 1000 },
    });
    stack.onRequest((incoming) => removal.handleStep(incoming));
    const add = (user: Aor, count: number): void => {
      for (let i = 0; i < count; i++)
        store.add({ user, peer: "sip:x@example.com", sent: true, atMs: i, callId: "c", text: "hello" }, () => {});
    };
    const left = (user: Aor) => store.find({ user, words: [], sinceMs: 0, beforeMs: 1e9, limit: 1e6 }).length;
    return { self, stack, store, removal, add, left };
  });
  return { time, network, servers };
}

describe("the removal of a user's history", () => {
  it("takes all of it from all servers, however much, and nothing of others", async () => {
    const { time, servers } = domainOf(["one", "two"]);
    const [one, two] = servers;
    one!.add(ALICE, 3 * removedAtOnce);
    two!.add(ALICE, removedAtOnce + 1);
    for (const { add } of servers) add(BOB, 2);
    const { removed, missing } = await time.until(one!.removal.remove(ALICE, true));
    expect({ removed, missing }).to.deep.equal({ removed: 4 * removedAtOnce + 1, missing: [] });
    expect(servers.map(({ left }) => [left(ALICE), left(BOB)])).to.deep.equal([
      [0, 2],
      [0, 2],
    ]);
  });

  it("takes it from one server alone, where that is asked for", async () => {
    const { time, servers } = domainOf(["one", "two"]);
    for (const { add } of servers) add(ALICE, 1);
    expect(await time.until(servers[0]!.removal.remove(ALICE, false))).to.deep.equal({ removed: 1, missing: [] });
    expect(servers.map(({ left }) => left(ALICE))).to.deep.equal([0, 1]);
  });

  it("says which servers may still have some: down, silent, unable, of another release, or gone with it", async () => {
    const leftAtMs = new VirtualTime().wallMs();
    const names = ["one", "down", "silent", "unable", "older", "moving"];
    const { time, network, servers } = domainOf(names, [{ id: "gone" as ServerId, leftAtMs }]);
    for (const { add } of servers) add(ALICE, 1);
    const [one, , , unable, older, moving] = servers;
    network.kill("down" as ServerId);
    network.freeze("silent" as ServerId);
    unable!.store.remove = () => Promise.reject(new OperationalError("DISK_FULL", "full"));
    older!.stack.onRequest((incoming) => incoming.respond(createResponse(incoming.request, 405)));
    moving!.store.isTakingOver = () => true;
    const { removed, missing } = await time.until(one!.removal.remove(ALICE, true));
    expect(removed).to.equal(2);
    expect(missing).to.deep.equal([
      { server: "down", reason: "not connected" },
      { server: "silent", reason: "no answer" },
      { server: "unable", reason: "cannot be written" },
      { server: "older", reason: "answered 405" },
      { server: "moving", reason: "is still being moved" },
      { server: "gone", reason: `left the domain on ${new Date(leftAtMs).toISOString().slice(0, 10)}` },
    ]);
  });

  it("is no answer to a question that names no user", async () => {
    const { time, servers } = domainOf(["one", "two"]);
    servers[1]!.add(ALICE, 1);
    for (const body of ["", "{}", '{"user":"alice"}', JSON.stringify({ user: ALICE, peer: BOB })]) {
      const to = "<sip:example.com>";
      const request = createRequest({ method: REMOVAL_METHOD, uri: "sip:example.com", from: `${to};tag=a`, to, body });
      const answer = servers[0]!.stack.send(request, { transport: "MESH", server: "two" as ServerId });
      expect((await time.until(answer)).status).to.equal(400);
    }
    expect(servers[1]!.left(ALICE)).to.equal(1);
  });
});
