import { type Phone, type Stage } from "../stage.ts";
import { publishAndSee, registerOn } from "./acts.ts";
import type { WatchedPresence } from "./watched-presence.ts";

/** Heading of the step. */
export const title = "alice appears on server 2";

/** alice registers and publishes; joe's held subscription becomes active by itself. */
export async function appear(stage: Stage, alicesPresence: WatchedPresence): Promise<Phone> {
  const { phone: alice } = await registerOn(stage, "alice", stage.servers[1], "WS");
  await publishAndSee(stage, alice, alicesPresence, { basic: "open", note: "at my desk" });
  return alice;
}
