import { expect } from "chai";
import type { Figures } from "../../../sim/compare/measures.ts";
import { addFigures, noFigures } from "../../../sim/compare/measures.ts";
import type { Weather } from "../../../sim/compare/run.ts";
import { compareRun, WEATHERS } from "../../../sim/compare/run.ts";
import type { WayName } from "../../../sim/compare/ways.ts";
import { WAYS } from "../../../sim/compare/ways.ts";

const [quiet, , stormy] = WEATHERS as readonly [Weather, Weather, Weather];

describe("five ways to keep one owner a user, under the same storm", function () {
  this.timeout(120_000);
  const storm = new Map<WayName, Figures>();

  before(() => {
    for (const way of Object.keys(WAYS) as WayName[]) {
      const figures = noFigures();
      for (const seed of [3, 8])
        addFigures(figures, compareRun(way, stormy, { seed, servers: 12, users: 60, minutes: 2 }));
      storm.set(way, figures);
    }
  });

  const of = (way: WayName) => storm.get(way) as Figures;

  it("moves users by each way", () => {
    for (const way of storm.keys()) expect(of(way).moves, way).to.be.above(500);
  });

  it("lets two servers believe in one user where a DHT's put decides, however long it may settle", () => {
    expect(of("dht-put").races).to.be.above(0);
    expect(of("dht-settle").races).to.be.above(0);
  });

  it("lets two servers serve one user at most moves where nobody owns", () => {
    expect(of("forking").races).to.be.above(of("forking").moves / 4);
  });

  it("never lets two servers believe in one user by a database's compare-and-set, nor by ours", () => {
    expect(of("database").races).to.equal(0);
    expect(of("aorta").races).to.equal(0);
  });

  it("grants no claim while the one database is down, when ours goes on: there is no machine that all need", () => {
    expect(of("database").longestOutageMs).to.be.above(4_000);
    expect(of("aorta").longestOutageMs).to.be.below(of("database").longestOutageMs);
  });

  it("refuses nobody where nobody owns: what forking gives up in exclusivity it has in availability", () => {
    expect(of("forking").claims.unavailable).to.equal(0);
    expect(of("aorta").claims.unavailable).to.be.above(0);
  });
});

describe("the comparison", function () {
  this.timeout(60_000);
  const workload = { seed: 3, servers: 8, users: 20, minutes: 0.5 };

  it("replays a run exactly", () => {
    for (const way of Object.keys(WAYS) as WayName[]) {
      expect(compareRun(way, stormy, workload), way).to.deep.equal(compareRun(way, stormy, workload));
    }
  });

  it("grants every claim in quiet weather, by a database in the fewest messages", () => {
    const messages = new Map<WayName, number>();
    for (const way of ["dht-put", "database", "aorta"] as const) {
      const { claims, messages: sent } = compareRun(way, quiet, { ...workload, minutes: 2 });
      messages.set(way, sent.claim / (claims.owned + claims.elsewhere));
    }
    const [put, database, ours] = [...messages.values()] as [number, number, number];
    expect(database).to.be.below(ours);
    expect(ours).to.be.below(put);
  });
});
