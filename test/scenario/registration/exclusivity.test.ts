import { expect } from "chai";
import fc from "fast-check";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { SimulatedServer } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const SERVERS = ["one", "two", "three"];
const ALICE = "sip:alice@example.com" as Aor;
const server = fc.nat({ max: SERVERS.length - 1 });
const steps = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom("register" as const, "sign-off" as const, "new-choice" as const),
      at: server,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(0, 1, 2, 5, 500, 70_000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("cut-off" as const, "reconnect" as const), at: server }) },
);

describe("registrations of one user on three servers, whatever happens", () => {
  it("are confirmed only by a server that owns the user at that instant, and live on one server only", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 40 }), async (script) => {
        const domain = new SimulatedDomain({ claimAnswerMs: 2 });
        const wrongly: string[] = [];
        const servers: SimulatedServer[] = SERVERS.map((name) =>
          domain.server(name, {
            onRegistered(user, response) {
              const isOwned = servers.find(({ id }) => id === name)?.locator.owned(user) !== undefined;
              if (response.status === 200 && response.headers.has("Contact") && !isOwned) wrongly.push(name);
            },
          }),
        );
        const devices = servers.map((each) => domain.device("alice", each));
        for (const step of script) {
          if (step.kind === "wait") {
            await domain.time.advance(step.ms);
          } else {
            const { locator } = servers[step.at] as SimulatedServer;
            const device = devices[step.at];
            // Not awaited: the next step comes while this one is under way.
            if (step.kind === "register") void device?.register(60);
            else if (step.kind === "sign-off") void device?.register(0);
            else if (step.kind === "new-choice") device?.restart();
            else if (step.kind === "reconnect") locator.reconnect();
            else {
              locator.cutOff();
              domain.directory.expire(locator);
            }
          }
          expect(wrongly).to.deep.equal([]);
          expect(servers.filter((each) => domain.contactsAt(each, ALICE).length > 0).length).to.be.at.most(1);
        }
        for (const { locator } of servers) locator.reconnect();
        await domain.time.advance(200_000);
        expect(wrongly).to.deep.equal([]);
        expect(domain.directory.ownerOf(ALICE), "an owner long after the last registration expired").to.equal(
          undefined,
        );
        expect(servers.flatMap(({ store }) => [...store.list()])).to.deep.equal([]);
        expect(servers.map(({ registrar }) => registrar.status().contacts)).to.deep.equal([0, 0, 0]);
      }),
      { numRuns: 60 },
    );
  }).timeout(60_000);
});
