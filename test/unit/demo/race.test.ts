import { expect } from "chai";
import type { Stage, StageServer } from "../../../node/demo/stage.ts";
import { judgeRound, type RaceRound, summarizeRace } from "../../../node/demo/story/5-race.ts";

const servers = [1, 2, 3].map((number) => ({ number, title: `server ${number}` }) as StageServer);
const [one, two, three] = servers as [StageServer, StageServer, StageServer];
const round = (owners: StageServer[], accepted = servers, settledMs = 5): RaceRound => ({
  owners,
  accepted,
  settledMs,
});

describe("The judge of the race", () => {
  it("accepts exactly one owner, whoever it is and whoever else was told yes before", () => {
    judgeRound(round([two]));
    judgeRound(round([three], [three]));
  });

  it("refuses no owner", () => {
    expect(() => judgeRound(round([]))).to.throw("zeke should have exactly one owner, but has none");
  });

  it("refuses two owners, and names them", () => {
    expect(() => judgeRound(round([one, three]))).to.throw("has 2: server 1 and server 3");
  });

  it("refuses an owner whose client was refused", () => {
    expect(() => judgeRound(round([one], [two, three]))).to.throw("server 1 owns zeke, but its client was not told so");
  });

  it("counts wins a server, and takes times from the rounds it won", () => {
    const results = [round([one], servers, 4), round([three], servers, 150), round([three], servers, 250)];
    expect(summarizeRace({ servers } as unknown as Stage, results)).to.deep.equal([
      ["server 1", "1", "4.0 ms", "4.0 ms"],
      ["server 2", "0", "–", "–"],
      ["server 3", "2", "150 ms", "250 ms"],
      ["exactly one owner", "3", "150 ms", "250 ms"],
    ]);
  });
});
