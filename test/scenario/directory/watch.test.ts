import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { OwnerChange } from "../../../node/federation/locator.ts";
import { TestDirectories } from "../../helpers/directories.ts";
import { Inbox } from "../../helpers/next.ts";

const alice = "sip:alice@example.com" as Aor;

describe("A watch of a user's owner", function () {
  this.timeout(20_000);
  let domain: TestDirectories;

  // The only server's own replica answers at once: the present state is known before the first event of it is out.
  beforeEach(async () => {
    domain = await TestDirectories.of(1);
  });

  afterEach(() => domain.stop());

  it("tells each state once, to the first who watches and to those who come later", async () => {
    const { directory } = domain.server(0);
    await directory.claim("sip:bob@example.com" as Aor, { mode: "take-over" }); // so that there is a lease already
    const [first, second] = [new Inbox<OwnerChange>(), new Inbox<OwnerChange>()];
    directory.watch(alice, first.push);
    directory.watch(alice, second.push);
    await first.first(({ kind }) => kind === "nobody", "nobody");
    await directory.claim(alice, { mode: "take-over" });
    await first.first(({ kind }) => kind === "owner", "owner");
    await second.first(({ kind }) => kind === "owner", "owner");
    for (const { all } of [first, second]) expect(all.map(({ kind }) => kind)).to.deep.equal(["nobody", "owner"]);
  });
});
