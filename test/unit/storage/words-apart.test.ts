import { expect } from "chai";
import { wordsApart } from "../../../node/storage/words-apart.ts";

/** Runs `work` and returns what it has had normalized. */
function normalizedBy(work: () => void): string[] {
  const { normalize } = String.prototype;
  const texts: string[] = [];
  String.prototype.normalize = function (this: string, form?: string) {
    texts.push(String(this));
    return normalize.call(this, form);
  };
  try {
    work();
  } finally {
    String.prototype.normalize = normalize;
  }
  return texts;
}

describe("words set apart", () => {
  const ACUTE = "\u0301";
  const GRAVE_BELOW = "\u0316";
  const HALF_WIDTH_VOICED = "\uFF9E";

  it("are what they were where there are no more marks than in writing", () => {
    for (const [text, expected] of [
      [`cafe${ACUTE} q${GRAVE_BELOW.repeat(30)}.`, `café q${GRAVE_BELOW.repeat(30)}.`],
      [`\uFF76${HALF_WIDTH_VOICED}`, "ガ"],
    ] as const)
      expect(wordsApart(text)).to.equal(expected);
  });

  it("lose the marks beyond 30 in a row, and nothing after them", () => {
    const long = `q${ACUTE.repeat(8000)}${GRAVE_BELOW.repeat(8000)}`;
    expect(wordsApart(`${long}ueue ${long}ueue`)).to.equal(`q${ACUTE.repeat(30)}ueue q${ACUTE.repeat(30)}ueue`);
  });

  it("are normalized with no more than 30 marks in a row, which takes time that grows as their square", () => {
    for (const marks of [
      ACUTE.repeat(8000) + GRAVE_BELOW.repeat(8000),
      (ACUTE + GRAVE_BELOW).repeat(8000),
      (HALF_WIDTH_VOICED + GRAVE_BELOW).repeat(8000),
    ]) {
      const texts = normalizedBy(() => wordsApart(`a${marks}b${marks}`));
      expect(texts).to.have.length(1);
      const runs = texts[0]!.normalize("NFKD").match(/\p{M}+/gu) ?? [];
      expect(runs.map(({ length }) => length)).to.deep.equal([30, 30]);
    }
  });
});
