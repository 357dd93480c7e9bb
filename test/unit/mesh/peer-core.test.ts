import { expect } from "chai";
import fc from "fast-check";
import { PeerCore, retryDelayMs } from "../../../node/mesh/peer-core.ts";
import { limits } from "../../../node/runtime/limits.ts";

const { retryMinMs, retryMaxMs, waitMs } = limits.mesh;
const HALF = 0.5;

/** Ticks from `nowMs` until there is something to do; returns it with the time. */
function nextEffect(core: PeerCore, nowMs: number, endMs = nowMs + 60_000): [string, number] {
  for (; nowMs < endMs; nowMs += 10) {
    const effect = core.tick(nowMs, HALF);
    if (effect !== undefined) return [effect.kind, nowMs];
  }
  return ["nothing", nowMs];
}

describe("the state of another server", () => {
  it("is dialled at once by the opener, and a little later by the other", () => {
    expect(nextEffect(new PeerCore(true, 0, HALF), 0)).deep.equals(["dial", 0]);
    const [effect, atMs] = nextEffect(new PeerCore(false, 0, HALF), 0);
    expect(effect).equals("dial");
    expect(atMs).within(retryMinMs, 2 * retryMinMs);
  });

  it("goes from down through dialing and greeting to up, for the opener", () => {
    const core = new PeerCore(true, 0, HALF);
    core.tick(0, HALF);
    expect(core.state.kind).equals("dialing");
    expect(core.connected(5)).deep.equals({ kind: "open-link" });
    expect(core.state.kind).equals("greeting");
    core.linkUp();
    expect(core.state.kind).equals("up");
  });

  it("waits for the other side's streams when that is the opener, and hangs up when none come", () => {
    const core = new PeerCore(false, 0, HALF);
    nextEffect(core, 0);
    expect(core.connected(1000)).equals(undefined);
    expect(core.state).deep.equals({ kind: "waiting", attempt: 0, untilMs: 1000 + waitMs });
    expect(nextEffect(core, 1000)).deep.equals(["hang-up", 1000 + waitMs]);
    expect(core.state).include({ kind: "down", attempt: 1 });
  });

  it("is greeting when the other side's link arrives, whatever it was before", () => {
    const core = new PeerCore(false, 0, HALF);
    core.linkArrived();
    expect(core.state).deep.equals({ kind: "greeting", attempt: 0 });
    core.linkUp();
    core.linkArrived();
    expect(core.state).deep.equals({ kind: "greeting", attempt: 0 });
  });

  it("needs no second connection while one is greeting or up", () => {
    const core = new PeerCore(true, 0, HALF);
    expect(core.connected(0)).deep.equals({ kind: "open-link" });
    expect(core.connected(1)).equals(undefined);
    core.linkUp();
    expect(core.connected(2)).equals(undefined);
    expect(core.state.kind).equals("up");
  });

  it("is dialled again for ever, less and less often up to a bound, and at once after a link that was up", () => {
    const core = new PeerCore(true, 0, HALF);
    let nowMs = 0;
    const waits: number[] = [];
    for (let i = 0; i < 20; i++) {
      const [effect, atMs] = nextEffect(core, nowMs);
      expect(effect).equals("dial");
      waits.push(atMs - nowMs);
      nowMs = atMs;
      core.failed(nowMs, HALF);
    }
    expect(waits.slice(1, 4)).deep.equals([150, 300, 600]);
    expect(waits.at(-1)).equals(0.75 * retryMaxMs);
    core.connected(nowMs);
    core.linkUp();
    core.failed(nowMs, HALF);
    expect(nextEffect(core, nowMs)[1] - nowMs).within(0, retryMinMs);
  });

  it("is not tried again on every connection that comes about while no link with it can be agreed upon", () => {
    const core = new PeerCore(true, 0, HALF);
    core.tick(0, HALF);
    let links = 0;
    for (let nowMs = 0; nowMs < 60_000; nowMs += 10) {
      core.tick(nowMs, HALF);
      if (core.connected(nowMs) === undefined) continue;
      links++;
      core.failed(nowMs, HALF, true);
    }
    expect(links).within(60_000 / retryMaxMs, 40);
  });

  it("is greeted at once when it comes by itself, however often it could not be dialled", () => {
    const core = new PeerCore(true, 0, HALF);
    for (let i = 0; i < 20; i++) core.failed(0, HALF);
    expect(core.connected(1)).deep.equals({ kind: "open-link" });
  });

  it("waits no longer than the bound and no shorter than half the step, whatever the jitter", () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.double({ min: 0, max: 0.999_999, noNaN: true }), (attempt, random) => {
        const delayMs = retryDelayMs(attempt, random);
        expect(delayMs).within(Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(attempt, 16)) / 2, retryMaxMs);
      }),
    );
  });
});
