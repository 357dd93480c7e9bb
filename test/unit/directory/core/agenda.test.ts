import { expect } from "chai";
import fc from "fast-check";
import { Agenda } from "../../../../node/directory/core/agenda.ts";

describe("an agenda", () => {
  it("has nothing due when it is empty", () => {
    const agenda = new Agenda();
    expect(agenda.nextMs).to.equal(Infinity);
    agenda.runDue(1e9);
    expect(agenda.nextMs).to.equal(Infinity);
  });

  it("runs an entry once, at the first look that is not before its time, and tells it that time", () => {
    const agenda = new Agenda();
    const ran: number[] = [];
    agenda.add(10, (nowMs) => ran.push(nowMs));
    agenda.runDue(9.99);
    expect(ran).to.deep.equal([]);
    agenda.runDue(12);
    agenda.runDue(13);
    expect(ran).to.deep.equal([12]);
  });

  it("never runs what was cancelled, before or during the same look", () => {
    const agenda = new Agenda();
    const ran: string[] = [];
    const early = agenda.add(1, () => ran.push("early"));
    const late = agenda.add(3, () => ran.push("late"));
    agenda.add(2, () => late.cancel());
    early.cancel();
    agenda.runDue(5);
    expect(ran).to.deep.equal([]);
    expect(agenda.nextMs).to.equal(Infinity);
  });

  it("runs in the same look what an entry adds for now, and leaves what it adds for later", () => {
    const agenda = new Agenda();
    const ran: string[] = [];
    agenda.add(1, (nowMs) => {
      ran.push("first");
      agenda.add(nowMs, () => ran.push("at once"));
      agenda.add(nowMs + 1, () => ran.push("later"));
    });
    agenda.runDue(1);
    expect(ran).to.deep.equal(["first", "at once"]);
    expect(agenda.nextMs).to.equal(2);
  });

  it("runs everything in order of time, as a sorted list would", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ atMs: fc.nat(50), isCancelled: fc.boolean() })),
        fc.nat(50),
        (entries, untilMs) => {
          const agenda = new Agenda();
          const ran: number[] = [];
          for (const { atMs, isCancelled } of entries) {
            const entry = agenda.add(atMs, () => ran.push(atMs));
            if (isCancelled) entry.cancel();
          }
          const kept = entries.filter(({ isCancelled }) => !isCancelled).map(({ atMs }) => atMs);
          agenda.runDue(untilMs);
          expect(ran).to.deep.equal(kept.filter((atMs) => atMs <= untilMs).sort((a, b) => a - b));
          agenda.runDue(50);
          expect(ran).to.deep.equal(kept.sort((a, b) => a - b));
        },
      ),
    );
  });
});
