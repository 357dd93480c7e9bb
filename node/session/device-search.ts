import { ForkAnswer } from "../federation/fork-answer.ts";
import { answerOfDevice, unreachable } from "../federation/forward.ts";
import type { DeviceDelivery } from "../federation/route-to-owner.ts";
import { limits } from "../runtime/limits.ts";
import { forkedTo } from "./branches.ts";
import type { DeviceForkComponents } from "./device-fork.ts";

/**
 * Sends a request to the devices of a user one after the other, the one registered last first, until one takes it. So of a SUBSCRIBE there is one
 * subscription, where a fork to all would make several, of which most subscribers know but one.
 * @see RFC 3261 §16.6, §16.7; RFC 6665 §4.3, §4.4.1
 */
export function createDeviceSearch(components: DeviceForkComponents): DeviceDelivery {
  return async (request, aor, from) => {
    const { counters, send } = components;
    const branches = forkedTo(request, aor, from, components);
    if ("status" in branches) return branches;
    const answer = new ForkAnswer(branches.length);
    const withinMs = limits.federation.deliveryMs / branches.length;
    for (const branch of branches.toReversed()) {
      counters.add("federation.branches");
      const response = await send(branch, from, { withinMs });
      const final = answer.received(answerOfDevice(request, response));
      if (final !== undefined) return final;
    }
    return unreachable(request);
  };
}
