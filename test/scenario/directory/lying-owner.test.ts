import { expect } from "chai";
import { generateKeyPair } from "@libp2p/crypto/keys";
import { parseAor } from "../../../dht-schema/aor.ts";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import { BALLOT_MAX } from "../../../dht-schema/ballot.ts";
import { decodeBatch, encodeBatch } from "../../../dht-schema/directory-messages.ts";
import { openServerBinding, signServerBinding } from "../../../dht-schema/server-binding.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { TestDirectories } from "../../helpers/directories.ts";

const alice = parseAor("sip:alice@example.com");
const zeke = parseAor("sip:zeke@example.com");

describe("an owner that lies about its binding", function () {
  this.timeout(30_000);
  let domain: TestDirectories;
  let epoch: Epoch;
  before(async () => {
    domain = await TestDirectories.of(3);
    const outcome = await domain.server(2).directory.claim(alice, { mode: "if-free" });
    epoch = (outcome as { epoch: Epoch }).epoch;
  });
  after(() => domain.stop());

  /** From here on the third server answers requests for its record with this one, and nothing else. */
  const answerWith = (signed: Uint8Array | undefined) => {
    const { mesh } = domain.server(2);
    mesh.receive("directory", (from, bytes) => {
      const { rosterVersion, messages } = decodeBatch(bytes);
      for (const message of messages) {
        if (message.type !== "fetchRecord") continue;
        mesh.send(
          from,
          "directory",
          encodeBatch({ rosterVersion, messages: [{ type: "record", op: message.op, signed }] }),
        );
      }
    });
  };

  it("is not believed: only its own signature, of that user, by an epoch of its own that can be true", async () => {
    const [one, , liar] = domain.servers;
    const honest = { aor: alice, epoch, owner: liar!.mesh.self, signedAtMs: 1 };
    const sign = (changes: Partial<typeof honest>, key = liar!.mesh.privateKey) =>
      signServerBinding({ ...honest, ...changes }, key);
    const stranger = await generateKeyPair("Ed25519");
    const signed = await sign({});
    const lies: Record<string, Uint8Array> = {
      "another's signature": await sign({}, stranger),
      "another user": await sign({ aor: zeke }),
      "another owner's epoch": await sign({ epoch: { ...epoch, member: 1 } }),
      "an epoch that is over": await sign({ epoch: { ...epoch, counter: 0 } }),
      "a counter that nobody has reached": await sign({ epoch: { ...epoch, counter: BALLOT_MAX.counter } }),
      "a roster that there will not be": await sign({ epoch: { ...epoch, version: BALLOT_MAX.version } }),
      "not a record": new Uint8Array([1, 2, 3]),
      "a record and more": Uint8Array.of(...signed, 0),
    };
    await one!.directory.locate(alice);
    for (const [what, record] of Object.entries(lies)) {
      answerWith(record);
      expect(await one!.directory.signedBinding(alice), what).to.equal(undefined);
    }
    expect(one!.counters.get("directory.records_refused")).to.equal(Object.keys(lies).length);
    expect(one!.directory.newestEpoch(alice)).to.deep.equal(epoch);

    answerWith(signed);
    expect((await openServerBinding((await one!.directory.signedBinding(alice))!)).epoch).to.deep.equal(epoch);
  });

  it("cannot make others refuse the true epochs that come after", async () => {
    const { directory, counters } = domain.server(0);
    expect(directory.observeEpoch(alice, { ...epoch, counter: BALLOT_MAX.counter })).to.equal(false);
    expect(directory.observeEpoch(alice, { ...epoch, version: BALLOT_MAX.version })).to.equal(false);
    expect(counters.get("directory.epochs_refused")).to.be.at.least(2);
    expect(directory.observeEpoch(alice, { ...epoch, counter: epoch.counter + 1 })).to.equal(true);
  });

  it("is counted where its messages make no sense, and harms nobody", async () => {
    const { directory, counters } = domain.server(0);
    const { mesh } = domain.server(2);
    const good = encodeBatch({ rosterVersion: mesh.roster().version, messages: [{ type: "settle", op: 1 }] });
    const unknownType = Uint8Array.of(...good.subarray(0, 1), 1, 200);
    for (const bytes of [Uint8Array.of(), unknownType, Uint8Array.of(...good, 7)]) {
      mesh.send(directory.self, "directory", bytes);
    }
    const answered = new Promise<void>((resolve) => mesh.receive("directory", () => resolve()));
    mesh.send(directory.self, "directory", good);
    await answered;
    expect(counters.get("directory.malformed")).to.equal(3);
    expect((await directory.claim(zeke, { mode: "if-free" })).kind).to.equal("owned");
  });

  it("gets an answer to each of a flood of questions, but no more signatures than there are at a time", async () => {
    const { directory, counters } = domain.server(0);
    const { mesh } = domain.server(2);
    expect((await directory.claim(zeke, { mode: "take-over" })).kind).to.equal("owned");
    const answers: (Uint8Array | undefined)[] = [];
    const all = new Promise<void>((resolve) =>
      mesh.receive("directory", (_from, bytes) => {
        for (const message of decodeBatch(bytes).messages) if (message.type === "record") answers.push(message.signed);
        if (answers.length === 512) resolve();
      }),
    );
    const messages = Array.from({ length: 512 }, (_, op) => ({ type: "fetchRecord", op, aor: zeke }) as const);
    mesh.send(directory.self, "directory", encodeBatch({ rosterVersion: mesh.roster().version, messages }));
    await all;
    expect(answers.filter((signed) => signed !== undefined)).to.have.length(limits.directory.signatures);
    expect(counters.get("directory.records_not_signed")).to.equal(512 - limits.directory.signatures);
  });
});
