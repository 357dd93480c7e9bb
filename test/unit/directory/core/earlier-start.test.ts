import { expect } from "chai";
import { parseAor } from "../../../../dht-schema/aor.ts";
import { NO_BALLOT } from "../../../../dht-schema/ballot.ts";
import type { DirectoryMessage } from "../../../../dht-schema/directory-messages.ts";
import { DirectoryCore } from "../../../../node/directory/core/directory-core.ts";
import { testTuning } from "../../../helpers/core-context.ts";
import { testRoster } from "../../../helpers/rosters.ts";

const ALICE = parseAor("sip:alice@example.com");

/** Server 1 of three at one of its starts. */
function start(boot: number): DirectoryCore {
  const random = () => 0.5;
  return new DirectoryCore(0, {
    self: 1,
    boot,
    roster: testRoster(3),
    ceiling: 0,
    tuning: testTuning,
    steward: false,
    random,
  });
}

/** The number of a lookup's request, which it has just begun. */
function lookUp(core: DirectoryCore): number {
  core.takeOutput();
  core.lookup(0, 1, ALICE, "majority", 2_000);
  const sent = core.takeOutput().batches.flatMap(({ batch }) => batch.messages);
  return sent.flatMap((message) => (message.type === "read" ? [message.op] : []))[0] as number;
}

/** What it concludes when two replicas answer that they hold nothing, as often as they are asked. */
function answered(core: DirectoryCore, op: number): unknown[] {
  const state: DirectoryMessage = { type: "state", op, abstaining: false, promised: NO_BALLOT, accepted: undefined };
  for (const from of [2, 3]) core.receive(1, from, { rosterVersion: core.roster.version, messages: [state] });
  const { batches, events } = core.takeOutput();
  const again = batches.flatMap(({ batch }) => batch.messages).find(({ type }) => type === "read");
  if (again?.type === "read") return answered(core, again.op);
  return events.flatMap((event) => (event.kind === "found" ? [event.result] : []));
}

describe("an answer to a request of an earlier start", () => {
  it("that comes late is taken for none to a request of this one, whatever was asked since", () => {
    const before = lookUp(start(4));
    const core = start(5);
    const now = lookUp(core);
    expect(answered(core, before)).to.deep.equal([]);
    expect(answered(core, now)).to.deep.equal([{ kind: "nobody" }]);
  });
});
