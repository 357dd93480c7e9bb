import { expect } from "chai";
import fc from "fast-check";
import type { Epoch } from "../../../../dht-schema/ballot.ts";
import { compareBallots } from "../../../../dht-schema/ballot.ts";
import type { ServerId } from "../../../../dht-schema/roster.ts";
import type { OwnerChange } from "../../../../node/federation/locator.ts";
import { BackendView } from "../../../../node/presence/backend/backend-view.ts";
import type { OwnerDocument, ViewEffect } from "../../../../node/presence/backend/view-state.ts";

const TIMES = {
  settleMs: 500,
  orphanGraceMs: 2000,
  restoreGraceMs: 20_000,
  staleMs: 15_000,
  resubscribeJitterMs: 50,
  firstDocumentMs: 5000,
  retryMs: 100,
  retryMaxMs: 30_000,
};
const [SELF, TWO, THREE] = ["self", "two", "three"] as ServerId[] as [ServerId, ServerId, ServerId];
const epoch = (counter: number): Epoch => ({ version: 1, counter, member: 2 });
const at = (nowMs: number) => ({ nowMs, random: 0.5 });
const owner = (server: ServerId, counter: number): OwnerChange => ({ kind: "owner", server, epoch: epoch(counter) });
const document = new Uint8Array([1]);
const state = { kind: "state", expiresSeconds: 600, document } as const;

const opened = () => new BackendView({ self: SELF, times: TIMES }, 0);

/** A view that is active with server two under epoch 1. */
function active(): BackendView {
  const view = opened();
  view.ownerChanged(owner(TWO, 1), at(0));
  view.subscribeAnswered(1, { kind: "accepted", expiresSeconds: 600 }, at(2));
  view.notified(1, state, at(3));
  return view;
}

/** A document that names the epoch of what it says. */
function saying(counter: number): OwnerDocument {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(counter);
  return { document: bytes, said: epoch(counter) };
}

/** The server that had the user is asked once more, and does not have them: now nobody does. */
function answersNo(view: BackendView, atMs: number): void {
  const [question, ...more] = view.tick(at(atMs));
  expect(more).to.deep.equal([]);
  expect(question).to.deep.include({ kind: "subscribe", isQuestion: true });
  const { call } = question as ViewEffect & { kind: "subscribe" };
  const answer = { kind: "not-owner", epoch: epoch(0) } as const;
  expect(kinds(view.subscribeAnswered(call, answer, at(atMs + 1)))).to.deep.equal(["forget", "show-closed"]);
}

const kinds = (effects: readonly ViewEffect[]) => effects.map(({ kind }) => kind);

describe("a back-end view", () => {
  it("goes from locating by subscribing to active, and shows the owner's document", () => {
    const view = opened();
    expect(view.ownerChanged(owner(TWO, 1), at(0))).to.deep.equal([
      { kind: "subscribe", call: 1, owner: { server: TWO, epoch: epoch(1) } },
    ]);
    expect(view.subscribeAnswered(1, { kind: "accepted", expiresSeconds: 600 }, at(2))).to.deep.equal([]);
    expect(view.notified(1, state, at(3))).to.deep.equal([{ kind: "show", document }]);
    expect(view.state).to.deep.include({ kind: "active", call: 1 });
    expect(kinds(view.close())).to.deep.equal(["unsubscribe"]);
  });

  it("takes a NOTIFY that overtakes the answer to SUBSCRIBE", () => {
    const view = opened();
    view.ownerChanged(owner(TWO, 1), at(0));
    expect(kinds(view.notified(1, { kind: "state", document }, at(1)))).to.deep.equal(["show"]);
    view.subscribeAnswered(1, { kind: "accepted", expiresSeconds: 600 }, at(2));
    expect(view.state).to.include({ kind: "active", refreshAtMs: 2 + 600_000 * 0.675 });
  });

  it("is held when nobody owns the user, and subscribes the moment somebody does", () => {
    const view = opened();
    expect(kinds(view.ownerChanged({ kind: "nobody" }, at(0)))).to.deep.equal(["show-closed"]);
    expect(view.state).to.deep.equal({ kind: "held" });
    expect(view.nextWakeMs()).to.equal(undefined);
    expect(kinds(view.ownerChanged(owner(TWO, 1), at(5000)))).to.deep.equal(["subscribe"]);
  });

  it("says that nothing is known when neither directory nor owner have answered within the bound, once", () => {
    const view = opened();
    expect(view.nextWakeMs()).to.equal(500);
    expect(kinds(view.tick(at(500)))).to.deep.equal(["show-closed"]);
    expect(kinds(view.tick(at(10_000)))).to.deep.equal([]);
    expect(view.state).to.deep.equal({ kind: "locating" });
  });

  it("moves with the user: after a jitter it subscribes to the new owner, and shows nothing until its document is there", () => {
    const view = active();
    expect(view.ownerChanged(owner(THREE, 2), at(1000))).to.deep.equal([{ kind: "forget", call: 1 }]);
    expect(view.nextWakeMs()).to.equal(1025);
    expect(view.tick(at(1025))).to.deep.equal([
      { kind: "subscribe", call: 2, owner: { server: THREE, epoch: epoch(2) } },
    ]);
    expect(view.notified(1, state, at(1026))).to.deep.equal([]);
    expect(kinds(view.notified(2, state, at(1027)))).to.deep.equal(["show"]);
  });

  it("asks where the user is when the owner ends the subscription, unless the directory's push is there before", () => {
    const view = active();
    expect(kinds(view.notified(1, { kind: "terminated", reason: "deactivated" }, at(1000)))).to.deep.equal(["forget"]);
    expect(view.nextWakeMs()).to.equal(1075);
    expect(kinds(view.tick(at(1075)))).to.deep.equal(["locate"]);
    expect(kinds(view.located({ kind: "server", server: THREE, epoch: epoch(2) }, at(1080)))).to.deep.equal([
      "subscribe",
    ]);

    const pushed = active();
    pushed.notified(1, { kind: "terminated", reason: "deactivated" }, at(1000));
    pushed.ownerChanged(owner(THREE, 2), at(1001));
    expect(kinds(pushed.tick(at(1026)))).to.deep.equal(["subscribe"]);
  });

  it("keeps the last document through the grace when nobody owns the user any more, then shows closed and is held", () => {
    const view = active();
    expect(kinds(view.ownerChanged({ kind: "nobody" }, at(1000)))).to.deep.equal(["forget"]);
    expect(view.state).to.deep.equal({ kind: "orphaned", closeAtMs: 3000 });
    expect(kinds(view.tick(at(2999)))).to.deep.equal([]);
    expect(kinds(view.tick(at(3000)))).to.deep.equal(["show-closed"]);
    expect(view.state).to.deep.equal({ kind: "held" });
  });

  it("comes back from orphaned to a new owner, or to the same one under the same epoch, without a flicker", () => {
    for (const next of [owner(THREE, 2), owner(TWO, 1)]) {
      const view = active();
      view.ownerChanged({ kind: "nobody" }, at(1000));
      expect(view.ownerChanged(next, at(1500))).to.deep.equal([]);
      expect(kinds(view.tick(at(1525)))).to.deep.equal(["subscribe"]);
    }
  });

  it("waits longer when the owner has said that it ends for now: its next run will have the user again", () => {
    const view = active();
    view.notified(1, { kind: "terminated", reason: "probation" }, at(1000));
    view.ownerChanged({ kind: "nobody" }, at(1010));
    expect(view.state).to.deep.equal({ kind: "orphaned", closeAtMs: 21_000 });
    view.ownerChanged(owner(TWO, 2), at(15_000));
    expect(kinds(view.tick(at(15_025)))).to.deep.equal(["subscribe"]);
  });

  it("keeps what watchers saw before a restart although this server owned the user for an instant, and showed nothing", () => {
    const view = new BackendView({ self: SELF, times: TIMES, restored: true }, 0);
    view.ownedHere(epoch(1));
    view.lostHere(at(1));
    expect(kinds(view.ownerChanged({ kind: "nobody" }, at(2)))).to.deep.equal([]);
    expect(view.state).to.deep.equal({ kind: "orphaned", closeAtMs: 20_000 });
  });

  it("ignores owners of older epochs, wherever the word comes from", () => {
    const view = active();
    view.ownerChanged(owner(THREE, 5), at(10));
    view.tick(at(100));
    for (const effects of [
      view.ownerChanged(owner(TWO, 4), at(110)),
      view.located({ kind: "server", server: TWO, epoch: epoch(4) }, at(110)),
      view.ownedHere(epoch(4)),
    ])
      expect(effects).to.deep.equal([]);
    expect(view.state).to.deep.include({ kind: "subscribing", owner: { server: THREE, epoch: epoch(5) } });
  });

  it("follows a forwarding note at once if its epoch is news, and looks again if it is not", () => {
    const follows = opened();
    follows.ownerChanged(owner(TWO, 1), at(0));
    expect(follows.subscribeAnswered(1, { kind: "not-owner", epoch: epoch(2), owner: THREE }, at(2))).to.deep.equal([
      { kind: "forget", call: 1 },
      { kind: "subscribe", call: 2, owner: { server: THREE, epoch: epoch(2) } },
    ]);
    for (const result of [
      { kind: "not-owner", epoch: epoch(1), owner: THREE },
      { kind: "not-owner", epoch: epoch(3), owner: SELF },
      { kind: "not-owner", epoch: epoch(3) },
    ] as const) {
      const looks = opened();
      looks.ownerChanged(owner(TWO, 1), at(0));
      expect(kinds(looks.subscribeAnswered(1, result, at(2)))).to.deep.equal(["forget"]);
      expect(kinds(looks.tick(at(2 + 75)))).to.deep.equal(["locate"]);
    }
  });

  it("does not go back to an owner of a lower epoch than the one that it was told of", () => {
    const view = active();
    view.subscribeAnswered(1, { kind: "not-owner", epoch: epoch(3) }, at(0));
    view.tick(at(75));
    expect(view.located({ kind: "server", server: TWO, epoch: epoch(1) }, at(76))).to.deep.equal([]);
    expect(kinds(view.located({ kind: "server", server: THREE, epoch: epoch(3) }, at(77)))).to.deep.equal([
      "subscribe",
    ]);
  });

  it("tries again ever more slowly, up to the longest delay, and then goes on", () => {
    const view = opened();
    view.ownerChanged(owner(TWO, 1), at(0));
    const delays: number[] = [];
    let nowMs = 0;
    for (let call = 1; call <= 14; call += 1) {
      view.subscribeAnswered(call, { kind: "failed" }, at(nowMs));
      const due = view.state.kind === "moving" ? view.state.atMs : 0;
      delays.push(due - nowMs);
      nowMs = due;
      view.tick(at(nowMs));
      view.located({ kind: "server", server: TWO, epoch: epoch(1) }, at(nowMs));
    }
    expect(delays.slice(0, 4)).to.deep.equal([75, 150, 300, 600]);
    expect(delays.at(-1)).to.equal(22_500);
  });

  it("waits as long as an owner asks with Retry-After, within the longest delay", () => {
    const view = active();
    view.subscribeAnswered(1, { kind: "failed", retryAfterSeconds: 3 }, at(0));
    expect(view.state).to.include({ kind: "moving", atMs: 3000 });
    const far = active();
    far.subscribeAnswered(1, { kind: "failed", retryAfterSeconds: 1e6 }, at(0));
    expect(far.state).to.include({ kind: "moving", atMs: 30_000 });
  });

  it("gives an owner up that accepts and never tells anything", () => {
    const view = opened();
    view.ownerChanged(owner(TWO, 1), at(0));
    view.subscribeAnswered(1, { kind: "accepted", expiresSeconds: 600 }, at(2));
    view.tick(at(500));
    expect(kinds(view.tick(at(5000)))).to.deep.equal(["unsubscribe"]);
    expect(view.state).to.include({ kind: "moving", attempt: 1 });
  });

  it("refreshes within the dialog before its term is over, and moves on when that fails", () => {
    const view = active();
    const refreshAtMs = view.nextWakeMs() as number;
    expect(refreshAtMs).to.be.within(300_000, 510_003);
    expect(view.tick(at(refreshAtMs))).to.deep.equal([{ kind: "refresh", call: 1 }]);
    expect(view.nextWakeMs()).to.equal(undefined);
    view.subscribeAnswered(1, { kind: "accepted", expiresSeconds: 600 }, at(refreshAtMs + 1));
    expect(view.nextWakeMs()).to.equal(refreshAtMs + 1 + 600_000 * 0.675);
    view.tick(at(view.nextWakeMs() as number));
    expect(kinds(view.subscribeAnswered(1, { kind: "failed" }, at(2e6)))).to.deep.equal(["forget"]);
    expect(view.state.kind).to.equal("moving");
  });

  it("subscribes anew when the link to its owner is back, and to no other", () => {
    const view = active();
    expect(view.linkUp(THREE, at(0))).to.deep.equal([]);
    expect(kinds(view.linkUp(TWO, at(0)))).to.deep.equal(["forget"]);
    expect(kinds(view.tick(at(25)))).to.deep.equal(["subscribe"]);
  });

  it("asks where the user is ever more slowly while the directory does not say: it may be so for all users at once", () => {
    const view = active();
    let nowMs = 10;
    view.notified(1, { kind: "terminated", reason: "deactivated" }, at(nowMs));
    const pauses: number[] = [];
    for (let i = 0; i < 14; i++) {
      const nextMs = view.nextWakeMs() as number;
      pauses.push(nextMs - nowMs);
      nowMs = nextMs;
      expect(kinds(view.tick(at(nowMs)))).to.deep.equal(["locate"]);
      view.located({ kind: "unavailable", reason: "" }, at(nowMs));
    }
    for (const [i, pause] of pauses.entries()) if (i > 0) expect(pause).to.be.at.least(pauses[i - 1] as number);
    expect(pauses.at(-1)).to.be.at.least(15_000);
  });

  it("gives the owner time to take its users up again when the link to it was lost and is back: it may have been restarted", () => {
    const view = active();
    view.linkUp(TWO, at(100));
    view.ownerChanged({ kind: "nobody" }, at(200));
    expect(view.tick(at(20_099))).to.deep.equal([]);
    answersNo(view, 20_100);
  });

  it("gives the owner the time that it asked for when it said of another user that it restarts, and more when it is there again", () => {
    const view = active();
    view.ownerChanged({ kind: "nobody" }, { ...at(1000), restartUntilMs: 18_000 });
    expect(view.tick(at(17_999))).to.deep.equal([]);
    expect(view.linkUp(THREE, at(17_999))).to.deep.equal([]);
    expect(view.nextWakeMs()).to.equal(18_000);
    expect(view.linkUp(TWO, at(17_999))).to.deep.equal([]);
    expect(view.tick(at(37_998))).to.deep.equal([]);
    answersNo(view, 37_999);
  });

  it("gives the owner more time when it is there again, having said that it ends for now, and as long as it says that it is busy", () => {
    const view = active();
    view.notified(1, { kind: "terminated", reason: "probation" }, at(0));
    view.ownerChanged({ kind: "nobody" }, at(10));
    expect(view.linkUp(TWO, at(9000))).to.deep.equal([]);
    expect(view.tick(at(28_999))).to.deep.equal([]);
    let [nowMs, call] = [29_000, 1];
    for (const isSaidOf of ["this user", "another", "this user"]) {
      call += 1;
      expect(kinds(view.tick(at(nowMs))), isSaidOf).to.deep.equal(["subscribe"]);
      const busy = { kind: "failed", retryAfterSeconds: isSaidOf === "another" ? 0 : 10 } as const;
      expect(kinds(view.subscribeAnswered(call, busy, at(nowMs)))).to.deep.equal(["forget"]);
      nowMs += 20_000 + 1000 * busy.retryAfterSeconds;
      expect(view.tick(at(nowMs - 1))).to.deep.equal([]);
    }
    expect(view.tick({ ...at(nowMs), restartUntilMs: nowMs + 5000 }), "just said of another").to.deep.equal([]);
    answersNo(view, nowMs + 5000);
  });

  it("is not kept waiting for a server that does not answer what it is asked", () => {
    const view = active();
    view.linkUp(TWO, at(0));
    view.ownerChanged({ kind: "nobody" }, at(10));
    view.tick(at(20_000));
    expect(kinds(view.subscribeAnswered(2, { kind: "failed" }, at(20_001)))).to.deep.equal(["forget", "show-closed"]);
    const settling = active();
    settling.linkUp(TWO, at(0));
    settling.ownerChanged({ kind: "nobody" }, at(10));
    settling.tick(at(20_000));
    expect(kinds(settling.subscribeAnswered(2, { kind: "failed", isSettling: true }, at(20_001)))).to.deep.equal([
      "forget",
    ]);
    expect(settling.tick(at(22_000))).to.deep.equal([]);
    answersNo(settling, 22_001);
  });

  it("asks the server again where the link to it breaks meanwhile: it may have had too much to do", () => {
    const view = active();
    view.linkUp(TWO, at(0));
    view.ownerChanged({ kind: "nobody" }, at(10));
    view.tick(at(20_000));
    expect(kinds(view.subscribeAnswered(2, { kind: "failed", isCutOff: true }, at(20_001)))).to.deep.equal(["forget"]);
    expect(view.tick(at(40_000))).to.deep.equal([]);
    answersNo(view, 40_001);
  });

  it("is active again where the server that it asks has the user, whatever the directory has said", () => {
    const view = active();
    view.linkUp(TWO, at(0));
    view.ownerChanged({ kind: "nobody" }, at(10));
    view.tick(at(20_000));
    view.subscribeAnswered(2, { kind: "accepted", expiresSeconds: 600 }, at(20_001));
    expect(view.notified(2, state, at(20_002))).to.deep.equal([{ kind: "show", document }]);
    expect(view.state).to.deep.include({ kind: "active", call: 2 });
    view.ownerChanged({ kind: "nobody" }, at(90_000));
    expect(kinds(view.tick(at(92_000))), "it has its users back: who is nowhere now has left").to.deep.equal([
      "show-closed",
    ]);
  });

  it("gives an owner that says when to come again that time too", () => {
    const view = active();
    view.linkUp(TWO, at(0));
    view.tick(at(25));
    view.subscribeAnswered(2, { kind: "failed", retryAfterSeconds: 10 }, at(30));
    expect(view.nextWakeMs()).to.equal(10_030);
    view.ownerChanged({ kind: "nobody" }, at(5000));
    expect(view.tick(at(30_029))).to.deep.equal([]);
    answersNo(view, 30_030);
  });

  it("waits for as long as this server is about to take the user up again", () => {
    const view = active();
    view.ownerChanged({ kind: "nobody" }, at(0));
    for (let ms = 2000; ms <= 100_000; ms += 2000) {
      expect(view.nextWakeMs()).to.equal(ms);
      expect(view.tick({ ...at(ms), isExpected: true })).to.deep.equal([]);
    }
    expect(kinds(view.tick(at(102_000)))).to.deep.equal(["show-closed"]);
  });

  it("shows the own composition while this server is the owner, and keeps it when the user leaves", () => {
    const view = active();
    expect(kinds(view.ownedHere(epoch(2)))).to.deep.equal(["forget", "show-own"]);
    expect(view.ownedHere(epoch(2))).to.deep.equal([]);
    expect(view.ownerChanged(owner(THREE, 3), at(10))).to.deep.equal([]);
    expect(view.lostHere(at(10))).to.deep.equal([]);
    view.ownerChanged(owner(THREE, 3), at(11));
    expect(kinds(view.tick(at(36)))).to.deep.equal(["subscribe"]);
    expect(kinds(view.ownedHere(epoch(4)))).to.deep.equal(["forget", "show-own"]);
  });

  it("withholds what an owner says that is older than what watchers have seen, until somebody knows better or nobody has come", () => {
    const view = active();
    view.notified(1, { ...state, said: epoch(5) }, at(10));
    view.ownerChanged(owner(THREE, 6), at(20));
    view.tick(at(45));
    const older = { ...state, document: new Uint8Array([2]), said: epoch(4) };
    expect(kinds(view.notified(2, older, at(50)))).to.deep.equal([]);
    expect(view.state).to.include({ kind: "active" });
    expect(view.nextWakeMs()).to.equal(15_050);
    expect(kinds(view.notified(2, { ...state, said: epoch(6) }, at(60))), "newer").to.deep.equal(["show"]);
    expect(kinds(view.notified(2, older, at(70)))).to.deep.equal([]);
    expect(view.tick(at(15_070))).to.deep.equal([{ kind: "show", document: older.document }]);
    expect(view.nextWakeMs()).to.be.greaterThan(100_000);
  });

  it("withholds so what this server itself has kept for too long", () => {
    const view = active();
    view.notified(1, { ...state, said: epoch(5) }, at(10));
    view.ownedHere(epoch(6));
    expect(kinds(view.composed({ document, said: epoch(4) }, at(20)))).to.deep.equal([]);
    view.lostHere(at(30));
    view.ownerChanged(owner(THREE, 7), at(31));
    view.tick(at(60));
    expect(kinds(view.tick(at(15_020))), "what is withheld goes with its owner").to.not.include("show");
  });

  it("answers new watchers within the bound when the user has left before there was anything to show", () => {
    const view = opened();
    view.ownedHere(epoch(1));
    view.lostHere(at(1000));
    view.ownerChanged({ kind: "nobody" }, at(1001));
    expect(view.state).to.deep.equal({ kind: "held" });
  });

  it("reads again when the watch has missed something, and stays as it is when nothing has changed", () => {
    const view = active();
    expect(kinds(view.ownerChanged({ kind: "missed" }, at(10)))).to.deep.equal(["locate"]);
    expect(view.located({ kind: "server", server: TWO, epoch: epoch(1) }, at(11))).to.deep.equal([]);
    expect(view.located({ kind: "unavailable", reason: "no majority" }, at(11))).to.deep.equal([]);
    expect(view.state.kind).to.equal("active");
  });

  it("does not believe that a user is nowhere when it has heard of an owner since it asked", () => {
    const view = active();
    view.ownedHere(epoch(2));
    view.lostHere(at(1000));
    const [asked] = view.tick(at(1025));
    expect(asked).to.deep.equal({ kind: "locate", known: epoch(2) });
    view.ownerChanged(owner(THREE, 3), at(1026));
    view.tick(at(1100));
    view.notified(2, state, at(1110));
    // Asked while replicas still held what we had let go of, and answered late.
    expect(view.located({ kind: "nobody" }, at(1200), epoch(2))).to.deep.equal([]);
    expect(view.state).to.deep.include({ kind: "active", owner: { server: THREE, epoch: epoch(3) } });

    expect(kinds(view.ownerChanged({ kind: "missed" }, at(2000)))).to.deep.equal(["locate"]);
    expect(kinds(view.located({ kind: "nobody" }, at(2010), epoch(3)))).to.deep.equal(["forget"]);
    expect(view.state.kind, "what it asked with what it knows now").to.equal("orphaned");
  });

  it("does nothing any more once it is closed", () => {
    const view = active();
    view.close();
    const effects = [
      ...view.ownerChanged(owner(THREE, 2), at(1)),
      ...view.ownerChanged({ kind: "nobody" }, at(1)),
      ...view.ownerChanged({ kind: "missed" }, at(1)),
      ...view.located({ kind: "server", server: THREE, epoch: epoch(2) }, at(1)),
      ...view.notified(1, state, at(1)),
      ...view.subscribeAnswered(1, { kind: "failed" }, at(1)),
      ...view.ownedHere(epoch(9)),
      ...view.lostHere(at(1)),
      ...view.linkUp(TWO, at(1)),
      ...view.tick(at(1e9)),
      ...view.close(),
    ];
    expect([effects, view.state, view.nextWakeMs()]).to.deep.equal([[], { kind: "closed" }, undefined]);
  });

  it("keeps its promises whatever happens: one call at a time, rising epochs, no closed out of the blue, and the owner in the end", () => {
    const eventArb = fc.record({
      kind: fc.constantFrom(
        "owner",
        "owner",
        "nobody",
        "missed",
        "here",
        "lost",
        "accepted",
        "moved",
        "failed",
        "state",
        "state",
        "composed",
        "ended",
        "link",
        "tick",
        "tick",
      ),
      server: fc.constantFrom(TWO, THREE),
      step: fc.integer({ min: -1, max: 2 }),
      ms: fc.constantFrom(1, 30, 600, 2500, 40_000),
    });
    fc.assert(
      fc.property(fc.array(eventArb, { maxLength: 60 }), (events) => {
        const view = opened();
        let nowMs = 0;
        let counter = 1;
        let call = 0;
        let isOpen = false;
        let newest = epoch(0);
        let lastShown: "nothing" | "document" | "closed" = "nothing";
        let orphanedSinceMs = Infinity;
        let said = 0;
        let olderSinceMs = Infinity;
        const take = (effects: readonly ViewEffect[]): void => {
          for (const effect of effects) {
            if (effect.kind === "subscribe") {
              expect(isOpen).to.equal(false);
              isOpen = true;
              call = effect.call;
              expect(compareBallots(effect.owner.epoch, newest)).to.be.at.least(0);
              newest = effect.owner.epoch;
            } else if (effect.kind === "forget" || effect.kind === "unsubscribe") {
              expect([isOpen, effect.call]).to.deep.equal([true, call]);
              isOpen = false;
            } else if (effect.kind === "show") {
              const shown = Buffer.from(effect.document).readInt32BE();
              // After something newer, what is older is shown only when it has waited.
              if (lastShown === "document" && shown < said) expect(nowMs - olderSinceMs).to.be.at.least(TIMES.staleMs);
              [lastShown, said, olderSinceMs] = ["document", shown, Infinity];
            } else if (effect.kind === "show-closed") {
              // After a document, closed is shown only when the directory has said "nobody" for the whole grace.
              if (lastShown === "document") expect(nowMs - orphanedSinceMs).to.be.at.least(TIMES.orphanGraceMs);
              lastShown = "closed";
            }
          }
          expect(view.state.kind === "subscribing" || view.state.kind === "active").to.equal(isOpen);
          const isAsking = view.state.kind === "subscribing" && view.state.isQuestion === true;
          if (view.state.kind !== "orphaned" && !isAsking) orphanedSinceMs = Infinity;
          else orphanedSinceMs = Math.min(orphanedSinceMs, nowMs);
        };
        for (const { kind, server, step, ms } of events) {
          nowMs += kind === "tick" ? ms : 1;
          if (kind === "owner") take(view.ownerChanged(owner(server, Math.max(1, (counter += step))), at(nowMs)));
          else if (kind === "nobody" || kind === "missed") take(view.ownerChanged({ kind }, at(nowMs)));
          else if (kind === "here") {
            counter += 2;
            take(view.ownedHere(epoch(counter)));
          } else if (kind === "lost") take(view.lostHere(at(nowMs)));
          else if (kind === "accepted") take(view.subscribeAnswered(call, { kind, expiresSeconds: 60 }, at(nowMs)));
          else if (kind === "failed") take(view.subscribeAnswered(call, { kind }, at(nowMs)));
          else if (kind === "moved")
            take(
              view.subscribeAnswered(
                call,
                { kind: "not-owner", epoch: epoch(counter + step), owner: server },
                at(nowMs),
              ),
            );
          else if (kind === "state" || kind === "composed") {
            const content = saying(counter + 3 * step);
            if (counter + 3 * step < said) olderSinceMs = Math.min(olderSinceMs, nowMs);
            if (kind === "composed") take(view.composed(content, at(nowMs)));
            else take(view.notified(call, { kind, ...content }, at(nowMs)));
          } else if (kind === "ended")
            take(view.notified(call, { kind: "terminated", reason: "deactivated" }, at(nowMs)));
          else if (kind === "link") take(view.linkUp(server, at(nowMs)));
          else take(view.tick(at(nowMs)));
        }
        // Left alone with a directory and an owner that answer, it ends up with that owner.
        if (view.state.kind === "here") take(view.lostHere(at(nowMs)));
        const last = { server: THREE, epoch: epoch(1000) };
        take(view.ownerChanged({ kind: "owner", ...last }, at(nowMs)));
        for (let round = 0; round < 3 && !isOpen; round += 1) {
          nowMs = Math.max(nowMs, view.nextWakeMs() ?? nowMs);
          take(view.tick(at(nowMs)));
        }
        take(view.notified(call, { kind: "state", ...saying(1000) }, at(nowMs)));
        expect(view.state).to.deep.include({ kind: "active", owner: last });
      }),
      { numRuns: 1000 },
    );
  });
});
