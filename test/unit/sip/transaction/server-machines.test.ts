import { expect } from "chai";
import { InviteServerTransaction } from "../../../../node/sip/transaction/invite-server.ts";
import { NonInviteServerTransaction } from "../../../../node/sip/transaction/non-invite-server.ts";
import type { ServerEffect } from "../../../../node/sip/transaction/timer-settings.ts";
import { RFC3261_TIMERS } from "../../../../node/sip/transaction/timer-settings.ts";

const unreliable = { reliable: false, timers: RFC3261_TIMERS };
const reliable = { reliable: true, timers: RFC3261_TIMERS };
const START = 1000;
const LIFETIME = 32_000;
const LATE = START + 10 + 2 * LIFETIME;

function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

/** Effects as words: `send 200`. */
function words(effects: readonly ServerEffect[]): string[] {
  return effects.map((effect) =>
    effect.kind === "send" ? `send ${Buffer.from(effect.response).toString()}` : effect.kind,
  );
}

interface Machine {
  readonly state: { readonly kind: string };
  readonly deadlineMs: number;
  timeout(nowMs: number): readonly ServerEffect[];
}
type Events<M> = Record<string, (machine: M) => readonly ServerEffect[]>;
/** state → event → [next state, effects]; an event that is absent changes nothing and has no effect. */
type Table<M> = Record<string, { make: () => M; on: Record<string, readonly [string, ...string[]]> }>;

function checkTable<M extends Machine>(table: Table<M>, events: Events<M>): void {
  for (const [state, { make, on }] of Object.entries(table)) {
    for (const [name, event] of Object.entries(events)) {
      const [next, ...effects] = on[name] ?? [state];
      it(`${state}: ${name} → ${next}${effects.length > 0 ? `, ${effects.join(" and ")}` : ""}`, () => {
        const machine = make();
        expect(machine.state.kind).to.equal(state);
        expect(words(event(machine))).to.deep.equal(effects);
        expect(machine.state.kind).to.equal(next);
      });
    }
  }
}

function runTimers(machine: Machine): [number, string][] {
  const log: [number, string][] = [];
  while (machine.deadlineMs !== Number.POSITIVE_INFINITY) {
    const atMs = machine.deadlineMs;
    log.push([atMs - START, words(machine.timeout(atMs)).join(" ") || machine.state.kind]);
  }
  return log;
}

describe("the non-INVITE server transaction", () => {
  const EVENTS: Events<NonInviteServerTransaction> = {
    "request again": (machine) => machine.request(),
    "100": (machine) => machine.provisional(bytes("100")),
    final: (machine) => machine.final(bytes("200")),
    abandon: (machine) => machine.abandon(),
    "early timer": (machine) => machine.timeout(Math.min(machine.deadlineMs, 1e9) - 1),
    "last timer": (machine) => machine.timeout(LATE),
    "transport error": (machine) => machine.transportError(),
  };
  const trying = () => new NonInviteServerTransaction(START, unreliable);
  const after = (event: string) => () => {
    const machine = trying();
    EVENTS[event]?.(machine);
    return machine;
  };
  checkTable(
    {
      trying: {
        make: trying,
        on: {
          "100": ["proceeding", "send 100"],
          final: ["completed", "send 200"],
          abandon: ["terminated", "unanswered"],
          "last timer": ["terminated", "unanswered"],
          "transport error": ["trying", "failed"],
        },
      },
      proceeding: {
        make: after("100"),
        on: {
          "request again": ["proceeding", "send 100"],
          "100": ["proceeding", "send 100"],
          final: ["completed", "send 200"],
          abandon: ["terminated", "unanswered"],
          "last timer": ["terminated", "unanswered"],
          "transport error": ["proceeding", "failed"],
        },
      },
      completed: {
        make: after("final"),
        on: {
          "transport error": ["completed", "failed"],
        },
      },
      terminated: { make: after("abandon"), on: {} },
    },
    EVENTS,
  );

  it("makes a 100 when the client's retransmissions have slowed down, and gives up with the client", () => {
    expect(runTimers(trying())).to.deep.equal([
      [3500, "make-trying"],
      [32_000, "unanswered"],
    ]);
    expect(runTimers(new NonInviteServerTransaction(START, reliable))).to.deep.equal([[32_000, "unanswered"]]);
  });

  it("has no answer to keep over a reliable transport", () => {
    const sure = new NonInviteServerTransaction(START, reliable);
    sure.final(bytes("200"));
    expect(sure.state.kind).to.equal("terminated");
  });

  it("ends where a reliable transport fails, as nobody asks again there", () => {
    const machine = new NonInviteServerTransaction(START, reliable);
    expect(words(machine.transportError())).to.deep.equal(["failed"]);
    expect(machine.state.kind).to.equal("terminated");
  });
});

describe("the INVITE server transaction", () => {
  const EVENTS: Events<InviteServerTransaction> = {
    "INVITE again": (machine) => machine.request(),
    "1xx": (machine) => machine.provisional(bytes("180")),
    "2xx": (machine) => machine.success(bytes("200"), START + 10),
    "6xx": (machine) => machine.failure(bytes("603"), START + 10),
    ACK: (machine) => machine.ack(START + 20),
    "early timer": (machine) => machine.timeout(Math.min(machine.deadlineMs, 1e9) - 1),
    "last timer": (machine) => machine.timeout(LATE),
    "transport error": (machine) => machine.transportError(),
  };
  const proceeding = () => new InviteServerTransaction(START, unreliable);
  const after =
    (...events: string[]) =>
    () => {
      const machine = proceeding();
      for (const event of events) EVENTS[event]?.(machine);
      return machine;
    };
  const answers = {
    "1xx": ["proceeding", "send 180"],
    "2xx": ["accepted", "send 200"],
    "6xx": ["completed", "send 603"],
    "transport error": ["proceeding", "failed"],
  } as const;
  describe("before any response", () => {
    checkTable(
      { proceeding: { make: proceeding, on: { ...answers, "last timer": ["proceeding", "make-trying"] } } },
      EVENTS,
    );
  });
  describe("after a response", () => {
    checkTable(
      {
        proceeding: { make: after("1xx"), on: { ...answers, "INVITE again": ["proceeding", "send 180"] } },
        completed: {
          make: after("6xx"),
          on: {
            "INVITE again": ["completed", "send 603"],
            ACK: ["confirmed"],
            "last timer": ["terminated", "unacknowledged"],
            "transport error": ["completed", "failed"],
          },
        },
        accepted: {
          make: after("2xx"),
          on: {
            "2xx": ["accepted", "send 200"],
            ACK: ["accepted", "deliver-ack"],
            "last timer": ["terminated"],
            "transport error": ["accepted", "failed"],
          },
        },
        confirmed: { make: after("6xx", "ACK"), on: { "last timer": ["terminated"] } },
        terminated: { make: after("6xx", "last timer"), on: {} },
      },
      EVENTS,
    );
  });

  it("makes a 100 when nobody has answered after 200 ms", () => {
    expect(runTimers(proceeding())).to.deep.equal([[200, "make-trying"]]);
  });

  it("retransmits a final response at timer G, doubled up to T2, until timer H", () => {
    const times = runTimers(after("1xx", "6xx")());
    expect(times.map(([ms]) => ms)).to.deep.equal([
      510, 1510, 3510, 7510, 11_510, 15_510, 19_510, 23_510, 27_510, 31_510, 32_010,
    ]);
    expect(times.at(-1)?.[1]).to.equal("unacknowledged");
  });

  it("leaves it to a client that has had no provisional response to ask again", () => {
    const machine = after("6xx")();
    expect(machine.request()).to.have.length(1);
    expect(runTimers(machine)).to.deep.equal([[32_010, "unacknowledged"]]);
  });

  it("only waits for the ACK over a reliable transport, and ends with it", () => {
    const machine = new InviteServerTransaction(START, reliable);
    machine.provisional(bytes("180"));
    machine.failure(bytes("603"), START);
    expect(runTimers(machine)).to.deep.equal([[LIFETIME, "unacknowledged"]]);
    const acknowledged = new InviteServerTransaction(START, reliable);
    acknowledged.failure(bytes("603"), START);
    acknowledged.ack(START);
    expect(acknowledged.state.kind).to.equal("terminated");
  });

  it("ends where a reliable transport fails, as nobody asks again there", () => {
    for (const events of [[], ["1xx"], ["6xx"]]) {
      const machine = new InviteServerTransaction(START, reliable);
      for (const event of events) EVENTS[event]?.(machine);
      expect(words(machine.transportError())).to.deep.equal(["failed"]);
      expect(machine.state.kind).to.equal("terminated");
    }
  });

  it("absorbs ACKs for T4, and INVITEs after a 2xx for 64·T1", () => {
    expect(runTimers(after("6xx", "ACK")())).to.deep.equal([[5020, "terminated"]]);
    expect(runTimers(after("2xx")())).to.deep.equal([[32_010, "terminated"]]);
  });
});
