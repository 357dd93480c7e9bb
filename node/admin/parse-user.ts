import type { Aor } from "../../dht-schema/aor.ts";
import { domainOf, parseAor } from "../../dht-schema/aor.ts";
import { SchemaError } from "../../dht-schema/schema-error.ts";
import { ConfigurationError } from "../runtime/errors.ts";

/**
 * Canonical AoR of a user as an operator typed it: `alice`, `alice@example.com` or `sip:alice@example.com`.
 * @throws {ConfigurationError} `BAD_AOR`, `FOREIGN_DOMAIN` when it is not of this domain
 */
export function parseUser(text: string, domain: string): Aor {
  const address = text.includes("@") ? text : `${text}@${domain}`;
  let aor: Aor;
  try {
    aor = parseAor(/^sips?:/i.test(address) ? address : `sip:${address}`);
  } catch (cause) {
    if (!(cause instanceof SchemaError)) throw cause;
    throw new ConfigurationError("BAD_AOR", cause.message, { cause });
  }
  if (domainOf(aor) !== domain) throw new ConfigurationError("FOREIGN_DOMAIN", `${aor} is no user of ${domain}`);
  return aor;
}
