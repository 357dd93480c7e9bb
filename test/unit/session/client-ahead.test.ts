import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { NO_BALLOT } from "../../../dht-schema/ballot.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import type { OwnerChange, OwnershipLost } from "../../../node/federation/locator.ts";
import type {
  RegisteredContact,
  RegisteredContacts,
  Registration,
} from "../../../node/registrar/registered-contacts.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { AwayWaits } from "../../../node/session/away-waits.ts";
import { MovedClients } from "../../../node/session/moved-clients.ts";
import { OtherEnd } from "../../../node/session/other-end.ts";
import { ClientAhead } from "../../../node/session/client-ahead.ts";
import type { Flow, SocketFlow } from "../../../node/sip/stack.ts";
import { settle, VirtualTime } from "../../helpers/virtual-time.ts";
import { request } from "../federation/requests.ts";

const BOB = "sip:bob@example.com" as Aor;
const CAROL = "sip:carol@example.com" as Aor;
const SOURCE = { transport: "UDP", address: "192.0.2.9", port: 5060 } as const;
const URI = "sip:bob@192.0.2.1:5070;transport=tcp";
const { awayMs, waitingForAway } = limits.session;
const { perClient } = waitingForAway;

function flow(connection?: string, changes: Partial<SocketFlow> = {}): SocketFlow {
  const way = { transport: "TCP", address: "192.0.2.1", port: 40_000, ...changes } as const;
  return connection === undefined ? way : { ...way, connection };
}

/** A request to bob's device; the connection `gone` has closed. */
function withinSession(towards: "caller" | "callee", ...registered: readonly RegisteredContact[]) {
  return withinSessionOf(BOB, towards, ...registered);
}

/** @param end whom To names: bob, or his device by its Contact */
function withinSessionOf(end: string, towards: "caller" | "callee", ...registered: readonly RegisteredContact[]) {
  const time = new VirtualTime();
  let contacts = registered;
  const listeners = new Set<(aor: Aor) => void>();
  let changed: ((change: OwnerChange) => void) | undefined;
  const closed = new Set(["gone"]);
  const stack = { hasClosed: (each: Flow) => "connection" in each && closed.has(each.connection ?? "") };
  const other = new OtherEnd(
    { ...request("INFO", end), uri: URI },
    SOURCE,
    { isTowards: (aor) => aor === BOB },
    {
      contacts: {
        contactsOf: (aor) => (aor === BOB ? contacts : [{ uri: URI, flow: flow("carol's") }]),
        usersAt: (contact) => ({ same: contacts.some((each) => each.uri === contact) ? [CAROL, BOB] : [], near: [] }),
        onRegistration(listener) {
          const listen = (aor: Aor) => listener(aor, { uri: URI } as Registration, "registered");
          listeners.add(listen);
          return () => void listeners.delete(listen);
        },
      },
      locator: {
        self: "one" as ServerId,
        watch(_aor, listener) {
          changed = listener;
          return { close: () => (changed = undefined) };
        },
      },
      stack,
    },
  );
  // Before the call the client was registered by the connection `before`.
  const isNewer = (now: Flow) => towards === "callee" || !("connection" in now && now.connection === "before");
  const waits = new AwayWaits();
  let news: Parameters<RegisteredContacts["onRegistration"]>[0] | undefined;
  let lost: ((lost: OwnershipLost) => void) | undefined;
  const owners = { here: true, at: "two" };
  const moved = new MovedClients({
    domain: "example.com",
    locator: {
      owned: () => (owners.here ? NO_BALLOT : undefined),
      locate: async () => ({ kind: "server", server: owners.at as ServerId, epoch: NO_BALLOT }),
      onLost(listener) {
        lost = listener;
        return () => (lost = undefined);
      },
    },
    contacts: {
      isResting: () => false,
      onRegistration(listener) {
        news = listener;
        return () => (news = undefined);
      },
    },
    search: { isAt: async (server, contact) => server === "two" && contact === URI },
    waits,
  });
  const isLostTo = (server: string): void => {
    owners.here = false;
    lost?.({ aor: BOB, epoch: NO_BALLOT, reason: "handed-over", to: server as ServerId });
  };
  const device = new ClientAhead(other, isNewer, { stack, timers: time, waits, moved });
  const comesTo = (server: string) => changed?.({ kind: "owner", server: server as ServerId, epoch: NO_BALLOT });
  const isWatched = () => changed !== undefined;
  const registers = (...now: readonly RegisteredContact[]): void => {
    contacts = now;
    for (const listener of listeners) listener(BOB);
    news?.(BOB, { uri: URI } as Registration, "registered");
  };
  const closes = (connection: string) => void closed.add(connection);
  return { time, device, registers, closes, listeners, comesTo, isWatched, owners, isLostTo };
}

const uri = URI;
const LISTENS = { calledAt: { port: 5070 } };

describe("the client to which a request within a session goes", () => {
  it("has registered by another flow since it was called: nobody may know that the first is dead", () => {
    const now = { uri, flow: flow("new", { port: 41_000 }) };
    expect(withinSession("callee", now).device.flow(flow("old"))).to.deep.equal({ ...now.flow, ...LISTENS });
    const overUdp = { uri, flow: flow(undefined, { transport: "UDP", port: 41_000 }) };
    expect(withinSession("callee", overUdp).device.flow(flow("old"))).to.deep.equal({ ...overUdp.flow, ...LISTENS });
  });

  it("is found, and waited for, by the Contact by which it was called", async () => {
    const now = { uri, flow: flow("new") };
    expect(withinSessionOf(URI, "callee", now).device.flow(flow("gone"))).to.deep.equal({ ...now.flow, ...LISTENS });
    const { device, registers, time } = withinSessionOf(URI, "callee");
    const found = Promise.resolve(device.flow(flow("gone")));
    await time.advance(1000);
    registers(now);
    expect(await time.until(found)).to.deep.equal({ ...now.flow, ...LISTENS });
  });

  it("has called from where it may not have registered yet", () => {
    const before = { uri, flow: flow("before") };
    const since = { uri, flow: flow("since") };
    expect(withinSession("caller", since).device.flow(flow("open"))).to.deep.equal({ ...since.flow, ...LISTENS });
    expect(withinSession("caller", before).device.flow(flow("open"))).to.deep.equal(flow("open"));
    expect(withinSession("caller", before).device.flow(flow("gone"))).to.deep.equal({ ...before.flow, ...LISTENS });
  });

  it("is told by the address of its NAT from another device of its user with the same Contact", () => {
    const [there, here] = ["198.51.100.1", "192.0.2.1"].map((address) => ({ uri, flow: flow("new", { address }) }));
    const { device } = withinSession("callee", { ...there!, twin: "another" }, here!);
    for (const { flow: way } of [there!, here!]) {
      const { address } = way as SocketFlow;
      expect(device.flow(flow("old", { address, port: 1 }))).to.include({ ...way, address });
    }
    const elsewhere = flow("old", { address: "203.0.113.1" });
    expect(device.flow(elsewhere), "neither").to.deep.equal(elsewhere);
  });

  it("is waited for when its connection is gone, for a moment", async () => {
    const { time, device, registers, listeners } = withinSession("caller");
    const late = device.flow(flow("gone"));
    await time.advance(awayMs - 1);
    registers({ uri, flow: flow("new") });
    expect(await late).to.deep.equal({ ...flow("new"), ...LISTENS });
    registers();
    expect(await time.until(Promise.resolve(device.flow(flow("gone"))), awayMs), "stays away").to.deep.equal(
      flow("gone"),
    );
    expect(listeners.size).to.equal(0);
  });

  it("may come to another server instead, and is then reached there", async () => {
    const { device, comesTo, isWatched, time } = withinSession("callee");
    const found = Promise.resolve(device.flow(flow("gone")));
    comesTo("one");
    await time.advance(1000);
    comesTo("two");
    expect(await found).to.deep.equal({ transport: "MESH", server: "two" });
    expect(isWatched()).to.equal(false);
  });

  for (const towards of ["caller", "callee"] as const)
    it(`may be at another server though its connection is not known to be dead, the ${towards}`, async () => {
      const { device, owners } = withinSession(towards);
      expect(device.flow(flow("old"))).to.deep.equal(flow("old"));
      owners.here = false;
      expect(await device.flow(flow("old"))).to.deep.equal({ transport: "MESH", server: "two" });
      owners.at = "three";
      expect(await device.flow(flow("old")), "another device of its user").to.deep.equal(flow("old"));
      expect(withinSessionOf(URI, towards).device.flow(flow("old")), "user unknown").to.deep.equal(flow("old"));
    });

  it("may go to another server while a request is on its way", async () => {
    const { device, isLostTo } = withinSession("callee");
    const gone: Flow[] = [];
    device.listen(flow("old"), (to) => gone.push(to));
    device.listen(flow("old"), (to) => gone.push(to))();
    isLostTo("three");
    await settle();
    expect(gone, "another device of its user").to.deep.equal([]);
    isLostTo("two");
    await settle();
    expect(gone).to.deep.equal([{ transport: "MESH", server: "two" }]);
  });

  it("is sent nothing again that was answered while it was found out where it is", async () => {
    const { device, isLostTo } = withinSession("callee");
    const gone: Flow[] = [];
    const answered = device.listen(flow("old"), (to) => gone.push(to));
    isLostTo("two");
    answered();
    await settle();
    expect(gone).to.deep.equal([]);
  });

  it("may register by another flow while a request is on its way", async () => {
    const { device, registers } = withinSession("callee");
    const moved: Flow[] = [];
    device.listen(flow("old"), (to) => moved.push(to));
    registers({ uri, flow: flow("refreshed") });
    await settle();
    expect(moved, "the same address and port").to.deep.equal([]);
    const now = { uri, flow: flow("new", { port: 41_000 }) };
    registers(now);
    await settle();
    expect(moved).to.deep.equal([{ ...now.flow, ...LISTENS }]);
  });

  it("is sent nothing twice that goes on over its new connection as the one before has closed", async () => {
    const { device, registers, closes } = withinSession("callee");
    const moved: Flow[] = [];
    device.listen(flow("old"), (to) => moved.push(to));
    registers({ uri, flow: flow("new", { port: 41_000 }) });
    // The registrar does so of the same client.
    closes("old");
    await settle();
    expect(moved).to.deep.equal([]);
    const overUdp = { uri, flow: flow(undefined, { transport: "UDP", port: 41_000 }) };
    registers(overUdp);
    await settle();
    expect(moved, "does not go on by another transport").to.deep.equal([{ ...overUdp.flow, ...LISTENS }]);
  });

  it("is not waited for where it can be called", () => {
    const callable = flow("gone", LISTENS);
    expect(withinSession("callee").device.flow(callable)).to.equal(callable);
  });

  it("is not another device of its user, nor one behind another proxy", () => {
    const others = [
      { uri: "sip:bob@192.0.2.1:5071;transport=tcp", flow: flow("a") },
      { uri, flow: flow("b"), path: ["<sip:proxy.example.com;lr>"] },
      { uri, flow: flow("gone") },
    ];
    expect(withinSession("callee", ...others).device.flow(flow("old"))).to.deep.equal(flow("old"));
  });

  it("is not another user's, who has registered the same Contact", () => {
    const now = { uri, flow: flow("new") };
    expect(withinSessionOf(CAROL, "callee", now).device.flow(flow("old"))).to.deep.equal({ ...now.flow, ...LISTENS });
  });

  it("is waited for by some requests, and not by any number", async () => {
    const { device, registers, listeners } = withinSession("callee");
    const waiting = Array.from({ length: 10 * perClient }, async () => device.flow(flow("gone")));
    expect(listeners.size).to.equal(perClient);
    expect(await waiting.at(-1)).to.deep.equal(flow("gone"));
    expect(await device.again(flow("gone"))).to.equal(undefined);
    registers({ uri, flow: flow("new") });
    await Promise.all(waiting);
    registers();
    void device.flow(flow("gone"));
    expect(listeners.size, "there is room again").to.equal(1);
  });

  it("is reached again by the same transport, and where it listens once, when the connection closes in between", async () => {
    const again = async (contact: RegisteredContact, closed: Flow) => {
      const { time, device } = withinSession("callee", contact);
      return time.until(device.again(closed), awayMs);
    };
    const listening = { uri, flow: flow() };
    expect(await again(listening, flow("gone"))).to.deep.equal({ ...flow(), ...LISTENS });
    expect(await again(listening, flow())).to.equal(undefined);
    expect(await again({ uri, flow: flow("new", { transport: "TLS" }) }, flow("gone"))).to.equal(undefined);
  });

  it("is not looked for at other servers by what was on its way when the connection closed", async () => {
    const { device, isWatched, time } = withinSession("callee");
    const again = device.again(flow("gone"));
    expect(isWatched()).to.equal(false);
    expect(await time.until(again, awayMs)).to.equal(undefined);
  });
});
