import type { Binding } from "./binding.ts";
import { isSameBinding } from "./binding.ts";
import type { RegistrationChange } from "./registered-contacts.ts";

/**
 * What became of each binding that is another than before.
 * @param ending how those have ended that are there no more
 */
export function changesOf(
  before: readonly Binding[],
  after: readonly Binding[],
  ending: RegistrationChange,
): (readonly [Binding, RegistrationChange])[] {
  const changes: (readonly [Binding, RegistrationChange])[] = [];
  for (const old of before) if (after.every((binding) => !isSameBinding(binding, old))) changes.push([old, ending]);
  for (const binding of after) {
    const old = before.find((each) => isSameBinding(each, binding));
    if (old === undefined) changes.push([binding, "registered"]);
    else if (old !== binding)
      changes.push([binding, binding.expiresAtMs < old.expiresAtMs ? "shortened" : "refreshed"]);
  }
  return changes;
}
