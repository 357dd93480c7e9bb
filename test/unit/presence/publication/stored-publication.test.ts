import { expect } from "chai";
import type { Aor } from "../../../../dht-schema/aor.ts";
import { parsePidf } from "../../../../node/presence/pidf/pidf-document.ts";
import {
  fromStoredPublication,
  toStoredPublication,
} from "../../../../node/presence/publication/stored-publication.ts";
import { limits } from "../../../../node/runtime/limits.ts";
import { pidfText } from "../documents.ts";

const ALICE = "sip:alice@example.com" as Aor;
const EPOCH = { version: 1, counter: 1, member: 1 };
const BEFORE = { monotonicMs: 5000, wallMs: 1_900_000_000_000 };
/** Another process, ten minutes later. */
const AFTER = { monotonicMs: 70, wallMs: BEFORE.wallMs + 600_000 };

const publication = (text: string) => ({
  key: "k",
  entityTag: "e",
  document: parsePidf(Buffer.from(text)),
  path: "p",
  origin: "192.0.2.7 192.0.2.7 5060",
  devices: ["urn:uuid:1"],
  expiresAtMs: BEFORE.monotonicMs + 3_600_000,
});

describe("a publication on disk", () => {
  it("is taken up as it was, with what is left of its time", () => {
    const before = publication(pidfText("hi"));
    const stored = toStoredPublication(ALICE, before, EPOCH, BEFORE);
    expect(fromStoredPublication(stored, AFTER, 7200)).to.deep.equal({ ...before, expiresAtMs: 70 + 3_000_000 });
  });

  it("is taken up as an earlier release wrote it, which knew the socket alone", () => {
    const stored = toStoredPublication(ALICE, publication(pidfText("hi")), EPOCH, BEFORE);
    const earlier = fromStoredPublication({ ...stored, path: "UDP 127.0.0.1 5070 " }, AFTER, 7200);
    expect(earlier).to.deep.include({ path: "UDP 127.0.0.1 5070 ", devices: [] });
  });

  it("is taken up although it takes several times as much room as it took when it was published", () => {
    const quotes = (count: number) => pidfText("hi").replace("<note>", `<note a='${'"'.repeat(count)}'>`);
    const text = quotes(limits.presence.documentBytes - quotes(0).length);
    expect(Buffer.byteLength(text)).to.equal(limits.presence.documentBytes);
    const before = publication(text);
    const stored = toStoredPublication(ALICE, before, EPOCH, BEFORE);
    expect(stored.document.length).to.be.greaterThan(5 * limits.presence.documentBytes);
    expect(fromStoredPublication(stored, AFTER, 7200)?.document).to.deep.equal(before.document);
  });
});
