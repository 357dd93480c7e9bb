import { expect } from "chai";
import fc from "fast-check";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import { compareBallots } from "../../../dht-schema/ballot.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import type { RouteStep } from "../../../node/federation/owner-route.ts";
import { arrive, OwnerRoute } from "../../../node/federation/owner-route.ts";

const [S1, S2] = ["s1", "s2"] as [ServerId, ServerId];
const epoch = (counter: number): Epoch => ({ version: 1, counter, member: 1 });
const at = (server: ServerId, counter: number) => ({ kind: "server", server, epoch: epoch(counter) }) as const;
const send = (server: ServerId, counter: number): RouteStep => ({
  kind: "send",
  hop: { server, epoch: epoch(counter) },
});
const LOCATE_SURELY: RouteStep = { kind: "locate", certain: true };
const statusOf = (step: RouteStep) => (step.kind === "refuse" ? step.refusal.status : step.kind);

function sending(options: ConstructorParameters<typeof OwnerRoute>[1] = {}): OwnerRoute {
  const route = new OwnerRoute(3, options);
  route.start();
  expect(route.located(at(S1, 5))).to.deep.equal(send(S1, 5));
  return route;
}

describe("the way of a request to the owner of its user", () => {
  it("delivers to a user who is here", () => {
    const route = new OwnerRoute(3);
    expect(route.start()).to.deep.equal({ kind: "locate", certain: false });
    expect(route.located({ kind: "here", epoch: epoch(1) })).to.deep.equal({ kind: "deliver" });
    expect(route.delivered("answered")).to.deep.equal({ kind: "relay" });
  });

  it("sends to the server of the user and relays its answer", () => {
    expect(sending().answered({})).to.deep.equal({ kind: "relay" });
  });

  it("believes that nobody has the user only when a majority says so", () => {
    const route = new OwnerRoute(3);
    route.start();
    expect(route.located({ kind: "nobody" })).to.deep.equal(LOCATE_SURELY);
    expect(statusOf(route.located({ kind: "nobody" }))).to.equal(480);
  });

  it("answers 503 when no majority can be reached", () => {
    const route = new OwnerRoute(3);
    route.start();
    expect(statusOf(route.located({ kind: "unavailable", reason: "" }))).to.equal(503);
  });

  it("looks again when the user was lost before the delivery", () => {
    const route = new OwnerRoute(3);
    route.start();
    route.located({ kind: "here", epoch: epoch(1) });
    expect(route.delivered("lost")).to.deep.equal(LOCATE_SURELY);
    expect(route.located(at(S2, 2))).to.deep.equal(send(S2, 2));
  });

  it("looks again when the server does not own the user", () => {
    const route = sending();
    expect(route.answered({ notOwner: { epoch: epoch(6) } })).to.deep.equal(LOCATE_SURELY);
    expect(route.located(at(S2, 6))).to.deep.equal(send(S2, 6));
    expect(route.answered({})).to.deep.equal({ kind: "relay" });
  });

  it("follows the old owner's word to the new one", () => {
    expect(sending().answered({ notOwner: { epoch: epoch(6), owner: S2 } })).to.deep.equal(send(S2, 6));
  });

  it("does not follow a word that is older than what it knows", () => {
    expect(sending().answered({ notOwner: { epoch: epoch(4), owner: S2 } })).to.deep.equal(LOCATE_SURELY);
  });

  it("does not go again where it was in vain", () => {
    const route = sending();
    route.answered({ failed: "not-sent" });
    expect(statusOf(route.located(at(S1, 5)))).to.equal(480);
  });

  it("goes again to a server over its next link, once, with what is known there by its name", () => {
    const route = sending({ isNamed: true });
    route.answered({ failed: "not-sent" });
    expect(route.located(at(S1, 5))).to.deep.equal({ kind: "await-link", hop: { server: S1, epoch: epoch(5) } });
    expect(route.linked(true)).to.deep.equal(send(S1, 5));
    route.answered({ failed: "not-sent" });
    expect(statusOf(route.located(at(S1, 5)))).to.equal(480);
    expect(route.isOutcomeUnknown).to.equal(false);
  });

  it("waits for no link to a server that does not own the user", () => {
    const route = sending({ isNamed: true });
    route.answered({ failed: "not-sent" });
    route.located(at(S2, 6));
    route.answered({ notOwner: { epoch: epoch(6) } });
    expect(statusOf(route.located(at(S2, 6)))).to.equal(480);
  });

  it("does not know what became of a request whose link broke, whoever refuses it afterwards", () => {
    const route = sending({ isNamed: true });
    route.answered({ failed: "cut-off" });
    expect(route.isOutcomeUnknown).to.equal(true);
    route.located(at(S1, 5));
    route.linked(true);
    route.answered({});
    expect(route.isOutcomeUnknown).to.equal(true);

    const passedOn = sending({ isNamed: true });
    passedOn.answered({ notOwner: { epoch: epoch(6), isCutOff: true } });
    expect(passedOn.isOutcomeUnknown).to.equal(true);
  });

  it("tries a server again that owns the user under a new epoch", () => {
    const route = sending();
    route.answered({ notOwner: { epoch: epoch(5) } });
    expect(route.located(at(S1, 7))).to.deep.equal(send(S1, 7));
  });

  it("sends nowhere else what may have been delivered", () => {
    expect(statusOf(sending().answered({ failed: "timed-out" }))).to.equal(504);
  });

  it("gives up after the third server", () => {
    const route = sending();
    route.answered({ notOwner: { epoch: epoch(6), owner: S2 } });
    route.answered({ notOwner: { epoch: epoch(7), owner: S1 } });
    expect(statusOf(route.answered({ notOwner: { epoch: epoch(8), owner: S2 } }))).to.equal(480);
  });

  it("refuses events that do not fit its state", () => {
    const done = sending();
    done.answered({});
    const events: [string, OwnerRoute, (route: OwnerRoute) => unknown][] = [
      ["located while sending", sending(), (route) => route.located({ kind: "nobody" })],
      ["delivered while sending", sending(), (route) => route.delivered("answered")],
      ["answered while locating", new OwnerRoute(3), (route) => route.answered({})],
      ["answered while done", done, (route) => route.answered({})],
      ["linked while sending", sending(), (route) => route.linked(true)],
    ];
    for (const [message, route, event] of events) expect(() => event(route)).to.throw(message);
  });

  it("ends after a bounded number of steps whatever it is told", () => {
    const words = fc.array(fc.nat({ max: 5 }), { minLength: 40, maxLength: 40 });
    fc.assert(
      fc.property(words, fc.array(fc.nat({ max: 20 }), { minLength: 40, maxLength: 40 }), (choices, counters) => {
        const route = new OwnerRoute(3, { isNamed: true });
        let step = route.start();
        let hops = 0;
        for (let i = 0; step.kind !== "relay" && step.kind !== "refuse"; i++) {
          expect(i).to.be.lessThan(20);
          const counter = counters[i] ?? 0;
          const choice = choices[i] ?? 0;
          if (step.kind === "locate") {
            const locations = [
              at(S1, counter),
              at(S2, counter),
              { kind: "here", epoch: epoch(counter) },
              { kind: "nobody" },
            ] as const;
            step = route.located(locations[choice % 4] ?? { kind: "nobody" });
          } else if (step.kind === "deliver") {
            step = route.delivered(choice < 3 ? "lost" : "answered");
          } else if (step.kind === "await-link") {
            step = route.linked(choice < 3);
          } else {
            hops += 1;
            const answers = [
              { notOwner: { epoch: epoch(counter) } },
              { notOwner: { epoch: epoch(counter), owner: S2 } },
              { failed: "not-sent" },
              { failed: "cut-off" },
              {},
            ] as const;
            step = route.answered(answers[choice % 5] ?? {});
          }
        }
        expect(hops).to.be.at.most(3);
      }),
    );
  });
});

describe("the arrival of a request from another server", () => {
  const note = { server: S2, epoch: epoch(6) };

  it("is delivered to a user who is owned", () => {
    expect(arrive(epoch(5), { fresh: true, owned: true, note: undefined })).to.deep.equal({ kind: "deliver" });
    expect(arrive(undefined, { fresh: true, owned: true, note: undefined })).to.deep.equal({ kind: "deliver" });
  });

  it("is refused under a stale epoch, so that the sender learns the new one (I3)", () => {
    expect(arrive(epoch(5), { fresh: false, owned: true, note: undefined })).to.deep.equal({ kind: "not-owner" });
  });

  it("follows the user who has just moved on", () => {
    expect(arrive(epoch(5), { fresh: false, owned: false, note })).to.deep.equal({ kind: "send", hop: note });
  });

  it("is not sent on to an owner that its sender knew already", () => {
    expect(arrive(epoch(6), { fresh: true, owned: false, note })).to.deep.equal({ kind: "not-owner" });
  });

  it("is refused for a user who is not known", () => {
    expect(arrive(epoch(5), { fresh: true, owned: false, note: undefined })).to.deep.equal({ kind: "not-owner" });
  });

  it("never makes a request go in circles: the epoch rises at each hop", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 9 }), { maxLength: 30 }), fc.nat({ max: 9 }), (notes, start) => {
        let sentUnder = epoch(start);
        for (const counter of notes) {
          const step = arrive(sentUnder, { fresh: false, owned: false, note: { server: S2, epoch: epoch(counter) } });
          if (step.kind !== "send") continue;
          expect(compareBallots(step.hop.epoch, sentUnder)).to.be.greaterThan(0);
          sentUnder = step.hop.epoch;
        }
      }),
    );
  });
});
