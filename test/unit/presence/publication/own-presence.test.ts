import { expect } from "chai";
import { parseAor } from "../../../../dht-schema/aor.ts";
import {
  PIDF_NAMESPACE,
  overallBasic,
  parseComposedPidf,
  parsePidf,
  tuplesOf,
} from "../../../../node/presence/pidf/pidf-document.ts";
import { attributeOf, childrenNamed, textOf } from "../../../../node/presence/pidf/xml-tree.ts";
import { OwnPresence } from "../../../../node/presence/publication/own-presence.ts";
import type { PresentContact } from "../../../../node/presence/publication/publishing-devices.ts";
import { Publications } from "../../../../node/presence/publication/publications.ts";
import { limits } from "../../../../node/runtime/limits.ts";
import { pidfDocument, pidfText } from "../documents.ts";

const alice = parseAor("sip:alice@example.com");
const EXPIRY = { minSeconds: 60, defaultSeconds: 3600, maxSeconds: 7200 };
const contact = (path: string): PresentContact => ({
  uri: `sip:alice@${path}`,
  device: `sip:alice@${path}`,
  path,
});
const owned = (contacts: readonly PresentContact[] = []) =>
  new OwnPresence({ presentity: alice, expiry: EXPIRY, openingMs: 1000, contacts }, 0);
const basic = (presence: OwnPresence) => {
  const document = presence.document();
  return document === undefined ? "nothing" : overallBasic(parseComposedPidf(document));
};
const tuples = (presence: OwnPresence) => tuplesOf(parseComposedPidf(presence.document() as Uint8Array)).length;
/** The note of the tuple with that id. */
const noteOf = (presence: OwnPresence, id: string) => {
  const all = tuplesOf(parseComposedPidf(presence.document() as Uint8Array));
  const tuple = all.find((each) => attributeOf(each, "id") === id);
  return tuple && childrenNamed(tuple, PIDF_NAMESPACE, "note").map(textOf).join("");
};

describe("the presence of a user who is owned here", () => {
  it("shows nothing for a moment when there is nothing, then closed", () => {
    const presence = owned();
    expect([basic(presence), presence.nextWakeMs()]).to.deep.equal(["nothing", 1000]);
    presence.tick(999);
    expect(basic(presence)).to.equal("nothing");
    presence.tick(1000);
    expect([basic(presence), presence.nextWakeMs()]).to.deep.equal(["closed", undefined]);
  });

  it("shows the first contact or publication at once, and closed at once when it ends", () => {
    const registered = owned();
    registered.contactsChanged([contact("h1")], 10);
    expect(basic(registered)).to.equal("open");
    registered.contactsChanged([], 20);
    expect(basic(registered)).to.equal("closed");

    const published = owned();
    const outcome = published.publish({ document: pidfDocument("hi"), path: "h1", freshTag: "a" }, 10);
    expect([outcome.kind, basic(published)]).to.deep.equal(["accepted", "open"]);
    published.publish({ ifMatch: "a", expiresSeconds: 0, path: "h1", freshTag: "b" }, 20);
    expect(basic(published)).to.equal("closed");
  });

  it("adds no tuple for the contact of a device that has published over the same path", () => {
    const presence = owned([contact("h1"), contact("h2")]);
    expect(tuples(presence)).to.equal(2);
    presence.publish({ document: pidfDocument("away", "closed"), path: "h1", freshTag: "a" }, 0);
    expect(tuples(presence)).to.equal(2);
    presence.publish({ ifMatch: "a", path: "h2", freshTag: "b" }, 0);
    expect(tuples(presence)).to.equal(2);
    presence.contactsChanged([contact("h2")], 0);
    expect([tuples(presence), basic(presence)]).to.deep.equal([1, "closed"]);
  });

  it("leaves the id of a tuple to whom it names, though devices after it publish the same one (RFC 3863 §4.1.2)", () => {
    const presence = owned();
    const publish = (to: OwnPresence, note: string, tag: string, ifMatch?: string) =>
      to.publish(
        { ...(ifMatch && { ifMatch }), document: pidfDocument(note, "open", "id"), path: tag, freshTag: tag },
        0,
      );
    // Whatever the entity-tags say: the first is "z".
    for (const tag of ["z", "m", "a", "k"]) publish(presence, tag, tag);
    expect([noteOf(presence, "id"), tuples(presence)]).to.deep.equal(["z", 4]);
    publish(presence, "busy", "y", "z");
    expect(noteOf(presence, "id")).to.equal("busy");

    const publications = presence.publications.toReversed();
    const restarted = new OwnPresence(
      { presentity: alice, expiry: EXPIRY, openingMs: 0, contacts: [], publications },
      0,
    );
    publish(restarted, "late", "0");
    restarted.tick(0);
    expect([noteOf(restarted, "id"), tuples(restarted)]).to.deep.equal(["busy", 5]);
  });

  it("drops a publication when it expires", () => {
    const presence = owned();
    presence.publish({ document: pidfDocument("hi"), expiresSeconds: 60, path: "h1", freshTag: "a" }, 0);
    expect(presence.nextWakeMs()).to.equal(60_000);
    presence.tick(60_000);
    expect([basic(presence), presence.isEmpty, presence.nextWakeMs()]).to.deep.equal(["closed", true, undefined]);
  });

  it("shows nothing for a moment, not closed, when what it had is dropped because something newer is on its way", () => {
    const publications = new Publications({ expiry: EXPIRY, fits: () => true });
    publications.publish({ document: pidfDocument("old"), path: "h1", freshTag: "a" }, 0);
    const rested = publications.all();
    const init = { presentity: alice, expiry: EXPIRY, openingMs: 1000, contacts: [], publications: rested };
    const presence = new OwnPresence(init, 5000);
    expect([basic(presence), presence.nextWakeMs()], "until the next turn").to.deep.equal(["nothing", 5000]);
    presence.tick(5000);
    expect(basic(presence)).to.equal("open");
    presence.discard(new Set(rested.map(({ key }) => key)), 5000);
    expect([basic(presence), presence.nextWakeMs()]).to.deep.equal(["nothing", 6000]);
    presence.publish({ document: pidfDocument("new"), path: "h1", freshTag: "b" }, 5010);
    expect(basic(presence)).to.equal("open");
  });

  it("makes room for what would make the whole too large, by what has not been spoken of for longest", () => {
    const presence = owned();
    const large = "x".repeat(limits.presence.documentBytes - 1000);
    const publish = (tag: string) =>
      presence.publish({ document: pidfDocument(large + tag, "open", tag), path: tag, freshTag: tag }, 0);
    expect(["a", "b", "c"].map((tag) => publish(tag).kind)).to.deep.equal(["accepted", "accepted", "accepted"]);
    presence.publish({ ifMatch: "a", path: "a", freshTag: "a2" }, 1000);
    expect(publish("d")).to.include({ kind: "accepted", changed: true });
    expect(presence.publications.map(({ entityTag }) => entityTag)).to.deep.equal(["c", "a2", "d"]);
    const composed = presence.document() as Uint8Array;
    expect(composed.length).to.be.at.most(limits.presence.composedBytes);
    expect(Buffer.from(composed).toString()).to.include(`${large}d`).and.not.include(`${large}b`);
  });

  /** A document whose root declares prefixes, with elements that would have to declare them where another root has them for something else. */
  const declaring = (namespace: string, elements: number) => {
    const declarations = Array.from({ length: 60 }, (_, i) => ` xmlns:n${i}="${namespace}"`).join("");
    const text = pidfText("hi").replace(" entity", `${declarations} entity`);
    return parsePidf(Buffer.from(text.replace("</presence>", `${"<a/>".repeat(elements)}</presence>`)));
  };

  it("makes room, before it is made, for what a few octets of declarations would be hundreds of times as many in", () => {
    const presence = owned();
    presence.publish({ document: declaring("urn:one", 0), path: "a", freshTag: "a" }, 0);
    const outcome = presence.publish({ document: declaring("urn:two", 1000), path: "b", freshTag: "b" }, 0);
    expect(outcome).to.include({ kind: "accepted", changed: true });
    expect(presence.publications.map(({ entityTag }) => entityTag)).to.deep.equal(["b"]);
    expect((presence.document() as Uint8Array).length).to.be.at.most(limits.presence.composedBytes);
  });

  it("leaves out what does not fit any more when the publication ends that declared its namespaces", () => {
    const presence = owned();
    presence.publish({ document: declaring("urn:one", 0), path: "a", freshTag: "a" }, 0);
    presence.publish({ document: declaring("urn:two", 0), path: "b", freshTag: "b" }, 0);
    presence.publish({ document: declaring("urn:one", 1000), path: "c", freshTag: "c" }, 0);
    presence.publish({ ifMatch: "b", path: "b", freshTag: "e" }, 0);
    const size = () => (presence.document() as Uint8Array).length;
    expect(size()).to.be.within(4000, limits.presence.composedBytes);
    presence.publish({ ifMatch: "a", expiresSeconds: 0, path: "a", freshTag: "d" }, 0);
    expect(presence.publicationCount).to.equal(2);
    expect(size()).to.be.within(1, 4000);
    expect(basic(presence)).to.equal("open");
    presence.publish({ ifMatch: "e", expiresSeconds: 0, path: "b", freshTag: "f" }, 0);
    expect(size()).to.be.within(4000, limits.presence.composedBytes);
  });

  it("leaves out what does not fit beside the user's contacts", () => {
    const aor = parseAor(`sip:${"&".repeat(240)}@h`);
    const presence = new OwnPresence({ presentity: aor, expiry: EXPIRY, openingMs: 0, contacts: [] }, 0);
    const large = "x".repeat(limits.presence.documentBytes - 2000);
    for (const tag of ["a", "b", "c"])
      presence.publish({ document: pidfDocument(large + tag, "open", tag), path: tag, freshTag: tag }, 0);
    expect(tuples(presence)).to.equal(3);
    presence.contactsChanged(
      Array.from({ length: limits.registrar.contactsPerAor }, (_, i) => contact(`h${i}`)),
      0,
    );
    expect((presence.document() as Uint8Array).length).to.be.at.most(limits.presence.relayed.bytes);
    expect(tuples(presence)).to.equal(2 + limits.registrar.contactsPerAor);
  });
});
