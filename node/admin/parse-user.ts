import type { Aor } from "../../dht-schema/aor.ts";
import { domainOf, parseAor } from "../../dht-schema/aor.ts";
import { SchemaError } from "../../dht-schema/schema-error.ts";
import { ConfigurationError } from "../runtime/errors.ts";

/**
 * Canonical AoR of a user as an operator typed it: `alice`, `alice@example.com` or `sip:alice@example.com`.
 * @throws {ConfigurationError} `BAD_AOR`, `FOREIGN_DOMAIN` when it is not of this domain
 */
export function parseUser(text: string, domain: string): Aor {
  const address = text.replace(/^sips?:/i, "");
  const [user = ""] = address.split("@", 1);
  // In a SIP URI a password would begin there: of `tel:+1` the user `tel` would be left. A user whose name has a colon is typed with %3A.
  if (user.includes(":"))
    throw new ConfigurationError(
      "BAD_AOR",
      `${text} is no SIP address of a user: expected alice, alice@${domain} or sip:alice@${domain}`,
    );
  let aor: Aor;
  try {
    aor = parseAor(`sip:${address.includes("@") ? address : `${address}@${domain}`}`);
  } catch (cause) {
    if (!(cause instanceof SchemaError)) throw cause;
    throw new ConfigurationError("BAD_AOR", cause.message, { cause });
  }
  if (domainOf(aor) !== domain) throw new ConfigurationError("FOREIGN_DOMAIN", `${aor} is no user of ${domain}`);
  return aor;
}
