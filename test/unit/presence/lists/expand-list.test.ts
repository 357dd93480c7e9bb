import { expect } from "chai";
import type { Aor } from "../../../../dht-schema/aor.ts";
import { expandList } from "../../../../node/presence/lists/expand-list.ts";
import { limits } from "../../../../node/runtime/limits.ts";

const user = (name: string | number) => `sip:${name}@example.com` as Aor;
const lists = (given: Record<string, (string | number)[]>) => {
  const byUri = new Map(Object.entries(given).map(([name, members]) => [user(name), members.map(user)]));
  return (uri: Aor) => byUri.get(uri);
};

describe("the users on a list", () => {
  it("are its members in order, each once, with those of lists on it in their place", () => {
    const membersOf = lists({ work: ["bob", "team"], team: ["ann", "bob", "cat"] });
    expect(expandList([user("joe"), user("work"), user("ann")], membersOf)).to.deep.equal({
      kind: "members",
      members: ["joe", "bob", "ann", "cat"].map(user),
    });
  });

  it("are the same where a list is on itself, in a circle or not", () => {
    const membersOf = lists({ a: ["joe", "b"], b: ["a", "ann"] });
    expect(expandList([user("joe"), user("b")], membersOf, user("a"))).to.deep.equal({
      kind: "members",
      members: ["joe", "ann"].map(user),
    });
  });

  it("are too many for one subscription beyond the bounds: of members, of their addresses, of depth", () => {
    const { members, uriBytes, depth } = limits.presence.lists;
    const none = lists({});
    const many = (count: number, length = 1) =>
      Array.from({ length: count }, (_, i) => user(`${"x".repeat(length)}${i}`));
    expect(expandList(many(members), none).kind).to.equal("members");
    expect(expandList(many(members + 1), none).kind).to.equal("too-large");
    expect(expandList(many(8, uriBytes / 8), none).kind).to.equal("too-large");
    const nested = (levels: number) =>
      lists(Object.fromEntries(Array.from({ length: levels }, (_, i) => [i, i + 1 === levels ? ["joe"] : [i + 1]])));
    expect(expandList([user(0)], nested(depth - 1)).kind).to.equal("members");
    expect(expandList([user(0)], nested(depth)).kind).to.equal("too-large");
  });

  it("cost no more than their number where lists name each other many times over", () => {
    const names = Array.from({ length: 7 }, (_, i) => `list${i}`);
    const membersOf = lists(Object.fromEntries(names.map((name) => [name, [...names, `member of ${name}`]])));
    const expansion = expandList(names.map(user), membersOf);
    expect(expansion.kind === "members" && expansion.members.length).to.equal(7);
  });
});
