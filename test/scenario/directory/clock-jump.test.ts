import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import { openServerBinding } from "../../../dht-schema/server-binding.ts";
import type { OwnerChange, OwnershipLost } from "../../../node/federation/locator.ts";
import type { Clock } from "../../../node/runtime/clock.ts";
import { systemClock } from "../../../node/runtime/clock.ts";
import { TestDirectories } from "../../helpers/directories.ts";
import { Inbox } from "../../helpers/next.ts";

const alice = parseAor("sip:alice@example.com");
const bob = parseAor("sip:bob@example.com");
const DAY_MS = 86_400_000;

/** The clocks of this machine, with a wall clock that an administrator sets. */
class JumpingClock implements Clock {
  offsetMs = 0;
  readonly monotonicMs = systemClock.monotonicMs;

  wallMs(): number {
    return systemClock.wallMs() + this.offsetMs;
  }
}

describe("servers whose wall clocks jump", function () {
  this.timeout(30_000);
  const clocks = [new JumpingClock(), new JumpingClock(), new JumpingClock()];
  let domain: TestDirectories;

  before(async () => {
    domain = await TestDirectories.of(3, { leaseMs: 1_000, clockOf: (index) => clocks[index] as JumpingClock });
  });

  after(() => domain.stop());

  for (const [what, offsets] of [
    ["the owner's, a day ahead", [0, DAY_MS, 0]],
    ["the owner's, a day back", [0, -DAY_MS, 0]],
    ["each another way, by years", [-700 * DAY_MS, 0, 700 * DAY_MS]],
  ] as const) {
    it(`lose nobody, free nobody and tell nothing: ${what}`, async () => {
      const [watcher, owner, other] = domain.servers;
      const lost = new Inbox<OwnershipLost>();
      const seen = new Inbox<OwnerChange>();
      const off = owner!.directory.onLost(lost.push);
      await owner!.directory.claim(alice, { mode: "take-over" });
      const epoch = owner!.directory.owned(alice);
      const watch = watcher!.directory.watch(alice, seen.push);
      await seen.first((change) => change.kind === "owner", "the owner");

      for (const [i, offsetMs] of offsets.entries()) clocks[i]!.offsetMs = offsetMs;
      // Longer than the lease term: a claim that has to wait for a silent owner takes that long.
      expect(await other!.directory.claim(alice, { mode: "if-free" })).to.deep.include({ kind: "owned-elsewhere" });
      await outliveLease(domain);
      expect(owner!.directory.owned(alice)).to.deep.equal(epoch);
      expect(lost.all).to.deep.equal([]);
      expect(seen.all).to.have.length(1);
      const binding = await openServerBinding((await watcher!.directory.signedBinding(alice))!);
      expect(binding.epoch, "the record goes by epoch, whatever time it says").to.deep.equal(epoch);
      watch.close();
      off();
    });
  }
});

/** Resolves after more than a term: a server owns nobody any more when its renewals have not been answered for that long. */
async function outliveLease(domain: TestDirectories): Promise<void> {
  const { directory } = domain.server(0);
  await directory.claim(bob, { mode: "take-over" });
  const startMs = systemClock.monotonicMs();
  while (systemClock.monotonicMs() - startMs < 1_300) await directory.locate(bob).then(() => directory.inspect(alice));
  expect(directory.owned(bob)).to.not.equal(undefined);
}
