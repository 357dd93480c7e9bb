import { expect } from "chai";
import type { JournalEntry } from "../../../../sim/chaos/journal.ts";
import type { Life } from "../../../../sim/chaos/swarm.ts";
import { tenuresOf } from "../../../../sim/chaos/tenures.ts";

const aor = "sip:alice@example.com";
const won = (atMs: number, epoch: string): JournalEntry => ({ kind: "won", atMs, askedAtMs: atMs - 5, aor, epoch });
const owns = (atMs: number, epoch: string, untilMs: number): JournalEntry => ({ kind: "owns", atMs, aor, epoch, untilMs }); // prettier-ignore
const lost = (atMs: number, epoch: string, reason: "expired" | "handed-over" | "released"): JournalEntry => {
  return { kind: "lost", atMs, aor, epoch, reason };
};
const up = (atMs: number): JournalEntry => ({ kind: "up", atMs, number: 3, boot: 1 });

/** Tenures of one server, in short. */
function read(entries: JournalEntry[], lives: Life[] = [{ fromMs: 0, toMs: Infinity, goneMs: Infinity }]) {
  const identity = { name: "s3", place: 3, lives };
  return tenuresOf([{ identity, entries }], 100_000).map(({ fromMs, toMs, goneMs, end }) => ({ fromMs, toMs, goneMs, end })); // prettier-ignore
}

describe("when a server believed to own a user, by its journal", () => {
  it("ends in the instant in which it hands over or lets go", () => {
    expect(read([won(10, "1.1.3"), lost(50, "1.1.3", "handed-over")])).to.deep.equal([
      { fromMs: 10, toMs: 50, goneMs: 50, end: "handed-over" },
    ]);
  });

  it("ends with its lease where the loss is only noticed later, as after a SIGSTOP", () => {
    const entries = [won(10, "1.1.3"), owns(100, "1.1.3", 3_100), lost(9_000, "1.1.3", "expired")];
    expect(read(entries)).to.deep.equal([{ fromMs: 10, toMs: 3_100, goneMs: 9_000, end: "expired" }]);
  });

  it("ends with the process, or before it with the lease", () => {
    const lives = [
      { fromMs: 0, toMs: 500, goneMs: 503 },
      { fromMs: 900, toMs: Infinity, goneMs: Infinity },
    ];
    const killed = [up(5), won(10, "1.1.3"), owns(100, "1.1.3", 3_100), up(1_000)];
    expect(read(killed, lives)).to.deep.equal([{ fromMs: 10, toMs: 500, goneMs: 503, end: "died" }]);
    const cutOff = [up(5), won(10, "1.1.3"), owns(100, "1.1.3", 300), up(1_000)];
    expect(read(cutOff, lives)[0]).to.include({ toMs: 300, goneMs: 503 });
  });

  it("lasts where nothing ended it, as long as was foretold", () => {
    expect(read([won(10, "1.1.3"), owns(100, "1.1.3", 3_100)])).to.deep.equal([
      { fromMs: 10, toMs: 3_100, goneMs: Infinity, end: "lasts" },
    ]);
  });

  it("goes on when a claim finds it owned already, and when the owner takes a higher epoch", () => {
    const entries = [won(10, "1.1.3"), owns(100, "1.1.3", 3_000), owns(200, "1.9.3", 3_100), won(250, "1.9.3"), lost(300, "1.12.3", "released")]; // prettier-ignore
    const identity = { name: "s3", place: 3, lives: [{ fromMs: 0, toMs: Infinity, goneMs: Infinity }] };
    const tenures = tenuresOf([{ identity, entries }], 100_000);
    expect(tenures).to.have.lengthOf(1);
    expect(tenures[0]?.raised).to.deep.equal([
      { epoch: "1.9.3", fromMs: 100, toMs: 200 },
      { epoch: "1.12.3", fromMs: 200, toMs: 300 },
    ]);
  });
});
