import { expect } from "chai";
import { figuresOf } from "../../../../sim/chaos/figures.ts";
import type { Notification, Sightings } from "../../../../sim/chaos/sightings.ts";
import { noSightings } from "../../../../sim/chaos/sightings.ts";
import type { Trouble } from "../../../../sim/chaos/swarm.ts";
import type { Tenure } from "../../../../sim/chaos/tenures.ts";
import type { Evidence } from "../../../../sim/chaos/verdict.ts";
import { judge } from "../../../../sim/chaos/verdict.ts";

const tenure = (place: number, fromMs: number, toMs: number, epoch: string, more: Partial<Tenure> = {}): Tenure => {
  const times = { askedAtMs: fromMs - 10, fromMs, seenMs: toMs, toMs, goneMs: toMs };
  return { aor: "sip:alice@example.com", server: `s${place}`, place, epoch, raised: [], end: "handed-over", ...times, ...more }; // prettier-ignore
};

const promisesBroken = (evidence: Partial<Evidence>): string[] => {
  const nothing = {
    fromMs: 0,
    leaseMs: 3_000,
    journals: [],
    tenures: [],
    troubles: [],
    retired: new Set<string>(),
    healed: true,
  };
  const findings = judge({ ...nothing, sightings: noSightings(), ...evidence });
  return findings.map(({ promise }) => promise);
};

const seen = (what: Partial<Sightings>): Sightings => ({ ...noSightings(), ...what });

describe("the verdict on a chaos run", () => {
  it("finds nothing where owners follow each other by growing epochs", () => {
    const tenures = [
      tenure(1, 100, 200, "1.1.1"),
      tenure(2, 210, 300, "1.2.2"),
      tenure(1, 300, 400, "1.5.1", { raised: [{ epoch: "1.8.1", fromMs: 320, toMs: 340 }] }),
      tenure(3, 401, 500, "1.9.3"),
    ];
    expect(promisesBroken({ tenures })).to.deep.equal([]);
  });

  it("finds two owners at once, however shortly", () => {
    const tenures = [tenure(1, 100, 201, "1.1.1"), tenure(2, 200, 300, "1.2.2")];
    expect(promisesBroken({ tenures })).to.have.members(["I2", "linearizability"]);
  });

  it("finds an epoch that is not above all before", () => {
    const tenures = [tenure(1, 100, 200, "1.7.1"), tenure(2, 210, 300, "1.2.2")];
    expect(promisesBroken({ tenures })).to.have.members(["I1", "linearizability"]);
    const raised = tenure(1, 100, 200, "1.1.1", { raised: [{ epoch: "1.8.1", fromMs: 150, toMs: 160 }] });
    expect(promisesBroken({ tenures: [raised, tenure(2, 210, 300, "1.2.2")] })).to.include("I1");
  });

  it("finds a watch that is told of an earlier owner again, in the same life of a process", () => {
    const told = (atMs: number, epoch: string) =>
      ({ kind: "told", atMs, aor: "sip:alice@example.com", state: "owner", epoch }) as const;
    const identity = { name: "s1", place: 1, lives: [] };
    const up = { kind: "up", atMs: 15, number: 1, boot: 2 } as const;
    expect(promisesBroken({ journals: [{ identity, entries: [told(10, "1.2.2"), told(20, "1.1.1")] }] })).to.deep.equal(["I4"]); // prettier-ignore
    expect(promisesBroken({ journals: [{ identity, entries: [told(10, "1.2.2"), up, told(20, "1.1.1")] }] })).to.deep.equal([]); // prettier-ignore
  });

  describe("of messages", () => {
    const message = (status: number) => ({
      id: "m", from: "bob", to: "alice", server: "s1", askedAtMs: 10, answeredAtMs: 20, status,
    }); // prettier-ignore
    const got = (phone: string) => ({ id: "m", phone, atMs: 15 });
    const verdict = (status: number, phones: string[], more: Partial<Evidence> = {}) =>
      promisesBroken({ sightings: seen({ messages: [message(status)], deliveries: phones.map(got) }), ...more });

    it("misses what was answered with success and never arrived, and nothing else", () => {
      expect(verdict(200, [])).to.deep.equal(["messages"]);
      expect(verdict(202, [])).to.deep.equal(["messages"]);
      expect(verdict(202, [], { healed: false }), "it may be on its way").to.deep.equal([]);
      for (const status of [0, 480, 503]) expect(verdict(status, [])).to.deep.equal([]);
      expect(verdict(200, ["alice#1"])).to.deep.equal([]);
    });

    it("forgives the loss of what was held by a server that is gone with its disk", () => {
      expect(verdict(202, [], { retired: new Set(["s1"]) })).to.deep.equal([]);
      expect(verdict(202, [], { retired: new Set(["s2"]), tenures: [tenure(2, 50, 60, "1.1.2")] })).to.deep.equal([]);
      expect(verdict(202, [], { retired: new Set(["s2"]), tenures: [tenure(2, 1, 9, "1.1.2")] })).to.deep.equal([
        "messages",
      ]);
      expect(verdict(202, [], { retired: new Set(["s2"]) })).to.deep.equal(["messages"]);
      expect(verdict(200, [], { retired: new Set(["s1"]) })).to.deep.equal(["messages"]);
    });

    it("minds the same phone getting one twice that was delivered at once, not two phones", () => {
      expect(verdict(200, ["alice#1", "alice#1"])).to.deep.equal(["messages"]);
      expect(verdict(200, ["alice#1", "alice#2"])).to.deep.equal([]);
      expect(verdict(202, ["alice#1", "alice#1"])).to.deep.equal([]);
    });
  });

  describe("of presence", () => {
    const notify = (atMs: number, more: Partial<Notification>): Notification => {
      return { watcherPlace: 2, dialog: "2/1", user: "alice", atMs, state: "active", basic: "open", ...more };
    };
    const publication = (number: number, askedAtMs: number, answeredAtMs: number, status = 200) => {
      return { user: "alice", number, askedAtMs, answeredAtMs, status };
    };

    it("finds a state of a lower epoch shown after one of a higher", () => {
      const notifications = [
        notify(50, { shown: { number: 2, place: 3 } }),
        notify(60, { shown: { number: 1, place: 1 } }),
      ];
      const settled = [publication(1, 10, 20), publication(2, 30, 40)];
      const tenures = [tenure(1, 5, 25, "1.1.1"), tenure(3, 28, 90, "1.2.3")];
      const verdict = (evidence: Partial<Evidence>, publications = settled) =>
        promisesBroken({ sightings: seen({ notifications, publications }), tenures, ...evidence });
      expect(verdict({})).to.deep.equal(["I3"]);
      const open = [publication(1, 10, 35, 0), publication(2, 36, 40)];
      expect(verdict({}, open), "carried out late, perhaps").to.deep.equal([]);
      const again = [tenure(1, 5, 25, "1.1.1"), tenure(3, 28, 53, "1.2.3"), tenure(1, 55, 90, "1.3.1")];
      expect(verdict({ tenures: again }), "claimed again since").to.deep.equal([]);
      const stale = [tenure(3, 5, 25, "1.1.3"), tenure(1, 28, 90, "1.2.1")];
      expect(verdict({ tenures: stale }), "the later one was accepted by a stale owner").to.deep.equal([]);
    });

    it("finds somebody shown closed who was registered and owned all the while, where nobody was in trouble", () => {
      const sightings = seen({
        notifications: [notify(9_000, { basic: "closed" })],
        publications: [publication(1, 110, 120)],
      });
      const tenures = [tenure(1, 100, 20_000, "1.1.1")];
      const freeze: Trouble = { kind: "freeze", places: [2], severed: [], fromMs: 4_000, toMs: 7_000 };
      expect(promisesBroken({ sightings, tenures })).to.deep.equal(["presence"]);
      expect(promisesBroken({ sightings, tenures, troubles: [freeze] })).to.deep.equal([]);
      expect(promisesBroken({ sightings, tenures: [tenure(1, 100, 8_500, "1.1.1")] })).to.deep.equal([]);
      const signOffs = [{ user: "alice", fromMs: 8_000, toMs: Infinity }];
      expect(promisesBroken({ sightings: { ...sightings, signOffs }, tenures })).to.deep.equal([]);
    });
  });
});

describe("the figures of a chaos run", () => {
  it("count moves, and time without an owner only while the user wants to be online", () => {
    const tenures = [
      tenure(1, 1_000, 2_000, "1.1.1", { end: "died" }),
      tenure(2, 4_500, 6_000, "1.2.2", { end: "released" }),
      tenure(2, 9_000, 9_500, "1.3.2"),
      tenure(3, 9_600, 20_000, "1.4.3", { end: "lasts" }),
    ];
    const signOffs = [{ user: "alice", fromMs: 5_990, toMs: 8_990 }];
    const figures = figuresOf({
      users: ["alice"],
      tenures,
      troubles: [{ kind: "kill", places: [1], severed: [], fromMs: 2_000, toMs: 3_000 }],
      sightings: seen({ signOffs }),
      fromMs: 0,
      toMs: 10_000,
    });
    expect(figures.claims).to.deep.equal({ won: 4, perSecond: 0.4 });
    expect(figures.moves).to.deep.equal({ all: 2, handedOver: 1 });
    expect(figures.longestOutageMs).to.deep.equal({ alice: 2_500 });
    expect(figures.faults).to.deep.equal({ kill: 1 });
  });
});
