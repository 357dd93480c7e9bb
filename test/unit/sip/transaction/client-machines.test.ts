import { expect } from "chai";
import { InviteClientTransaction } from "../../../../node/sip/transaction/invite-client.ts";
import { NonInviteClientTransaction } from "../../../../node/sip/transaction/non-invite-client.ts";
import type { ClientEffect } from "../../../../node/sip/transaction/timer-settings.ts";
import { RFC3261_TIMERS } from "../../../../node/sip/transaction/timer-settings.ts";

const unreliable = { reliable: false, timers: RFC3261_TIMERS };
const reliable = { reliable: true, timers: RFC3261_TIMERS };
const START = 1000;
const LIFETIME = 32_000;

type Machine = NonInviteClientTransaction | InviteClientTransaction;

/** Each event, applied at the machine's deadline where it is a timer and 10 ms after the start where it is not. */
const EVENTS: Record<string, (machine: Machine) => readonly ClientEffect[]> = {
  "1xx": (machine) => machine.response(180, START + 10),
  "2xx": (machine) => machine.response(200, START + 10),
  "3xx": (machine) => machine.response(302, START + 10),
  "6xx": (machine) => machine.response(603, START + 10),
  "early timer": (machine) => machine.timeout(Math.min(machine.deadlineMs, 1e9) - 1),
  "last timer": (machine) => machine.timeout(START + 10 + 2 * LIFETIME),
  "transport error": (machine) => machine.transportError(),
};

/** state → event → [next state, effects]; an event that is absent changes nothing and has no effect. */
type Table = Record<string, { make: () => Machine; on: Record<string, readonly [string, readonly ClientEffect[]]> }>;

function checkTable(table: Table): void {
  for (const [state, { make, on }] of Object.entries(table)) {
    for (const [name, event] of Object.entries(EVENTS)) {
      const [next, effects] = on[name] ?? [state, []];
      it(`${state}: ${name} → ${next}${effects.length > 0 ? `, ${effects.join(" and ")}` : ""}`, () => {
        const machine = make();
        expect(machine.state.kind).to.equal(state);
        expect(event(machine)).to.deep.equal(effects);
        expect(machine.state.kind).to.equal(next);
      });
    }
  }
}

/** Effects of the timer at each deadline until the end, with the time since the start. */
function runTimers(machine: Machine): [number, string][] {
  const log: [number, string][] = [];
  while (machine.state.kind !== "terminated" && machine.deadlineMs !== Number.POSITIVE_INFINITY) {
    const atMs = machine.deadlineMs;
    log.push([atMs - START, machine.timeout(atMs).join(" ") || machine.state.kind]);
  }
  return log;
}

describe("the non-INVITE client transaction", () => {
  const trying = () => new NonInviteClientTransaction(START, unreliable);
  const after = (event: string) => () => {
    const machine = trying();
    EVENTS[event]?.(machine);
    return machine;
  };
  checkTable({
    trying: {
      make: trying,
      on: {
        "1xx": ["proceeding", ["deliver"]],
        "2xx": ["completed", ["deliver"]],
        "3xx": ["completed", ["deliver"]],
        "6xx": ["completed", ["deliver"]],
        "last timer": ["terminated", ["timed-out"]],
        "transport error": ["terminated", ["failed"]],
      },
    },
    proceeding: {
      make: after("1xx"),
      on: {
        "1xx": ["proceeding", ["deliver"]],
        "2xx": ["completed", ["deliver"]],
        "3xx": ["completed", ["deliver"]],
        "6xx": ["completed", ["deliver"]],
        "last timer": ["terminated", ["timed-out"]],
        "transport error": ["terminated", ["failed"]],
      },
    },
    completed: { make: after("2xx"), on: {} },
    terminated: { make: after("transport error"), on: {} },
  });

  it("retransmits at timer E, doubled up to T2, until timer F", () => {
    const times = runTimers(trying());
    expect(times.map(([ms]) => ms)).to.deep.equal([
      500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500, 32_000,
    ]);
    expect(times.at(-1)?.[1]).to.equal("timed-out");
    expect(new Set(times.slice(0, -1).map(([, effect]) => effect))).to.deep.equal(new Set(["send"]));
  });

  it("retransmits every T2 once a provisional response has come", () => {
    const machine = trying();
    machine.response(100);
    expect(runTimers(machine).map(([ms]) => ms)).to.deep.equal([
      500, 4500, 8500, 12_500, 16_500, 20_500, 24_500, 28_500, 32_000,
    ]);
  });

  it("does not retransmit over a reliable transport", () => {
    expect(runTimers(new NonInviteClientTransaction(START, reliable))).to.deep.equal([[LIFETIME, "timed-out"]]);
  });

  it("has no response to absorb over a reliable transport", () => {
    const sure = new NonInviteClientTransaction(START, reliable);
    expect(sure.response(200)).to.deep.equal(["deliver"]);
    expect(sure.state.kind).to.equal("terminated");
  });
});

describe("the INVITE client transaction", () => {
  const calling = () => new InviteClientTransaction(START, unreliable);
  const after = (event: string) => () => {
    const machine = calling();
    EVENTS[event]?.(machine);
    return machine;
  };
  checkTable({
    calling: {
      make: calling,
      on: {
        "1xx": ["proceeding", ["deliver"]],
        "2xx": ["accepted", ["deliver"]],
        "3xx": ["completed", ["acknowledge", "deliver"]],
        "6xx": ["completed", ["acknowledge", "deliver"]],
        "last timer": ["terminated", ["timed-out"]],
        "transport error": ["terminated", ["failed"]],
      },
    },
    proceeding: {
      make: after("1xx"),
      on: {
        "1xx": ["proceeding", ["deliver"]],
        "2xx": ["accepted", ["deliver"]],
        "3xx": ["completed", ["acknowledge", "deliver"]],
        "6xx": ["completed", ["acknowledge", "deliver"]],
        "transport error": ["terminated", ["failed"]],
      },
    },
    completed: {
      make: after("6xx"),
      on: {
        "3xx": ["completed", ["acknowledge"]],
        "6xx": ["completed", ["acknowledge"]],
        "last timer": ["terminated", []],
        "transport error": ["terminated", ["failed"]],
      },
    },
    accepted: { make: after("2xx"), on: { "2xx": ["accepted", ["deliver"]], "last timer": ["terminated", []] } },
    terminated: { make: after("transport error"), on: {} },
  });

  it("retransmits at timer A, doubled without bound, until timer B", () => {
    expect(runTimers(calling())).to.deep.equal([
      [500, "send"],
      [1500, "send"],
      [3500, "send"],
      [7500, "send"],
      [15_500, "send"],
      [31_500, "send"],
      [32_000, "timed-out"],
    ]);
  });

  it("does not retransmit over a reliable transport, and has no timer D there", () => {
    const machine = new InviteClientTransaction(START, reliable);
    expect(runTimers(machine)).to.deep.equal([[LIFETIME, "timed-out"]]);
    const refused = new InviteClientTransaction(START, reliable);
    expect(refused.response(486, START)).to.deep.equal(["acknowledge", "deliver"]);
    expect(refused.state.kind).to.equal("terminated");
  });

  it("rings for as long as it takes", () => {
    expect(after("1xx")().deadlineMs).to.equal(Number.POSITIVE_INFINITY);
  });

  it("gives up 64·T1 after a CANCEL, whatever else rings", () => {
    const machine = after("1xx")();
    machine.cancelled(START + 100);
    machine.response(180, START + 200);
    expect(runTimers(machine)).to.deep.equal([[32_100, "timed-out"]]);
  });

  it("takes no notice of a CANCEL in any other state", () => {
    for (const make of [calling, after("2xx"), after("6xx"), after("transport error")]) {
      const machine = make();
      const { state, deadlineMs } = machine;
      machine.cancelled(START + 100);
      expect(machine).to.deep.include({ state, deadlineMs });
    }
  });

  it("waits 32 s in completed and 64·T1 in accepted", () => {
    expect(runTimers(after("6xx")())).to.deep.equal([[32_010, "terminated"]]);
    expect(runTimers(after("2xx")())).to.deep.equal([[32_010, "terminated"]]);
  });
});
