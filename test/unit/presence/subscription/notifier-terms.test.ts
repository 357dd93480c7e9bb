import { expect } from "chai";
import fc from "fast-check";
import type { NotifierEffect, Notify, Shown } from "../../../../node/presence/subscription/notifier-dialog.ts";
import { NotifierDialog } from "../../../../node/presence/subscription/notifier-dialog.ts";

const EXPIRY = { minSeconds: 60, defaultSeconds: 3600, maxSeconds: 7200 };
const PACE = { burst: 2, intervalMs: 5000 };
const open = (version: number): Shown => ({ standing: "active", version });
const ok = { status: 200 };
const notifies = (effects: readonly NotifierEffect[]): Notify[] => effects.filter((effect) => effect.kind === "notify");

/** One that has told version 1 and been answered. */
function told(pace?: typeof PACE): NotifierDialog {
  const dialog = new NotifierDialog({ expiry: EXPIRY, expiresSeconds: 3600, cseq: 10, ...(pace && { pace }) }, 0);
  dialog.show(open(1), 0);
  dialog.answered(ok, 0);
  return dialog;
}

describe("a subscriber who has the state already (RFC 5839)", () => {
  it("refreshes without a NOTIFY, and is told of the next change", () => {
    const dialog = told();
    expect(dialog.subscribe({ cseq: 11, expiresSeconds: 600, hasState: true }, 1000)).to.deep.equal({
      kind: "accepted",
      expiresSeconds: 600,
      suppressed: true,
      effects: [],
    });
    expect(dialog.expiresAtMs).to.equal(601_000);
    expect(notifies(dialog.show(open(2), 2000))).to.have.length(1);
  });

  it("ends it without a NOTIFY", () => {
    const dialog = told();
    const outcome = dialog.subscribe({ cseq: 11, expiresSeconds: 0, hasState: true }, 1000);
    expect(outcome).to.deep.include({ suppressed: true, effects: [{ kind: "ended" }] });
    expect(dialog.state.kind).to.equal("terminated");
  });

  it("is told all the same while another state is on its way", () => {
    const dialog = told();
    dialog.show(open(2), 0);
    const outcome = dialog.subscribe({ cseq: 11, expiresSeconds: 600, hasState: true }, 10);
    expect(outcome).to.deep.include({ kind: "accepted", suppressed: false });
    expect(notifies(dialog.answered(ok, 20))).to.have.length(1);
  });
});

describe("what a NOTIFY has to hold", () => {
  it("is all at first and for a refresh, and else what the subscriber has not confirmed", () => {
    const dialog = new NotifierDialog({ expiry: EXPIRY, expiresSeconds: 3600, cseq: 10 }, 0);
    const since = (effects: readonly NotifierEffect[]) => notifies(effects).map((notify) => notify.since);
    expect(since(dialog.show(open(1), 0))).to.deep.equal([undefined]);
    expect(since([...dialog.answered(ok, 0), ...dialog.show(open(2), 0)])).to.deep.equal([1]);
    dialog.show(open(3), 0);
    expect(since(dialog.answered(ok, 0))).to.deep.equal([2]);
    dialog.answered(ok, 0);
    const refresh = dialog.subscribe({ cseq: 11, expiresSeconds: 600 }, 0);
    expect(refresh.kind === "accepted" && since(refresh.effects)).to.deep.equal([undefined]);
  });

  it("is all again when a NOTIFY has failed, and when a refresh came while one was on its way", () => {
    const dialog = told();
    dialog.show(open(2), 0);
    dialog.answered({ status: 503, retryAfterSeconds: 1 }, 0);
    expect(notifies(dialog.tick(1000)).map(({ since }) => since)).to.deep.equal([undefined]);
    dialog.subscribe({ cseq: 11, expiresSeconds: 600 }, 1000);
    expect(notifies(dialog.answered(ok, 1000)).map(({ since }) => since)).to.deep.equal([undefined]);
  });
});

describe("the pace of a dialog", () => {
  it("holds a change back that comes too soon, and then tells the newest", () => {
    const dialog = told(PACE);
    for (const version of [2, 3]) {
      expect(notifies(dialog.show(open(version), 100))).to.have.length(1);
      dialog.answered(ok, 100);
    }
    expect(dialog.show(open(4), 200)).to.deep.equal([]);
    expect(dialog.show(open(5), 300)).to.deep.equal([]);
    const wakeMs = dialog.nextWakeMs() ?? NaN;
    expect(wakeMs).to.be.within(5000, 5200);
    expect(dialog.tick(wakeMs - 1)).to.deep.equal([]);
    expect(notifies(dialog.tick(wakeMs))).to.have.length(1);
    dialog.answered(ok, wakeMs);
    expect(dialog.nextWakeMs()).to.equal(3_600_000);
  });

  it("holds nothing back that answers a SUBSCRIBE, nor the end", () => {
    const dialog = told({ burst: 1, intervalMs: 60_000 });
    dialog.show(open(2), 0);
    dialog.answered(ok, 0);
    expect(dialog.show(open(3), 0)).to.deep.equal([]);
    const refresh = dialog.subscribe({ cseq: 11, expiresSeconds: 600 }, 0);
    expect(refresh.kind === "accepted" && notifies(refresh.effects)).to.have.length(1);
    dialog.answered(ok, 0);
    expect(dialog.show(open(4), 0)).to.deep.equal([]);
    expect(notifies(dialog.terminate("noresource", 0))).to.have.length(1);
  });

  it("never lets more through than the burst and one an interval, and tells the last state in the end", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9000), { minLength: 1, maxLength: 50 }), (pauses) => {
        const dialog = told(PACE);
        const at: number[] = [];
        let nowMs = 0;
        let shown = 1;
        let last = 1;
        const take = (effects: readonly NotifierEffect[]): void => {
          for (let more = effects; notifies(more).length > 0; more = dialog.answered(ok, nowMs)) {
            at.push(nowMs);
            last = shown;
          }
        };
        const wait = (untilMs: number): void => {
          for (
            let wakeMs = dialog.nextWakeMs();
            wakeMs !== undefined && wakeMs <= untilMs;
            wakeMs = dialog.nextWakeMs()
          ) {
            nowMs = wakeMs;
            take(dialog.tick(nowMs));
          }
          nowMs = untilMs;
        };
        for (const pauseMs of pauses) {
          wait(nowMs + pauseMs);
          take(dialog.show(open((shown += 1)), nowMs));
        }
        wait(nowMs + PACE.intervalMs);
        expect(last).to.equal(shown);
        for (let i = PACE.burst; i < at.length; i += 1)
          expect(at[i]! - at[i - PACE.burst]!, `${at.join()}`).to.be.at.least(PACE.intervalMs);
      }),
      { numRuns: 300 },
    );
  });
});

describe("a dialog that another process goes on with", () => {
  it("has the same expiry, goes on counting both CSeqs, and tells all at once", () => {
    const saved = told().saved();
    expect(saved).to.deep.equal({ remoteCseq: 10, localCseq: 1, expiresAtMs: 3_600_000, wasActive: true });
    const dialog = new NotifierDialog({ expiry: EXPIRY, saved: { ...saved, localCseq: 100 } }, 50_000);
    expect(dialog.subscribe({ cseq: 10, expiresSeconds: 600 }, 50_000).kind).to.equal("out-of-order");
    const [notify] = notifies(dialog.show({ standing: "pending", version: 7 }, 60_000));
    expect(notify).to.deep.equal({
      kind: "notify",
      cseq: 101,
      subscriptionState: { state: "active", expiresSeconds: 3540 },
    });
  });

  it("may say that it is pending if that is what it said", () => {
    const saved = { remoteCseq: 1, localCseq: 1, expiresAtMs: 60_000, wasActive: false };
    const dialog = new NotifierDialog({ expiry: EXPIRY, saved }, 0);
    const [notify] = notifies(dialog.show({ standing: "pending", version: 1 }, 0));
    expect(notify?.subscriptionState.state).to.equal("pending");
  });
});
