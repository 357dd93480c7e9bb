import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { BindingTable } from "../../../node/registrar/binding-table.ts";
import { KeyedQueue } from "../../../node/registrar/keyed-queue.ts";
import type { RestingUsersComponents } from "../../../node/registrar/resting-users.ts";
import { RestingUsers } from "../../../node/registrar/resting-users.ts";
import { settle, VirtualTime } from "../../helpers/virtual-time.ts";
import { binding } from "./bindings.ts";

describe("the users of an earlier run", () => {
  it("leave others their turn where their claims end at once, as in a domain of one server", async () => {
    const time = new VirtualTime();
    const table = new BindingTable();
    const owned = new Set<Aor>();
    const components: Partial<RestingUsersComponents> = {
      ...{ table, queue: new KeyedQueue(), clock: time, timers: time, counters: createCounters() },
      claims: {
        claim: async (aor: Aor) => {
          owned.add(aor);
          return { kind: "owned" };
        },
      } as unknown as RestingUsersComponents["claims"],
      locator: { owned: () => undefined } as unknown as RestingUsersComponents["locator"],
      resting: () => ({ aors: () => [], has: () => false, epochOf: () => undefined, shed() {} }),
      taken() {},
    };
    const users = new RestingUsers(components as RestingUsersComponents);
    const { reclaims } = limits.registrar;
    for (let i = 0; i < 3 * reclaims; i++) {
      const aor = `sip:u${i}@example.com` as Aor;
      table.set(aor, [binding({ expiresAtMs: 1e9 })]);
      users.add(aor);
    }
    users.reclaimDue();
    await settle();
    expect(owned.size, "in one turn of the event loop").to.equal(reclaims);
    for (let turns = 0; turns < 3; turns++) await time.advance(0);
    expect(owned.size).to.equal(3 * reclaims);
    expect(users.size).to.equal(0);
  });
});
