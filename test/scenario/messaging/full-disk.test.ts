import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { OperationalError } from "../../../node/runtime/errors.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { openMemoryStorage } from "../../../node/storage/storage.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

describe("messages that cannot be held because the disk is full", () => {
  it("are refused and counted, and do not fill the log as well", async () => {
    const domain = new SimulatedDomain();
    const storage = openMemoryStorage();
    const hold = (): boolean => {
      throw new OperationalError("DISK_FULL", "no room left");
    };
    const lines: { leftOut?: number }[] = [];
    const logger = { ...silentLogger, error: (fields: object) => void lines.push(fields), child: () => logger };
    const one = domain.server("one", { storage: { ...storage, messages: { ...storage.messages, hold } }, logger });
    const joe = domain.device("joe", one);
    const write = async (times: number) => {
      const answers = Array.from({ length: times }, () => joe.message("sip:bob@example.com" as Aor, "hello?"));
      await domain.time.advance(100);
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    expect(new Set(await write(20))).to.deep.equal(new Set([480]));
    await domain.time.advance(1_000);
    await write(1);
    expect(one.counters.get("messaging.held_failed")).to.equal(21);
    expect(lines.map(({ leftOut }) => leftOut)).to.deep.equal([undefined, 19]);
  });
});
