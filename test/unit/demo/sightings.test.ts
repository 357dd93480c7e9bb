import { expect } from "chai";
import { Sightings, StoryFault } from "../../../node/demo/sightings.ts";

const sightings = (): Sightings<string> =>
  new Sightings(
    (item) => item,
    () => 7,
  );
const after = (mark: number, fits: (item: string) => boolean) => ({ mark, withinMs: 5, fits });

describe("What a person of the story sees", () => {
  it("is found when it was there before anyone waited, with its time", async () => {
    const seen = sightings();
    seen.see("pending");
    expect(
      await seen.until(
        "pending",
        after(0, (item) => item === "pending"),
      ),
    ).to.deep.equal({ item: "pending", atMs: 7 });
  });

  it("is found when it comes later", async () => {
    const seen = sightings();
    const waiting = seen.until(
      "open",
      after(seen.mark, (item) => item === "open"),
    );
    seen.see("closed");
    seen.see("open");
    expect((await waiting).item).to.equal("open");
  });

  it("counts only from the mark on", async () => {
    const seen = sightings();
    seen.see("open");
    const { mark } = seen;
    expect(seen.since(mark)).to.deep.equal([]);
    const error = await seen
      .until(
        "open again",
        after(mark, () => true),
      )
      .catch((thrown: unknown) => thrown);
    expect(error)
      .to.be.instanceOf(StoryFault)
      .with.property("message", "open again did not happen within 5 ms; nothing came");
  });

  it("is told in full when it was not what was waited for", async () => {
    const seen = sightings();
    seen.see("pending");
    seen.see("closed");
    const error = await seen
      .until(
        "alice open",
        after(0, (item) => item === "open"),
      )
      .catch((thrown: unknown) => thrown);
    expect(error).to.have.property("message", "alice open did not happen within 5 ms; instead: pending; closed");
  });
});
