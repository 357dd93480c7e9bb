import { type Phone, type Stage } from "../stage.ts";
import { writeAndRead } from "./acts.ts";

/** Heading of the step. */
export const title = "joe and alice talk across servers";

/** A message and its answer, each between two servers. */
export async function talk(stage: Stage, joe: Phone, alice: Phone): Promise<void> {
  await writeAndRead(stage, joe, alice, "Lunch at noon?");
  await writeAndRead(stage, alice, joe, "Gladly. The usual place 🍜");
}
