import { expect } from "chai";
import type { Aor } from "../../../../dht-schema/aor.ts";
import { ListState } from "../../../../node/presence/lists/list-state.ts";
import type { Multipart } from "../../../../node/presence/lists/multipart.ts";
import { createHeaders } from "../../../../node/sip/message/headers.ts";
import type { ToldList } from "../../../helpers/rlmi.ts";
import { readRlmi } from "../../../helpers/rlmi.ts";
import { pidfText } from "../documents.ts";

const LIST = "sip:friends@example.com" as Aor;
const [joe, ann, bob] = ["joe", "ann", "bob"].map((name) => `sip:${name}@example.com` as Aor) as [Aor, Aor, Aor];
const doc = (note: string) => ({ standing: "active", body: Buffer.from(pidfText(note)) }) as const;

let version = 0;
function take(state: ListState, all = false): ToldList {
  const { contentType, body }: Multipart = state.take({ all, version: (version += 1), boundary: `b${version}` });
  return readRlmi({ headers: createHeaders([["Content-Type", contentType]]), body });
}

describe("a list as its subscriber gets to see it (RFC 4662)", () => {
  it("is told in full at first, with nothing of members of whom nothing is known, then only what is new", () => {
    const state = new ListState(LIST, [joe, ann, bob], 50_000);
    expect(state.isDirty).to.equal(true);
    state.update(joe, doc("hi"));
    state.update(ann, { ...doc(""), standing: "pending" });
    expect(take(state)).to.deep.include({
      uri: LIST,
      full: true,
      members: { joe: "active open hi", ann: "pending open ", bob: "" },
    });
    expect(state.isDirty).to.equal(false);
    expect(state.isComplete).to.equal(false);
    state.update(bob, doc("at last"));
    expect(state.isDirty).to.equal(true);
    expect(take(state)).to.deep.include({ full: false, members: { bob: "active open at last" } });
    expect(state.isComplete).to.equal(true);
  });

  it("is told in full again to who asks for all", () => {
    const state = new ListState(LIST, [joe], 50_000);
    state.update(joe, doc("hi"));
    take(state);
    expect(take(state, true)).to.deep.include({ full: true, members: { joe: "active open hi" } });
  });

  it("comes in several bodies when it does not fit into one, each of them within the bound", () => {
    const members = Array.from({ length: 60 }, (_, i) => `sip:u${i}@example.com` as Aor);
    const state = new ListState(LIST, members, 40_000);
    for (const member of members) state.update(member, doc("x".repeat(2000)));
    const seen = new Set<string>();
    let rounds = 0;
    for (; state.isDirty; rounds += 1) {
      const { contentType, body } = state.take({ all: false, version: rounds, boundary: "b" });
      expect(body.length).to.be.at.most(40_000);
      const told = readRlmi({ headers: createHeaders([["Content-Type", contentType]]), body });
      expect(told.full).to.equal(rounds === 0);
      expect(Object.keys(told.members).length).to.equal(rounds === 0 ? 60 : Object.values(told.members).length);
      for (const [name, said] of Object.entries(told.members)) if (said.startsWith("active open")) seen.add(name);
    }
    expect(seen.size).to.equal(60);
    expect(rounds).to.be.within(3, 10);
  });

  it("stays within the bound where addresses take several times as much room in XML", () => {
    const members = Array.from({ length: 30 }, (_, i) => `sip:${"&".repeat(150)}${i}@example.com` as Aor);
    const state = new ListState(`sip:${"&".repeat(200)}@example.com` as Aor, members, 40_000);
    for (const member of members) state.update(member, doc("x".repeat(2000)));
    for (let rounds = 0; state.isDirty; rounds += 1) {
      expect(rounds).to.be.below(10);
      expect(state.take({ all: false, version: rounds, boundary: "b" }).body.length).to.be.at.most(40_000);
    }
  });

  it("lets one document through that is as large as the bound: it goes alone", () => {
    const state = new ListState(LIST, [joe, ann], 10_000);
    state.update(joe, doc("x".repeat(9500)));
    state.update(ann, doc("y"));
    expect(Object.values(take(state).members)).to.deep.equal(["active", "active"]);
    expect(Object.keys(take(state).members)).to.deep.equal(["joe"]);
    expect(Object.keys(take(state).members)).to.deep.equal(["ann"]);
    expect(state.isDirty).to.equal(false);
  });

  it("keeps what is known of members that stay when it becomes another, and tells it in full", () => {
    const state = new ListState(LIST, [joe, ann], 50_000);
    state.update(joe, doc("hi"));
    take(state);
    state.become([bob, joe]);
    expect(take(state)).to.deep.include({ full: true, members: { bob: "", joe: "active open hi" } });
    state.update(ann, doc("gone"));
    expect(state.isDirty).to.equal(false);
  });
});
