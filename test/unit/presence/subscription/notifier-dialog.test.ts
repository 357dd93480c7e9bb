import { expect } from "chai";
import fc from "fast-check";
import { NotifierDialog } from "../../../../node/presence/subscription/notifier-dialog.ts";
import { limits } from "../../../../node/runtime/limits.ts";
import type { NotifierEffect, Shown } from "../../../../node/presence/subscription/notifier-dialog.ts";

const EXPIRY = { minSeconds: 60, defaultSeconds: 3600, maxSeconds: 7200 };
const open = (version: number): Shown => ({ standing: "active", version });
const held = (version: number): Shown => ({ standing: "pending", version });
const created = (expiresSeconds = 3600) => new NotifierDialog({ expiry: EXPIRY, expiresSeconds, cseq: 10 }, 0);

/** What each effect says, in few words. */
const said = (effects: readonly NotifierEffect[]): string[] =>
  effects.map((effect) => {
    if (effect.kind === "ended") return "ended";
    const { cseq, subscriptionState: state } = effect;
    return `${cseq} ${state.state} ${state.state === "terminated" ? state.reason : state.expiresSeconds}`;
  });
const ok = { status: 200 };

describe("a notifier's dialog", () => {
  it("goes from pending to active to terminated, with a NOTIFY for each step", () => {
    const dialog = created();
    expect(said(dialog.show(held(1), 0))).to.deep.equal(["1 pending 3600"]);
    expect(said(dialog.answered(ok, 10))).to.deep.equal([]);
    expect(said(dialog.show(open(2), 1000))).to.deep.equal(["2 active 3599"]);
    expect(said(dialog.answered(ok, 1010))).to.deep.equal([]);
    expect(said(dialog.terminate("deactivated", 2000))).to.deep.equal(["3 terminated deactivated"]);
    expect(said(dialog.answered(ok, 2010))).to.deep.equal(["ended"]);
    expect(dialog.state).to.deep.equal({ kind: "terminated", reason: "deactivated", notified: true });
  });

  it("says nothing while there is nothing to show, and owes a NOTIFY until there is", () => {
    const dialog = created();
    expect(said(dialog.tick(10))).to.deep.equal([]);
    expect(dialog.state).to.deep.equal({ kind: "undetermined" });
    expect(said(dialog.show(open(1), 20))).to.deep.equal(["1 active 3600"]);
  });

  it("never goes back from active to pending: a user who goes away is news of an active subscription", () => {
    const dialog = created();
    dialog.show(open(1), 0);
    dialog.answered(ok, 1);
    expect(said(dialog.show(held(2), 0))).to.deep.equal(["2 active 3600"]);
  });

  it("does not tell that it is active when that is over before it could be told", () => {
    const dialog = created();
    dialog.show(held(1), 0);
    dialog.show(open(2), 0);
    dialog.show(held(3), 0);
    expect(said(dialog.answered(ok, 0))).to.deep.equal(["2 pending 3600"]);
    expect(dialog.wasActive).to.equal(false);
  });

  it("has one NOTIFY in flight, and then tells the newest state only", () => {
    const dialog = created();
    expect(said(dialog.show(open(1), 0))).to.deep.equal(["1 active 3600"]);
    expect(said([...dialog.show(open(2), 0), ...dialog.show(open(3), 0)])).to.deep.equal([]);
    expect(said(dialog.answered(ok, 0))).to.deep.equal(["2 active 3600"]);
    expect(said(dialog.answered(ok, 0))).to.deep.equal([]);
  });

  it("does not repeat a state that it has told", () => {
    const dialog = created();
    dialog.show(open(1), 0);
    dialog.answered(ok, 0);
    expect(said(dialog.show(open(1), 0))).to.deep.equal([]);
  });

  it("answers a refresh with a NOTIFY even if nothing has changed, and lives longer", () => {
    const dialog = created(60);
    dialog.show(open(1), 0);
    dialog.answered(ok, 0);
    const refreshed = dialog.subscribe({ cseq: 11, expiresSeconds: 120 }, 30_000);
    expect(refreshed).to.deep.include({ kind: "accepted", expiresSeconds: 120 });
    expect(said(refreshed.kind === "accepted" ? refreshed.effects : [])).to.deep.equal(["2 active 120"]);
    expect(dialog.nextWakeMs()).to.equal(150_000);
  });

  it("never says that it lives longer than was granted, whatever part of a millisecond the clock shows", () => {
    for (let nowMs = 4_000_000; nowMs < 4_000_010; nowMs += 1 / 7) {
      const dialog = new NotifierDialog({ expiry: EXPIRY, expiresSeconds: 600, cseq: 10 }, nowMs);
      expect(said(dialog.show(open(1), nowMs))).to.deep.equal(["1 active 600"]);
    }
  });

  it("refuses a refresh that is out of order, too brief, or too late", () => {
    const dialog = created();
    expect(dialog.subscribe({ cseq: 10, expiresSeconds: 100 }, 0)).to.deep.equal({ kind: "out-of-order" });
    expect(dialog.subscribe({ cseq: 11, expiresSeconds: 59 }, 0)).to.deep.equal({ kind: "too-brief" });
    dialog.terminate("deactivated", 0);
    expect(dialog.subscribe({ cseq: 12, expiresSeconds: 100 }, 0)).to.deep.equal({ kind: "gone" });
  });

  it("ends by Expires 0, and by its term, both with a last NOTIFY that says timeout", () => {
    const left = created();
    left.show(open(1), 0);
    left.answered(ok, 0);
    const outcome = left.subscribe({ cseq: 11, expiresSeconds: 0 }, 0);
    expect(said(outcome.kind === "accepted" ? outcome.effects : [])).to.deep.equal(["2 terminated timeout"]);

    const expired = created(60);
    expired.show(open(1), 0);
    expired.answered(ok, 0);
    expect(said(expired.tick(59_999))).to.deep.equal([]);
    expect(said(expired.tick(60_000))).to.deep.equal(["2 terminated timeout"]);
  });

  it("is a fetch with Expires 0 from the start: the state once, when it is known, as the last NOTIFY", () => {
    const dialog = created(0);
    expect(dialog.nextWakeMs()).to.equal(undefined);
    expect(said(dialog.show(open(1), 10))).to.deep.equal(["1 terminated timeout"]);
    expect(said(dialog.show(open(2), 10))).to.deep.equal([]);
  });

  it("keeps the last NOTIFY back until the one in flight is answered", () => {
    const dialog = created();
    dialog.show(open(1), 0);
    expect(said(dialog.terminate("deactivated", 0))).to.deep.equal([]);
    expect(said(dialog.answered(ok, 0))).to.deep.equal(["2 terminated deactivated"]);
  });

  it("is over at once when the subscriber does not know it, does not answer, or refuses", () => {
    for (const status of [481, 408, 500, 403]) {
      const dialog = created();
      dialog.show(open(1), 0);
      expect(said(dialog.answered({ status }, 0))).to.deep.equal(["ended"]);
      expect(
        said([...dialog.show(open(2), 0), ...dialog.tick(1e9), ...dialog.terminate("deactivated", 0)]),
      ).to.deep.equal([]);
    }
    const unknown = created();
    unknown.show(open(1), 0);
    expect(said(unknown.answered({ status: 481, retryAfterSeconds: 5 }, 0))).to.deep.equal(["ended"]);
  });

  it("waits as long as the subscriber asks with Retry-After, at least a second, then tells the newest state", () => {
    const dialog = created();
    dialog.show(open(1), 0);
    expect(said(dialog.answered({ status: 503, retryAfterSeconds: 0 }, 0))).to.deep.equal([]);
    expect(said(dialog.show(open(2), 500))).to.deep.equal([]);
    expect(dialog.nextWakeMs()).to.equal(1000);
    expect(said(dialog.tick(1000))).to.deep.equal(["2 active 3599"]);
  });

  it("waits for a subscriber whose connection is gone, and then tells the newest state; what a NOTIFY by the way of before comes to does not count", () => {
    const dialog = created();
    dialog.show(open(1), 0);
    expect(said(dialog.away(0))).to.deep.equal([]);
    expect(said(dialog.show(open(2), 1000))).to.deep.equal([]);
    expect(said(dialog.reached(2000))).to.deep.equal(["2 active 3598"]);
    expect(said(dialog.reached(3000))).to.deep.equal(["3 active 3597"]);
    expect(said(dialog.answered(ok, 3000))).to.deep.equal([]);
    expect(said(dialog.reached(4000))).to.deep.equal([]);
  });

  it("gives up a subscriber who stays away", () => {
    const dialog = created();
    dialog.show(open(1), 0);
    dialog.away(0);
    expect(dialog.nextWakeMs()).to.equal(limits.presence.awayMs);
    expect(said(dialog.tick(limits.presence.awayMs))).to.deep.equal(["2 terminated timeout"]);
    expect(said(dialog.away(limits.presence.awayMs))).to.deep.equal(["ended"]);
  });

  it("keeps its promises whatever happens: one in flight, CSeq without gaps, active for good, one end, the newest state in the end", () => {
    const eventArb = fc.oneof(
      fc.record({
        kind: fc.constant("show" as const),
        standing: fc.constantFrom("pending" as const, "active" as const),
      }),
      fc.record({ kind: fc.constant("answer" as const), status: fc.constantFrom(200, 200, 200, 503, 481) }),
      fc.record({ kind: fc.constant("subscribe" as const), expires: fc.constantFrom(60, 600, 0) }),
      fc.record({ kind: fc.constant("tick" as const), ms: fc.constantFrom(100, 5000, 100_000) }),
      fc.record({ kind: fc.constantFrom("terminate" as const, "away" as const, "reached" as const) }),
    );
    fc.assert(
      fc.property(fc.array(eventArb, { maxLength: 60 }), (events) => {
        const dialog = created(120);
        let nowMs = 0;
        let version = 0;
        let told = 0;
        let cseq = 0;
        let subscribeCseq = 10;
        let isInFlight = false;
        let wasActive = false;
        let hasEnded = false;
        const take = (effects: readonly NotifierEffect[]): void => {
          for (const effect of effects) {
            expect(hasEnded).to.equal(false);
            if (effect.kind === "ended") {
              hasEnded = true;
              continue;
            }
            expect(isInFlight).to.equal(false);
            isInFlight = true;
            expect(effect.cseq).to.equal((cseq += 1));
            const { state } = effect.subscriptionState;
            if (wasActive) expect(state).not.to.equal("pending");
            wasActive ||= state === "active";
            told = version;
          }
        };
        for (const event of events) {
          if (event.kind === "show") take(dialog.show({ standing: event.standing, version: (version += 1) }, nowMs));
          else if (event.kind === "answer") {
            if (!isInFlight) continue;
            isInFlight = false;
            take(
              dialog.answered(
                event.status === 503 ? { status: 503, retryAfterSeconds: 2 } : { status: event.status },
                nowMs,
              ),
            );
          } else if (event.kind === "subscribe") {
            const outcome = dialog.subscribe({ cseq: (subscribeCseq += 1), expiresSeconds: event.expires }, nowMs);
            if (outcome.kind === "accepted") take(outcome.effects);
          } else if (event.kind === "tick") take(dialog.tick((nowMs += event.ms)));
          else if (event.kind === "terminate") take(dialog.terminate("deactivated", nowMs));
          else if (event.kind === "reached") {
            // By the other way it is sent again, but for the last.
            if (dialog.state.kind !== "terminated") isInFlight = false;
            take(dialog.reached(nowMs));
          } else if (isInFlight) {
            isInFlight = false;
            take(dialog.away(nowMs));
          }
        }
        if (dialog.state.kind !== "terminated") {
          isInFlight = false;
          take(dialog.reached(nowMs));
        }
        // Left alone and answered, it has told the newest state or is over.
        for (let round = 0; round < 5 && !hasEnded; round += 1) {
          if (isInFlight) {
            isInFlight = false;
            take(dialog.answered(ok, nowMs));
          }
          if (dialog.state.kind !== "terminated" && round === 0) take(dialog.tick((nowMs += 2000)));
        }
        if (dialog.state.kind === "active" || dialog.state.kind === "pending") expect(told).to.equal(version);
        if (dialog.state.kind === "terminated") expect(hasEnded).to.equal(true);
      }),
      { numRuns: 500 },
    );
  });
});
