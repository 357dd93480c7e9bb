import { expect } from "chai";
import type { Logger } from "../../../node/runtime/logger.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { openMemoryDatabase } from "../../../node/storage/database.ts";
import { logProblems } from "../../../node/storage/problem-log.ts";
import { VirtualTime } from "../../helpers/virtual-time.ts";

const PROBLEM = "the database cannot be written";
const AGAIN = "the database is written again";

describe("the log of a database that cannot be written", () => {
  it("says in the end what is so, though it changed too often to say it each time", async () => {
    const time = new VirtualTime();
    const lines: string[] = [];
    const note = (_what: object, text: string) => void lines.push(text.replace(/,.*/, ""));
    const logger: Logger = { ...silentLogger, info: note, error: note };
    const told = logProblems("aorta.db", logger, time);
    let fails = false;
    const database = openMemoryDatabase({
      schema: ["CREATE TABLE one (number INTEGER)"],
      bytesMax: 1_000_000,
      onProblem: told,
    });
    const insert = database.prepare("INSERT INTO one VALUES (?)");
    const tooMuch = database.prepare("INSERT INTO one VALUES (zeroblob(4000000))");
    const write = () => {
      if (fails) expect(() => database.durably(() => tooMuch.run())).to.throw();
      else database.durably(() => insert.run(1));
    };
    for (let change = 0; change <= limits.storage.problemLinesPerSecond; change++) {
      fails = !fails;
      write();
      write();
    }
    expect(lines).to.deep.equal([PROBLEM, AGAIN]);
    expect(fails, "what it does not say").to.equal(true);
    await time.advance(1000);
    write();
    write();
    expect(lines).to.deep.equal([PROBLEM, AGAIN, PROBLEM]);
    database.close();
  });
});
