import { expectOwner, expectThat, type Phone, type Stage } from "../stage.ts";
import { publishAndSee, registerOn, writeAndRead } from "./acts.ts";
import type { WatchedPresence } from "./watched-presence.ts";

/** Heading of the step. */
export const title = "alice moves to server 3; nobody else has to do anything";

/** alice registers on another server while the first still owns her. */
export async function move(stage: Stage, joe: Phone, before: Phone, alicesPresence: WatchedPresence): Promise<Phone> {
  const [, server2, server3] = stage.servers;
  const { mark } = alicesPresence.seen;
  const earlierEpoch = await server2.owns(before.aor);
  const { phone: alice, epoch } = await registerOn(stage, "alice", server3, "TCP");
  expectThat(epoch !== earlierEpoch, () => `the move should have a new epoch, but still has ${epoch}`);
  for (const server of stage.servers) {
    const seen = await expectOwner(server, alice.aor, server3);
    expectThat(seen === epoch, () => `${server.title} should know epoch ${epoch}, but knows ${seen}`);
  }
  const kept = await server2.owns(alice.aor);
  expectThat(kept === undefined, () => `server 2 should have let alice go, but holds epoch ${kept}`);
  stage.report.event(server2, "", `has let alice go (epoch ${earlierEpoch}); all three servers name server 3`, epoch);
  await publishAndSee(stage, alice, alicesPresence, { basic: "open", note: "on the train" });
  alicesPresence.expectSteady(mark);
  stage.report.event(joe.server, "joe", "has seen no “closed” in between and has not subscribed again");
  await writeAndRead(stage, joe, alice, "Still on for noon?");
  const misled = before.messages.since(0).some(({ item }) => item.text === "Still on for noon?");
  expectThat(!misled, () => "the message should have reached server 3 only, but alice's phone on server 2 got it too");
  await before.softphone.vanish(); // switched off: its next refresh would bring alice back to server 2
  return alice;
}
