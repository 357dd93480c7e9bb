import { expect } from "chai";
import { WorkWindow } from "../../../node/runtime/work-window.ts";
import { settle, VirtualTime } from "../../helpers/virtual-time.ts";

/** Work that has names, and is ended by hand. */
function windowOf(atOnce: number) {
  const time = new VirtualTime();
  const window = new WorkWindow<string>(atOnce, time);
  const under: string[] = [];
  const ends = new Map<string, () => void>();
  const unwanted = new Set<string>();
  return {
    window,
    under,
    unwanted,
    ask: (key: string, name = key) =>
      window.ask(key, {
        isWanted: () => !unwanted.has(name),
        begin() {
          under.push(name);
          return new Promise((resolve) => ends.set(name, resolve));
        },
      }),
    async end(name: string) {
      ends.get(name)?.();
      await settle();
      await time.advance(0);
    },
  };
}

describe("a window of work", () => {
  it("does as much at once as there is room for, first come, first served", async () => {
    const { ask, end, under, window } = windowOf(2);
    for (const name of ["a", "b", "c", "d"]) ask(name);
    expect(under).to.deep.equal(["a", "b"]);
    expect(window.waiting).to.equal(2);
    await end("b");
    expect(under).to.deep.equal(["a", "b", "c"]);
    await end("a");
    await end("c");
    await end("d");
    ask("e");
    expect(under).to.deep.equal(["a", "b", "c", "d", "e"]);
  });

  it("passes over what is wanted no more, and a new one of a key takes the place of the one that waits", async () => {
    const { ask, end, under, unwanted } = windowOf(1);
    for (const name of ["a", "b", "c", "d"]) ask(name);
    unwanted.add("b");
    ask("c", "c again");
    await end("a");
    expect(under).to.deep.equal(["a", "c again"]);
    await end("c again");
    expect(under).to.deep.equal(["a", "c again", "d"]);
  });

  it("lets others have their turn where all of it ends at once", async () => {
    const time = new VirtualTime();
    const window = new WorkWindow<number>(2, time);
    const done: number[] = [];
    for (let i = 0; i < 5; i++) window.ask(i, { isWanted: () => true, begin: async () => void done.push(i) });
    await settle();
    expect(done).to.deep.equal([0, 1]);
    await time.advance(0);
    expect(done).to.have.length.above(2);
    while (window.waiting > 0) await time.advance(0);
    expect(done).to.deep.equal([0, 1, 2, 3, 4]);
  });
});
