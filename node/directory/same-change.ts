import { sameBallot } from "../../dht-schema/ballot.ts";
import type { OwnerChange } from "../federation/locator.ts";

/** Whether a watch has nothing new to tell. */
export function isSameChange(a: OwnerChange, b: OwnerChange): boolean {
  if (a.kind !== "owner" || b.kind !== "owner") return a.kind === b.kind;
  return a.server === b.server && sameBallot(a.epoch, b.epoch);
}
