import type { Roster } from "../../dht-schema/roster.ts";
import { ConfigurationError } from "../runtime/errors.ts";

/** Default lease term T, ms. */
const LEASE_MS = 10_000;
/** Default bound of the drift between clock rates: 1 %. */
const DRIFT_PPM = 10_000;

/** The first roster of a domain: its founder is server 1 and the only voter. */
export function foundingRoster(
  domain: string,
  founder: { readonly id: string; readonly name: string; readonly addresses: readonly string[] },
  { leaseMs = LEASE_MS, driftPpm = DRIFT_PPM }: { readonly leaseMs?: number; readonly driftPpm?: number } = {},
): Roster {
  return {
    domain: checkDomain(domain),
    version: 1,
    revision: 0,
    leaseMs,
    driftPpm,
    steward: 1,
    lastNumber: 1,
    servers: [{ number: 1, ...founder }],
    voters: [1],
    oldVoters: [],
    leaving: [],
    gone: [],
  };
}

/** A domain name in lower case. @throws {ConfigurationError} `BAD_DOMAIN` */
function checkDomain(domain: string): string {
  const lower = domain.toLowerCase();
  if (lower.length > 253 || !/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/.test(lower)) {
    throw new ConfigurationError("BAD_DOMAIN", `${JSON.stringify(domain)} is not a domain name, e.g. example.com`);
  }
  return lower;
}

/** A server's name, as people and logs show it. @throws {ConfigurationError} `BAD_NAME` */
export function checkServerName(name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    throw new ConfigurationError(
      "BAD_NAME",
      `${JSON.stringify(name)} cannot name a server: use 1 to 64 letters, digits, dots, dashes or underscores`,
    );
  }
  return name;
}
