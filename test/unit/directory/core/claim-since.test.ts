import { expect } from "chai";
import type { Ballot } from "../../../../dht-schema/ballot.ts";
import type { AcceptedState } from "../../../../dht-schema/directory-messages.ts";
import { ClaimBench } from "../../../helpers/claim-bench.ts";

const ballot = (counter: number, member: number): Ballot => ({ version: 1, counter, member });
/** What a replica reports of an owner whose session lives. */
const valid = (held: Ballot, validForMs = 5_000): AcceptedState => ({ ballot: held, boot: 1, validForMs });
/** What a replica reports of an owner whose session is over, or who has let go. */
const dead = (held: Ballot): AcceptedState => valid(held, 0);

describe("a claim that goes on from an epoch", () => {
  const since = ballot(5, 9);

  it("asks for promises only, and is won where nobody else has owned since", () => {
    const bench = new ClaimBench("if-free", undefined, since);
    bench.claim.prepare(0);
    const prepares = bench.take("prepare");
    expect(prepares.map(({ message }) => message.boot)).to.deep.equal(prepares.map(() => undefined));
    const { op, ballot: mine } = prepares[0]!.message;
    bench.promise(1, op, dead(since));
    bench.promise(2, op, dead(ballot(4, 3)));
    bench.promise(3, op);
    expect(bench.take("accept").map(({ to }) => to)).to.deep.equal([1, 2, 3]);
    for (const replica of [1, 2, 3]) bench.accepted(replica, op);
    expect(bench.ends).to.deep.equal([{ kind: "owned", epoch: mine, from: undefined }]);
  });

  it("is superseded where one replica of a majority remembers that another has", () => {
    const bench = new ClaimBench("if-free", undefined, since).start();
    const { op } = bench.round();
    bench.promise(1, op, dead(since));
    bench.promise(2, op, dead(ballot(7, 3)));
    bench.promise(3, op, dead(ballot(8, 4)));
    expect(bench.ends).to.deep.equal([{ kind: "superseded", epoch: ballot(8, 4) }]);
    expect(bench.take("accept")).to.deep.equal([]);
  });

  it("is not superseded by ballots of its own server", () => {
    const bench = new ClaimBench("if-free", undefined, since).start();
    const { op } = bench.round();
    for (const replica of [1, 2, 3]) bench.promise(replica, op, dead(ballot(7, 9)));
    expect(bench.take("accept")).to.have.length(3);
  });

  it("leaves a live owner to be asked, whatever others remember", () => {
    const bench = new ClaimBench("if-free", undefined, since).start();
    const { op } = bench.round();
    bench.promise(1, op, valid(ballot(8, 4)));
    bench.promise(2, op, dead(ballot(7, 3)));
    bench.promise(3, op, valid(ballot(8, 4)));
    expect(bench.ends).to.deep.equal([]);
    bench.promise(4, op, valid(ballot(8, 4)));
    const [confirm] = bench.take("confirm");
    bench.answer(4, { type: "confirmed", op: confirm!.message.op, owned: ballot(8, 4), forwarded: undefined });
    expect(bench.ends).to.deep.equal([{ kind: "owned-elsewhere", epoch: ballot(8, 4) }]);
  });

  it("is superseded where a server says that it no longer owns what a majority holds", () => {
    const bench = new ClaimBench("if-free", undefined, since).start();
    const { op } = bench.round();
    for (const replica of [1, 2, 3]) bench.promise(replica, op, valid(ballot(8, 4)));
    const [confirm] = bench.take("confirm");
    bench.answer(4, { type: "confirmed", op: confirm!.message.op, owned: undefined, forwarded: undefined });
    expect(bench.ends).to.deep.equal([{ kind: "superseded", epoch: ballot(8, 4) }]);
    expect(bench.take("accept")).to.deep.equal([]);
  });

  it("goes on where what is no longer owned is from before", () => {
    const bench = new ClaimBench("if-free", undefined, since).start();
    const { op } = bench.round();
    for (const replica of [1, 2, 3]) bench.promise(replica, op, valid(ballot(4, 4)));
    const [confirm] = bench.take("confirm");
    bench.answer(4, { type: "confirmed", op: confirm!.message.op, owned: undefined, forwarded: undefined });
    expect(bench.take("accept").map(({ to }) => to)).to.deep.equal([1, 2, 3]);
  });

  it("waits until what is only proposed to a replica is owned or given up, and asks: it hides what was owned before", () => {
    const bench = new ClaimBench("if-free", undefined, since).start();
    const { op } = bench.round();
    bench.promise(1, op, valid(ballot(7, 3)));
    for (const replica of [2, 3, 4, 5]) bench.promise(replica, op);
    expect(bench.take("accept")).to.deep.equal([]);
    expect(bench.take("confirm").map(({ to, message }) => [to, message.ballot])).to.deep.equal([[3, ballot(7, 3)]]);
    const again = bench.pass(100).round();
    for (const replica of [1, 2, 3, 4, 5]) bench.promise(replica, again.op);
    expect(bench.take("accept")).to.have.length(5);
  });
});
