import { expect } from "chai";
import { parseAor } from "../../../../dht-schema/aor.ts";
import type { Ballot } from "../../../../dht-schema/ballot.ts";
import { BALLOT_MAX, compareBallots } from "../../../../dht-schema/ballot.ts";
import type { Batch, DirectoryMessage } from "../../../../dht-schema/directory-messages.ts";
import { CoreNetwork } from "../../../helpers/core-network.ts";

const ALICE = parseAor("sip:alice@example.com");
const BOB = parseAor("sip:bob@example.com");
const LIAR = 3;

const ballot = (counter: number, member = LIAR, version = 1): Ballot => ({ version, counter, member });
const batch = (...messages: DirectoryMessage[]): Batch => ({ rosterVersion: 1, messages });

/** What the liar says to a server, as if it came over its link. */
function say(network: CoreNetwork, to: number, ...messages: DirectoryMessage[]): void {
  network.act(to, (core, localMs) => core.receive(localMs, LIAR, batch(...messages)));
}

function violations(network: CoreNetwork, server: number): string[] {
  return network.events(server).flatMap((event) => (event.kind === "violation" ? [`${event.from} ${event.rule}`] : []));
}

describe("a member that lies", () => {
  it("cannot use up the ballots: a counter that leaps is not promised, and the others go on claiming", () => {
    const network = new CoreNetwork();
    network.own(1, ALICE);
    const top = ballot(BALLOT_MAX.counter);
    for (const to of [1, 2]) {
      say(network, to, { type: "prepare", op: 1, aor: ALICE, ballot: top, boot: 1 });
      say(network, to, { type: "accept", op: 2, aor: BOB, ballot: top, boot: 1, incarnation: 1 });
    }
    expect(violations(network, 2)).to.deep.equal(["3 counter-leap"]);
    const moved = network.own(2, ALICE);
    expect(moved.counter).to.be.below(2 ** 26);
    network.own(1, BOB);
  });

  it("cannot leap by its answers either", () => {
    const network = new CoreNetwork();
    const id = network.startClaim(1, ALICE);
    const prepare = network.takeTrace().find(({ message }) => message.type === "prepare")!.message;
    const { op } = prepare as DirectoryMessage & { op: number };
    say(network, 1, { type: "refused", op, reason: "promised", promised: ballot(BALLOT_MAX.counter) });
    network.until("the claim has ended", () => network.claimResult(1, id) !== undefined);
    expect(network.claimResult(1, id)).to.include({ kind: "owned" });
    expect(network.own(1, BOB).counter).to.be.below(2 ** 26);
  });

  it("cannot take a user over by a ballot that leaps", () => {
    const network = new CoreNetwork();
    const epoch = network.own(1, ALICE);
    say(network, 1, { type: "handover", op: 1, aor: ALICE, theirs: epoch, mine: ballot(BALLOT_MAX.counter) });
    expect(network.owned(1, ALICE)).to.deep.equal(epoch);
    expect(violations(network, 1)).to.deep.equal(["3 counter-leap"]);
  });

  it("cannot speak by another's ballot, nor by one of a roster to come", () => {
    const network = new CoreNetwork();
    const epoch = network.own(1, ALICE);
    const others = ballot(epoch.counter + 1, 2);
    const future = ballot(epoch.counter + 1, LIAR, 2);
    say(network, 2, { type: "release", aor: ALICE, ballot: epoch });
    say(network, 2, { type: "prepare", op: 1, aor: ALICE, ballot: others, boot: undefined });
    say(network, 2, { type: "accept", op: 2, aor: ALICE, ballot: others, boot: 1, incarnation: 1 });
    say(network, 2, { type: "prepare", op: 3, aor: ALICE, ballot: future, boot: undefined });
    say(network, 1, { type: "handover", op: 4, aor: ALICE, theirs: epoch, mine: others });
    const broken = ["3 foreign-ballot", "3 foreign-ballot", "3 foreign-ballot", "3 future-ballot"];
    expect(violations(network, 2)).to.deep.equal(broken);
    expect(network.held(2, ALICE)).to.deep.equal(epoch);
    expect(network.owned(1, ALICE)).to.deep.equal(epoch);
  });

  it("that says it is ahead for ever does not keep out what others send who are", () => {
    const network = new CoreNetwork({ tuning: { heldMessages: 10 } });
    const release: DirectoryMessage = { type: "release", aor: ALICE, ballot: ballot(1) };
    const flood = { rosterVersion: 99, messages: [release, release, release] };
    network.act(1, (core, localMs) => {
      for (let i = 0; i < 10; i++) core.receive(localMs, LIAR, flood);
      const settle: DirectoryMessage = { type: "settle", op: 1 };
      core.receive(localMs, 2, { rosterVersion: 2, messages: [settle, settle] });
    });
    network.takeTrace();
    network.install(1, { ...network.roster(1), version: 2 });
    const answers = network.takeTrace().filter(({ message }) => message.type === "settled");
    expect(answers.map(({ to }) => to)).to.deep.equal([2, 2]);
  });
});

describe("a member that claims whatever it can", () => {
  it("fills no replica: the others' claims find room", () => {
    const network = new CoreNetwork({ tuning: { registers: 30 } });
    const flood = Array.from({ length: 60 }, (_, at) => parseAor(`sip:flood${at}@example.com`));
    const claims = flood.map((aor) => network.startClaim(LIAR, aor, "if-free", 1_000));
    network.run(3_000);
    const won = claims.filter((id) => network.claimResult(LIAR, id)?.kind === "owned");
    expect(won).to.have.length(15);
    for (const id of claims) expect(network.claimResult(LIAR, id)?.kind).to.be.oneOf(["owned", "unavailable"]);
    for (const aor of [ALICE, BOB, parseAor("sip:carol@example.com")]) network.own(1, aor);
    for (const at of claims.keys()) network.release(LIAR, flood[at]!);
    network.run(10);
    for (const aor of flood.slice(0, 10)) network.own(2, aor);
  });
});

describe("messages that come again", () => {
  it("change no owner, in whatever order all that was ever sent is repeated", () => {
    const network = new CoreNetwork();
    network.watch(1, ALICE);
    const first = network.own(1, ALICE);
    const second = network.own(2, ALICE);
    network.release(2, ALICE);
    const third = network.own(3, ALICE);
    network.own(1, BOB);
    network.run(100);
    const said = network.takeTrace();
    // Every message once more, latest first, then earliest first, each on a link that has just come up.
    for (const { from, to, message } of [...said.toReversed(), ...said]) {
      network.act(to, (core, localMs) => core.linkUp(localMs, from));
      network.act(to, (core, localMs) => core.receive(localMs, from, batch(message)));
      network.run(2);
    }
    network.run(5_000);
    expect(network.owned(1, ALICE)).to.equal(undefined);
    expect(network.owned(2, ALICE)).to.equal(undefined);
    expect(network.owned(3, ALICE)).to.not.equal(undefined);
    expect(network.owned(1, BOB)).to.not.equal(undefined);
    expect([second, third].map((epoch, at) => compareBallots(epoch, [first, second][at]!) > 0)).to.deep.equal([
      true,
      true,
    ]);
    const told = network.told(1, ALICE).flatMap((state) => (state.kind === "owner" ? [state.epoch.counter] : []));
    expect(told, "never backwards").to.deep.equal(told.toSorted((a, b) => a - b));
    expect(network.lookup(2, ALICE)).to.deep.include({ kind: "owner" });
    expect(network.own(2, ALICE).counter).to.be.above(third.counter);
  });
});
