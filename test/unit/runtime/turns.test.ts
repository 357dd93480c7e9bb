import { expect } from "chai";
import { Turns } from "../../../node/runtime/turns.ts";

/** Asks for turns by name, and ends them by hand. */
function turnsOf(atOnce: number) {
  const turns = new Turns<string>(atOnce);
  const under: string[] = [];
  const ends = new Map<string, () => void>();
  const unwanted = new Set<string>();
  return {
    turns,
    under,
    unwanted,
    ask: (key: string, name = key) =>
      turns.ask(key, {
        isWanted: () => !unwanted.has(name),
        take() {
          under.push(name);
          return new Promise((resolve) => ends.set(name, resolve));
        },
      }),
    async end(name: string) {
      ends.get(name)?.();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe("turns", () => {
  it("are taken by as many at once as there is room for, first come, first served", async () => {
    const { ask, end, under, turns } = turnsOf(2);
    for (const name of ["a", "b", "c", "d"]) ask(name);
    expect(under).to.deep.equal(["a", "b"]);
    expect(turns.waiting).to.equal(2);
    await end("b");
    expect(under).to.deep.equal(["a", "b", "c"]);
    await end("a");
    await end("c");
    await end("d");
    ask("e");
    expect(under).to.deep.equal(["a", "b", "c", "d", "e"]);
  });

  it("are passed over where they are wanted no more, and a new one of a key takes the place of the one that waits", async () => {
    const { ask, end, under, unwanted } = turnsOf(1);
    for (const name of ["a", "b", "c", "d"]) ask(name);
    unwanted.add("b");
    ask("c", "c again");
    await end("a");
    expect(under).to.deep.equal(["a", "c again"]);
    await end("c again");
    expect(under).to.deep.equal(["a", "c again", "d"]);
  });
});
