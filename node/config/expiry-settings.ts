import type { ExpiryRules } from "../runtime/expiry-rules.ts";
import { DEFAULT_EXPIRY } from "../runtime/expiry-rules.ts";
import type { OptionValues } from "./option-schemas.ts";
import type { OptionName } from "./options.ts";

/** Whose expiry is set. */
export type ExpiringPart = "registrar" | "presence";

/** The rules of a part. What is not given gives way to what is: with a maximum of half an hour the default is that, too. */
export function expiryOf(values: OptionValues, part: ExpiringPart): ExpiryRules {
  const { min, default: usual, max } = given(values, part);
  const minSeconds = min ?? Math.min(DEFAULT_EXPIRY.minSeconds, usual ?? Infinity, max ?? Infinity);
  const maxSeconds = max ?? Math.max(DEFAULT_EXPIRY.maxSeconds, usual ?? 0);
  const defaultSeconds = usual ?? Math.min(Math.max(DEFAULT_EXPIRY.defaultSeconds, minSeconds), maxSeconds);
  return { minSeconds, defaultSeconds, maxSeconds };
}

/** Pairs of settings that contradict each other: the first is above the second. */
export function expiryContradictions(values: OptionValues, part: ExpiringPart): readonly [OptionName, OptionName][] {
  const all = given(values, part);
  const pairs = [
    ["min", "max"],
    ["min", "default"],
    ["default", "max"],
  ] as const;
  return pairs
    .filter(([lower, upper]) => (all[lower] ?? 0) > (all[upper] ?? Infinity))
    .map(([lower, upper]) => [`${part}-${lower}-expires`, `${part}-${upper}-expires`]);
}

function given(values: OptionValues, part: ExpiringPart) {
  return {
    min: values[`${part}-min-expires`],
    default: values[`${part}-default-expires`],
    max: values[`${part}-max-expires`],
  };
}
