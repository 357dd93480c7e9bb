import { aorOf, expectThat, momentMs, type Phone, type Stage } from "../stage.ts";
import { registerOn } from "./acts.ts";
import { WatchedPresence } from "./watched-presence.ts";

/** Heading of the step. */
export const title = "joe waits for alice, who is on no server yet";

/** joe subscribes to a user whom nobody serves. */
export async function hold(stage: Stage): Promise<{ joe: Phone; alicesPresence: WatchedPresence }> {
  const [server1] = stage.servers;
  const { phone: joe } = await registerOn(stage, "joe", server1, "UDP");
  const alice = aorOf(stage, "alice");
  const { owner } = await server1.lookup(alice);
  expectThat(owner === undefined, () => `nobody should own alice yet, but ${owner} does`);
  stage.report.event(server1, "joe", "subscribes to alice's presence; a majority says that nobody owns her");
  const alicesPresence = await WatchedPresence.subscribe(joe, alice);
  await alicesPresence.seen.until("joe hearing that his subscription is pending", {
    mark: 0,
    withinMs: momentMs,
    fits: ({ state, presence }) => state === "pending" && presence?.basic !== "open",
  });
  stage.report.event(server1, "joe", "is accepted and told “pending”: server 1 now watches for alice");
  return { joe, alicesPresence };
}
