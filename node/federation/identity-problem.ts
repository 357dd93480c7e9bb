import type { Aor } from "../../dht-schema/aor.ts";
import { domainOf } from "../../dht-schema/aor.ts";
import { isNobodys } from "./anonymity.ts";
import type { Examined } from "./examine-request.ts";
import { isProxied } from "./examine-request.ts";
import type { Refusal } from "./refusal.ts";

/**
 * Whether a client may make a request as the user who it turned out to be.
 * @see RFC 3261 §10.3 steps 4 and 5, §22.1
 */
export function identityProblem(examined: Examined, user: Aor, domain: string): Refusal | undefined {
  if (examined.from !== user && !isHidden(examined))
    return { status: 403, reason: "From Is Not The Authenticated User" };
  if (examined.method !== "REGISTER") return undefined;
  if (examined.to === undefined || domainOf(examined.to) !== domain)
    return { status: 404, reason: "No User Of That Address" };
  // A registration on behalf of others would need a right that nobody has yet.
  return examined.to === user ? undefined : { status: 403, reason: "Not Your Address" };
}

/**
 * Whether From names nobody where it may. From of a REGISTER is who answers for it (RFC 3261 §10.2); a PUBLISH is of the user whom its
 * Request-URI names anyhow (RFC 3903 §4.1); and whoever is watched can see by whom (RFC 3857), so that to a SUBSCRIBE more would be
 * promised than is kept.
 */
function isHidden({ from, method }: Examined): boolean {
  return isNobodys(from) && isProxied(method);
}
