import { readFileSync } from "node:fs";
import { expect } from "chai";
import { AOR_MAX_BYTES } from "../../../dht-schema/aor.ts";
import type { StructCodec } from "../../../dht-schema/codec.ts";
import {
  acceptedStateCodec,
  BATCH_MESSAGES_MAX,
  messageCodecs,
  refusals,
} from "../../../dht-schema/directory-messages.ts";
import { inviteTokenCodec } from "../../../dht-schema/invite-token.ts";
import { joinAnswerCodec, joinRequestCodec } from "../../../dht-schema/join-messages.ts";
import { byeCodec, FRAME_MAX_BYTES, frameType, helloCodec, pingCodec } from "../../../dht-schema/link-frames.ts";
import { REPLICA_GROUP_MAX } from "../../../dht-schema/replica-group.ts";
import { promiseCodec, rosterAnswerCodec, signedPromiseCodec } from "../../../dht-schema/roster-messages.ts";
import { ROSTER_SERVERS_MAX, rosterCodec, rosterServerCodec, signedRosterCodec } from "../../../dht-schema/roster.ts";
import { ballotCodec, serverBindingCodec, signedBindingCodec } from "../../../dht-schema/server-binding.ts";
import { COUNTER_GROWTH_PER_SECOND } from "../../../node/directory/core/ballot-counter.ts";
import { LONGEST_ROUND } from "../../../node/directory/core/context.ts";
import { defaultTuning } from "../../../node/directory/tuning.ts";
import { limits } from "../../../node/runtime/limits.ts";

// Compiled, this file is dist/test/unit/dht-schema/spec.test.js; the compiler does not copy the text.
const text = readFileSync(new URL("../../../../dht-schema/SPEC.md", import.meta.url), "utf8");

/** The rows of the table under a mark, without its head; cells as they stand. */
function table(mark: string): string[][] {
  const [, after] = text.split(`<!-- ${mark} -->\n`);
  if (after === undefined) throw new Error(`SPEC.md has no table ${mark}`);
  const lines = after.slice(0, after.search(/\n(?!\|)/)).split("\n");
  return lines.slice(2).map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
}

const unquoted = (cell = "") => cell.replaceAll("`", "");
const fieldsOf = ({ fields }: StructCodec<unknown>) =>
  Object.entries(fields).map(([name, { notation }]) => [name, notation]);

/** A structure within another. */
function inner(codec: StructCodec<unknown>, field: string): StructCodec<unknown> {
  return codec.fields[field]!.of as StructCodec<unknown>;
}

const structures: readonly StructCodec<unknown>[] = [
  ballotCodec,
  rosterCodec,
  rosterServerCodec,
  signedRosterCodec,
  helloCodec,
  pingCodec,
  byeCodec,
  inviteTokenCodec,
  joinRequestCodec,
  joinAnswerCodec,
  inner(joinAnswerCodec, "accepted"),
  inner(joinAnswerCodec, "refused"),
  rosterAnswerCodec,
  signedPromiseCodec,
  promiseCodec,
  acceptedStateCodec,
  serverBindingCodec,
  signedBindingCodec,
];

describe("the specification", () => {
  for (const structure of structures) {
    it(`describes ${structure.notation} as it is on the wire`, () => {
      const rows = table(`structure ${structure.notation}`).map(([name, type]) => [unquoted(name), type]);
      expect(rows).to.deep.equal(fieldsOf(structure));
    });
  }

  it("describes no structure that there is not", () => {
    const named = [...text.matchAll(/<!-- structure (\S+) -->/g)].map(([, name]) => String(name));
    expect(named.toSorted()).to.deep.equal(structures.map(({ notation }) => notation).toSorted());
  });

  it("lists every message of the directory with its tag and its fields", () => {
    const listed = table("messages").map(([tag, name, fields]) => ({
      tag,
      name: unquoted(name),
      fields: unquoted(fields),
    }));
    const real = messageCodecs.map((codec, tag) => ({
      tag: String(tag),
      name: codec.notation,
      fields: fieldsOf(codec)
        .map(([name, notation]) => `${name} ${notation}`)
        .join(", "),
    }));
    expect(listed).to.deep.equal(real);
  });

  it("lists every refusal and every frame", () => {
    expect(table("refusals").map(([octet, name]) => [octet, unquoted(name)])).to.deep.equal(
      refusals.map((name, octet) => [String(octet), name]),
    );
    expect(table("frames").map(([type, name]) => [unquoted(name), Number(type)])).to.deep.equal(
      Object.entries(frameType),
    );
  });

  it("tells the times and bounds that the node keeps", () => {
    const real = [
      FRAME_MAX_BYTES,
      BATCH_MESSAGES_MAX,
      AOR_MAX_BYTES,
      REPLICA_GROUP_MAX,
      ROSTER_SERVERS_MAX,
      COUNTER_GROWTH_PER_SECOND,
      defaultTuning.ceilingStep,
      defaultTuning.forgetAfterBallots,
      defaultTuning.attemptMs,
      defaultTuning.attemptMs * LONGEST_ROUND,
      defaultTuning.forwardingMs,
      defaultTuning.stewardMs,
      defaultTuning.promoteAfterMs,
      limits.mesh.greetMs,
      limits.mesh.pingIdleMs,
      limits.mesh.pingEveryMs,
      limits.mesh.silentMs,
      limits.mesh.strangerMs,
    ];
    expect(table("constants").map(([, value]) => Number(value))).to.deep.equal(real);
  });

  it("refers to sections that it has", () => {
    const sections = new Set([...text.matchAll(/^#+ ([\d.]+?)\.? /gm)].map(([, number]) => number));
    const referred = [...text.matchAll(/(?<!RFC \d{4} |RFC 3261 §10\.3, )§(\d+(?:\.\d+)?)/g)].map(
      ([, number]) => number,
    );
    const ofRfc3261 = new Set(["10.3", "19.1.4", "19.1"]);
    expect(referred.filter((number) => !sections.has(number) && !ofRfc3261.has(number!))).to.deep.equal([]);
  });
});
