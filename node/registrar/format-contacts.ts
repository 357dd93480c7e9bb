import { secondsLeft } from "../runtime/seconds-left.ts";
import { formatNameAddr } from "../sip/message/name-addr.ts";
import type { Binding } from "./binding.ts";

/**
 * Contact values of a 200 to REGISTER: every binding with the seconds it has left.
 * @see RFC 3261 §10.3 step 8
 */
export function formatContacts(bindings: readonly Binding[], nowMs: number): string[] {
  return bindings.map(({ uri, expiresAtMs, q, instance, regId }) => {
    const params = new Map([["expires", String(secondsLeft(expiresAtMs, nowMs))]]);
    if (q < 1000) params.set("q", (q / 1000).toString());
    if (instance !== "") params.set("+sip.instance", `<${instance}>`);
    if (regId !== undefined) params.set("reg-id", String(regId));
    return formatNameAddr({ uri, params });
  });
}
