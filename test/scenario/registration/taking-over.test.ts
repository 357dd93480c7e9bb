import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { ClientAuthenticator } from "../../../node/federation/edge.ts";
import type { SipResponse } from "../../../node/sip/message/message.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { limits } from "../../../node/runtime/limits.ts";
import type { RegistrationPolicy } from "../../../node/registrar/claim-policy.ts";
import type { Device } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

/** Asks for credentials each time; stands for digest, which has its own tests. */
const CHALLENGES: ClientAuthenticator = {
  authenticate({ headers }) {
    const user = headers.get("Authorization");
    return user === undefined
      ? { kind: "refused", refusal: { status: 401, reason: "Who Are You" } }
      : { kind: "user", aor: user as Aor, wasChallenged: true };
  },
};

const statusOf = ({ status }: SipResponse) => status;

describe("registration when the user may be on another server", () => {
  it("makes this server the owner before the client hears 200", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const alice = domain.device("alice", one);
    const answer = alice.register(600);
    expect(one.locator.owned(alice.aor)).to.equal(undefined);
    const response = await answer;
    expect(response.status).to.equal(200);
    expect(response.headers.get("Contact")).to.equal(`<${alice.client.contact}>;expires=600`);
    expect(response.headers.has("Date")).to.equal(true);
    expect(one.locator.owned(alice.aor)).to.not.equal(undefined);
    expect(domain.contactsAt(one, alice.aor)).to.deep.equal([alice.client.contact]);
  });

  it("is in the log, but users who go to and fro do not fill that: the next line says how many it was", async () => {
    const lines: { readonly leftOut?: number }[] = [];
    const domain = new SimulatedDomain();
    const logger = { ...silentLogger, info: (fields: object) => void lines.push(fields) };
    const [one, two] = [domain.server("one", { logger }), domain.server("two")];
    const users = Array.from({ length: 50 }, (_, i) => `user${i}`);
    const allAt = (server: typeof one, some = users) =>
      domain.time.until(Promise.all(some.map((user) => domain.device(user, server).register(600))));
    await allAt(one);
    await allAt(two);
    const { clientLinesPerSecond: most } = limits.node;
    expect(lines).to.have.lengthOf(most);
    await allAt(one, ["late"]);
    await domain.time.advance(1_000);
    await allAt(two, ["late"]);
    expect(lines.slice(most).map(({ leftOut }) => leftOut)).to.deep.equal([users.length - most]);
  });

  it("takes the user over: the other server lets go of every contact at once, on disk too", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [desk, mobile, other] = [
      domain.device("alice", one),
      domain.device("alice", one),
      domain.device("alice", two),
    ];
    await desk.register();
    await mobile.register();
    expect(domain.contactsAt(one, desk.aor)).to.have.length(2);
    expect(statusOf(await other.register())).to.equal(200);
    expect(domain.contactsAt(one, desk.aor)).to.deep.equal([]);
    expect([...one.store.list()]).to.deep.equal([]);
    expect(one.registrar.status().contacts).to.equal(0);
    expect(domain.contactsAt(two, desk.aor)).to.deep.equal([other.client.contact]);
    expect(one.counters.get("registrar.shed")).to.equal(2);
  });

  it("does not confirm a registration whose user was taken away again before the claim's answer came", async () => {
    const domain = new SimulatedDomain({ claimAnswerMs: 10 });
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [first, second] = [domain.device("alice", one), domain.device("alice", two)];
    const early = first.register();
    await domain.time.advance(5);
    const answers = await Promise.all([early, second.register()]);
    expect(answers.map(statusOf)).to.deep.equal([403, 200]);
    expect([...one.store.list()]).to.deep.equal([]);
    expect(statusOf(await first.register()), "an automatic retry").to.equal(403);
  });

  it("asks to come again when the leases ran out before the claim's answer came", async () => {
    const domain = new SimulatedDomain({ claimAnswerMs: 10 });
    const one = domain.server("one");
    const alice = domain.device("alice", one);
    const early = alice.register();
    await domain.time.advance(5);
    domain.directory.expire(one.locator);
    expect(statusOf(await early)).to.equal(503);
    expect([...one.store.list()]).to.deep.equal([]);
    expect(statusOf(await alice.register())).to.equal(200);
  });

  it("sends no claim for a refresh of a user who is owned", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const alice = domain.device("alice", one);
    await alice.register();
    expect(statusOf(await alice.register())).to.equal(200);
    expect(one.locator.claims).to.have.length(1);
  });

  it("leaves exactly one owner with contacts when a user registers everywhere in the same instant", async () => {
    const domain = new SimulatedDomain();
    const servers = ["one", "two", "three"].map((name) => domain.server(name));
    const devices = servers.map((server) => domain.device("zeke", server));
    const answers = await Promise.all(devices.map((device) => device.register()));
    expect(answers.map(statusOf)).to.include(200);
    const zeke = devices[0]?.aor as (typeof devices)[0]["aor"];
    const owners = servers.filter((server) => server.locator.owned(zeke) !== undefined);
    const holders = servers.filter((server) => server.registrar.status().contacts > 0);
    expect(owners).to.have.length(1);
    expect(holders).to.deep.equal(owners);
    expect(servers.flatMap((server) => domain.contactsAt(server, zeke))).to.have.length(1);
  });

  describe("the refresh of a client whose user has gone to another server", () => {
    it("does not steal the user back, however often it comes", async () => {
      const domain = new SimulatedDomain();
      const [one, two] = [domain.server("one"), domain.server("two")];
      const [old, current] = [domain.device("alice", one), domain.device("alice", two)];
      await old.register();
      await current.register();
      for (let i = 0; i < 3; i++) {
        const answer = await old.register();
        expect([answer.status, answer.reason]).to.deep.equal([403, "Registered On Another Server"]);
        expect(statusOf(await current.register())).to.equal(200);
      }
      expect(two.locator.owned(old.aor)).to.not.equal(undefined);
      expect(domain.contactsAt(two, old.aor)).to.deep.equal([current.client.contact]);
    });

    it("has the user back once they have left the other server", async () => {
      const domain = new SimulatedDomain();
      const [one, two] = [domain.server("one"), domain.server("two")];
      const [old, current] = [domain.device("alice", one), domain.device("alice", two)];
      await old.register();
      await current.register();
      await current.register(0);
      expect(statusOf(await old.register())).to.equal(200);
      expect(one.locator.owned(old.aor)).to.not.equal(undefined);
    });

    for (const isChallenged of [false, true]) {
      const how = isChallenged ? ", and is challenged each time" : "";
      const options = isChallenged ? { authenticator: CHALLENGES } : {};
      const statusAt = async (device: Device) => {
        const { status } = await device.register();
        return status === 401 ? statusOf(await device.register(3600, [["Authorization", device.aor]])) : status;
      };

      it(`is not the user's where one client keeps itself registered at two servers, each counted for itself${how}: they settle`, async () => {
        for (const tries of [1, 2, 3]) {
          for (const ahead of [0, 1, 2, 3]) {
            const domain = new SimulatedDomain();
            const [one, two] = [domain.server("one", options), domain.server("two", options)];
            const [first, second] = [domain.device("alice", one), domain.device("alice", two)];
            second.callId = first.callId;
            for (let i = 0; i < ahead; i++) second.registration();
            const statuses: number[] = [];
            for (let round = 0; round < 8; round++) {
              for (const device of [first, second]) {
                for (let left = tries; left > 0; left--) {
                  statuses.push(await statusAt(device));
                  if (statuses.at(-1) === 200) break;
                }
              }
            }
            const refused = Array.from({ length: 7 }, () => [...Array<number>(tries).fill(403), 200]).flat();
            expect(statuses, `${tries} tries, ${ahead} ahead`).to.deep.equal([200, 200, ...refused]);
            expect(domain.contactsAt(two, first.aor)).to.deep.equal([second.client.contact]);
            domain.kill(two);
            await domain.time.advance(15_000);
            expect(await statusAt(first), "the other server is gone").to.equal(200);
          }
        }
      });

      it(`is the user's where the same client has gone there and back${how}, as between a first server and a second`, async () => {
        const domain = new SimulatedDomain();
        const [one, two] = [domain.server("one", options), domain.server("two", options)];
        const [first, second] = [domain.device("alice", one), domain.device("alice", two)];
        // One Call-ID and a CSeq that rises: it is one client, whichever server it asks.
        second.continues(first);
        for (const [device, server] of [
          [first, one],
          [second, two],
          [first, one],
          [first, one],
          [second, two],
        ] as const) {
          expect(await statusAt(device), server.name).to.equal(200);
          expect(domain.contactsAt(server, first.aor)).to.have.length(1);
          expect(one.registrar.status().contacts + two.registrar.status().contacts).to.equal(1);
          second.continues(first);
          first.continues(second);
        }
      });
    }

    it("is a choice again after the person has signed off or started anew", async () => {
      const domain = new SimulatedDomain();
      const [one, two] = [domain.server("one"), domain.server("two")];
      const [old, current] = [domain.device("alice", one), domain.device("alice", two)];
      await old.register();
      await current.register();
      expect(statusOf(await old.register(0))).to.equal(200);
      expect(two.locator.owned(old.aor)).to.not.equal(undefined);
      expect(statusOf(await old.register())).to.equal(200);
      expect(one.locator.owned(old.aor)).to.not.equal(undefined);

      current.restart();
      expect(statusOf(await current.register())).to.equal(200);
      expect(two.locator.owned(old.aor)).to.not.equal(undefined);
    });
  });

  describe("by policy", () => {
    const outcomes: [RegistrationPolicy, number, string | undefined][] = [
      ["redirect", 302, "<sip:127.0.0.1:5060>"],
      ["reject", 403, undefined],
    ];
    for (const [policy, status, contact] of outcomes) {
      it(`answers ${status} while another server owns the user (${policy})`, async () => {
        const domain = new SimulatedDomain();
        const [one, two] = [domain.server("one"), domain.server("two", { policy })];
        const [first, second] = [domain.device("alice", one), domain.device("alice", two)];
        await first.register();
        const answer = await second.register();
        expect([answer.status, answer.headers.get("Contact")]).to.deep.equal([status, contact]);
        expect(domain.contactsAt(one, first.aor)).to.deep.equal([first.client.contact]);
        await first.register(0);
        expect(statusOf(await second.register())).to.equal(200);
      });
    }
  });

  it("refuses instead of redirecting while the owner does not say where its clients reach it", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two", { policy: "redirect" })];
    const [first, second] = [domain.device("alice", one), domain.device("alice", two)];
    await first.register();
    domain.network.freeze(one.id);
    expect(statusOf(await second.register())).to.equal(403);
  });

  it("changes nothing and says when to come again while the directory cannot be reached", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const alice = domain.device("alice", one);
    one.locator.cutOff();
    const answer = await alice.register();
    expect([answer.status, answer.headers.get("Retry-After")]).to.deep.equal([503, "5"]);
    expect([...one.store.list()]).to.deep.equal([]);
    one.locator.reconnect();
    expect(statusOf(await alice.register())).to.equal(200);
  });

  it("waits no longer for a claim than the client does", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [first, second] = [domain.device("alice", one), domain.device("alice", two)];
    await first.register();
    one.locator.cutOff();
    const startMs = domain.time.monotonicMs();
    expect(statusOf(await second.register())).to.equal(503);
    expect(domain.time.monotonicMs() - startMs).to.be.lessThan(32_000);
    expect(domain.contactsAt(two, second.aor)).to.deep.equal([]);
  });

  it("takes over from a server that has died as soon as its lease is over", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [first, second] = [domain.device("alice", one), domain.device("alice", two)];
    await first.register();
    domain.network.kill(one.id);
    one.locator.kill();
    const startMs = domain.time.monotonicMs();
    expect(statusOf(await second.register())).to.equal(200);
    expect(domain.time.monotonicMs() - startMs).to.be.within(9_000, 11_000);
  });

  it("answers a query from the owner only", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [alice, curious] = [domain.device("alice", one), domain.device("alice", two)];
    expect((await curious.sendRegister([])).headers.has("Contact")).to.equal(false);
    await alice.register();
    expect((await alice.sendRegister([])).headers.get("Contact")).to.match(
      /^<sip:device@127\.0\.0\.1:\d+;transport=udp>;expires=3600$/,
    );
    const elsewhere = await curious.sendRegister([]);
    expect([elsewhere.status, elsewhere.headers.get("Contact")]).to.deep.equal([302, "<sip:127.0.0.1:5060>"]);
    expect(two.locator.claims).to.deep.equal([]);
  });

  it("refuses what cannot succeed before it moves anybody", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [alice, wrong] = [domain.device("alice", one), domain.device("alice", two)];
    await alice.register();
    const brief = await wrong.register(10);
    expect([brief.status, brief.headers.get("Min-Expires")]).to.deep.equal([423, "60"]);
    const contacts = Array.from(
      { length: 17 },
      (_, i) => ["Contact", `<sip:a@127.0.0.1:${9000 + i}>`] as [string, string],
    );
    expect(statusOf(await wrong.sendRegister(contacts))).to.equal(403);
    expect(two.locator.claims).to.deep.equal([]);
    expect(domain.contactsAt(one, alice.aor)).to.have.length(1);
  });

  it("is waited for by what other servers send as soon as they hear of it, for a moment", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const alice = domain.device("alice", one);
    const { registrar } = one;
    expect(registrar.registering(alice.aor), "nobody registers").to.equal(undefined);
    void alice.register();
    await domain.time.advance(domain.network.latencyMs);
    const underWay = registrar.registering(alice.aor);
    expect(underWay).to.be.instanceOf(Promise);
    await domain.time.until(underWay!);
    expect(domain.contactsAt(one, alice.aor)).to.deep.equal([alice.client.contact]);
    expect(registrar.registering(alice.aor), "it is there").to.equal(undefined);
  });

  it("is registered by another device, too, however much waits for the first", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [desk, mobile] = [domain.device("alice", one), domain.device("alice", one)];
    const first = desk.register();
    await domain.time.advance(domain.network.latencyMs);
    for (let waiting = 0; waiting < 2 * limits.registrar.pendingPerAor; waiting++)
      void one.registrar.registering(desk.aor);
    const second = mobile.register();
    expect([(await first).status, (await second).status]).to.deep.equal([200, 200]);
  });
});
