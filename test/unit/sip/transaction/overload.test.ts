import { expect } from "chai";
import type { ServerId } from "../../../../dht-schema/roster.ts";
import { createCounters } from "../../../../node/runtime/metrics.ts";
import { topVia } from "../../../../node/sip/message/validate-request.ts";
import type { Work } from "../../../../node/sip/transaction/overload.ts";
import { Overload } from "../../../../node/sip/transaction/overload.ts";
import { Scheduler } from "../../../../node/runtime/scheduler.ts";
import { ServerTransactions } from "../../../../node/sip/transaction/server-transactions.ts";
import { RFC3261_TIMERS } from "../../../../node/sip/transaction/timer-settings.ts";
import { VirtualTime } from "../../../helpers/virtual-time.ts";
import { CAPACITY, request, TCP } from "./pair.ts";

const RULES = { sampleMs: 100, lateMs: 300, samples: 3 };

describe("what a late event loop sheds", () => {
  const shedOf = (overload: Overload, work: Work) =>
    Array.from({ length: 100 }, () => overload.sheds(work)).filter(Boolean).length;
  const sample = (overload: Overload, lateMs: number, times: number) => {
    for (let i = 0; i < times; i++) overload.sample(lateMs);
  };

  it("is what is new, and what goes on only where that was not enough", () => {
    const overload = new Overload(RULES);
    sample(overload, 300, RULES.samples + 4);
    expect([shedOf(overload, "new"), shedOf(overload, "going-on")]).to.deep.equal([100, 0]);
    sample(overload, 300, 2);
    expect(shedOf(overload, "new")).to.equal(100);
    expect(shedOf(overload, "going-on")).to.be.within(38, 42);
  });

  it("is nothing of either soon after the loop has caught up", () => {
    const overload = new Overload(RULES);
    sample(overload, 300, 100);
    sample(overload, 0, 5);
    expect(shedOf(overload, "going-on")).to.be.within(48, 52);
    sample(overload, 0, 6);
    expect([shedOf(overload, "new"), shedOf(overload, "going-on")]).to.deep.equal([0, 0]);
  });

  it("is what goes on apart from what is new, and of clients only; never what ends a call", () => {
    const time = new VirtualTime();
    const asked: Work[] = [];
    const refused: number[] = [];
    const servers = new ServerTransactions({
      scheduler: new Scheduler(time, time),
      counters: createCounters(),
      timers: RFC3261_TIMERS,
      isReliable: () => true,
      capacity: CAPACITY,
      transmit: () => {},
      sheds: (work) => asked.push(work) > 0,
      deliver: () => {},
      answerStateless: (_request, _path, status) => void refused.push(status),
    });
    const initial = request("MESSAGE");
    const within = { ...initial, headers: initial.headers.clone().set("To", "<sip:bob@example.com>;tag=1") };
    servers.receive(initial, topVia(initial), TCP);
    servers.receive(within, topVia(within), TCP);
    expect([asked.splice(0), refused]).to.deep.equal([
      ["new", "going-on"],
      [503, 503],
    ]);
    servers.receive(within, topVia(within), { transport: "MESH", server: "two" as ServerId });
    const cancel = { ...initial, method: "CANCEL", headers: initial.headers.clone().set("CSeq", "1 CANCEL") };
    const bye = { ...within, method: "BYE", headers: within.headers.clone().set("CSeq", "2 BYE") };
    for (const ending of [cancel, bye]) servers.receive(ending, topVia(ending), TCP);
    expect([asked, refused]).to.deep.equal([[], [503, 503]]);
    servers.stop();
  });
});
