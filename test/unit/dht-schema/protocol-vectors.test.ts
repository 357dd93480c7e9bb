import { expect } from "chai";
import ballots from "../../../dht-schema/vectors/ballots.json" with { type: "json" };
import frames from "../../../dht-schema/vectors/frames.json" with { type: "json" };
import messages from "../../../dht-schema/vectors/messages.json" with { type: "json" };
import replica from "../../../dht-schema/vectors/replica.json" with { type: "json" };
import signatures from "../../../dht-schema/vectors/signatures.json" with { type: "json" };
import { compareBallots, formatBallot, parseBallot } from "../../../dht-schema/ballot.ts";
import type { DirectoryMessage } from "../../../dht-schema/directory-messages.ts";
import { messageCodecs, refusals } from "../../../dht-schema/directory-messages.ts";
import { decodeJoinAnswer, encodeJoinAnswer, JOIN_FRAME } from "../../../dht-schema/join-messages.ts";
import { encodeFrame } from "../../../dht-schema/link-frames.ts";
import { FrameSplitter } from "../../../dht-schema/frame-splitter.ts";
import {
  decodeRosterAnswer,
  encodeRosterAnswer,
  openPromise,
  rosterFrame,
  signPromise,
} from "../../../dht-schema/roster-messages.ts";
import { rosterDigest } from "../../../dht-schema/roster.ts";
import { SchemaError } from "../../../dht-schema/schema-error.ts";
import { Replica } from "../../../node/directory/core/replica.ts";
import { CoreContext } from "../../helpers/core-context.ts";
import { testRoster } from "../../helpers/rosters.ts";
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";

const octets = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (source: Uint8Array) => Buffer.from(source).toString("hex");

/** The body of the one frame, which must be of that type. */
function bodyOf(frame: string, type: number): Uint8Array {
  let found: Uint8Array | undefined;
  new FrameSplitter().push(octets(frame), (seen, body) => {
    expect(seen).to.equal(type);
    found = body.slice();
    return true;
  });
  return found!;
}

/** A value as it stands in the vectors: what is absent is left out. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("the vectors of the protocol", () => {
  it("have every message and every refusal, and each optional field with and without a value", () => {
    const all = messages.batches.flatMap(({ messages: list }) => list as { type: string; reason?: string }[]);
    expect([...new Set(all.map(({ type }) => type))].toSorted()).to.deep.equal(
      messageCodecs.map(({ notation }) => notation).toSorted(),
    );
    const reasons = all.flatMap(({ reason }) => reason ?? []);
    expect([...new Set(reasons)].toSorted()).to.deep.equal([...refusals].toSorted());
    for (const { notation, fields } of messageCodecs) {
      for (const [name, field] of Object.entries(fields)) {
        if (!field.notation.startsWith("optional")) continue;
        const seen = all.filter(({ type }) => type === notation).map((message) => name in message);
        expect(new Set(seen), `${notation}.${name}`).to.deep.equal(new Set([true, false]));
      }
    }
  });

  it("order ballots, and write them in one way", () => {
    const parsed = ballots.ascending.map((text) => parseBallot(text)!);
    expect(parsed.map(formatBallot)).to.deep.equal(ballots.ascending);
    expect(parsed.toReversed().toSorted(compareBallots)).to.deep.equal(parsed);
    for (const text of ballots.refused) expect(parseBallot(text), text).to.equal(undefined);
  });

  it("tell signed rosters apart by their digests", () => {
    for (const { signed, digest } of signatures.rosters) expect(rosterDigest(octets(signed))).to.equal(digest);
  });

  it("sign promises, and refuse what the domain's key has not signed", async () => {
    const domainKey = await generateKeyPairFromSeed("Ed25519", octets(signatures.domainSeed));
    for (const { promise, signed } of signatures.promises) {
      expect(hex(await signPromise(promise, domainKey))).to.equal(signed);
      expect(await openPromise(octets(signed), domainKey.publicKey.raw)).to.deep.equal(promise);
    }
    for (const { why, signed, code } of signatures.refusedPromises) {
      const error = await openPromise(octets(signed), domainKey.publicKey.raw).catch((reason: unknown) => reason);
      expect(error, why).to.be.instanceOf(SchemaError).with.property("code", code);
    }
  });

  it("ask about the roster, and answer", () => {
    for (const [name, { body, frame }] of Object.entries(frames.rosterQuestions)) {
      expect(hex(encodeFrame(rosterFrame[name as keyof typeof rosterFrame], octets(body)))).to.equal(frame);
    }
    for (const { fields, frame } of frames.rosterAnswers) {
      const answer = { refused: undefined, ...fields, roster: octets(fields.roster) };
      expect(hex(encodeFrame(rosterFrame.answer, encodeRosterAnswer(answer)))).to.equal(frame);
      expect(decodeRosterAnswer(bodyOf(frame, rosterFrame.answer))).to.deep.equal(answer);
    }
  });

  it("let a server in that may become the steward", () => {
    const { roster, domainKey, frame } = frames.joinAcceptedAsSteward;
    const answer = { accepted: { roster: octets(roster), domainKey: octets(domainKey) }, refused: undefined };
    expect(hex(encodeFrame(JOIN_FRAME, encodeJoinAnswer(answer)))).to.equal(frame);
    expect(decodeJoinAnswer(bodyOf(frame, JOIN_FRAME))).to.deep.equal(answer);
  });

  for (const { what, leaseMs, incarnation, abstainsUntilMs, floor, ceiling, firstSession, steps } of replica.stories) {
    it(`a replica: ${what}`, () => {
      const context = new CoreContext({ boot: incarnation, roster: { ...testRoster(5), leaseMs } });
      const core = new Replica(context, { abstainsUntilMs, floor, ceiling });
      expect(firstSession).to.equal(incarnation * 2 ** 30 + 1);
      for (const step of steps as { nowMs: number; from?: number; message?: DirectoryMessage; sends: unknown[] }[]) {
        const { nowMs, from, message, sends } = step;
        context.agenda.runDue(nowMs);
        if (from !== undefined && message !== undefined) core.receive(nowMs, from, message);
        expect(plain(context.takeSent()), `at ${nowMs} ms`).to.deep.equal(sends);
      }
    });
  }
});
