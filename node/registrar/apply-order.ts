import type { Epoch } from "../../dht-schema/ballot.ts";
import type { BindOrder, Binding, ContactOrder, RegisterOrder } from "./binding.ts";
import { areSameUris } from "../sip/message/uri.ts";
import { areTwins } from "./twins.ts";

export type OrderResult =
  /** The bindings afterwards. */
  | { readonly kind: "applied"; readonly bindings: readonly Binding[] }
  /** A later REGISTER of the same client has been applied already. */
  | { readonly kind: "out-of-order" }
  | { readonly kind: "too-many-contacts" };

/**
 * The bindings after an order, all of it or nothing.
 * @param bindings the unexpired ones, of one AoR
 * @param epoch under which the user is owned
 * @see RFC 3261 §10.3 steps 6 and 7
 */
export function applyOrder(
  bindings: readonly Binding[],
  order: RegisterOrder,
  nowMs: number,
  contactsPerAor: number,
  epoch?: Epoch,
): OrderResult {
  if (order.kind === "query") return { kind: "applied", bindings };
  if (order.kind === "remove-all") {
    return bindings.some((binding) => isLate(binding, order))
      ? { kind: "out-of-order" }
      : { kind: "applied", bindings: [] };
  }
  let result: readonly Binding[] = bindings;
  for (const contact of order.contacts) {
    const bound = bindings.filter((binding) => areSameUris(binding.uri, contact.uri));
    if (bound.some((binding) => isLate(binding, order))) return { kind: "out-of-order" };
    const replaced = result.filter((binding) => isReplaced(binding, contact, order));
    result = result.filter((binding) => !replaced.includes(binding));
    if (contact.expiresSeconds > 0) {
      const twin = twinOf(contact, order.callId, replaced, result);
      result = [
        ...result,
        {
          uri: contact.uri,
          flow: order.flow,
          callId: order.callId,
          cseq: order.cseq,
          expiresAtMs: nowMs + contact.expiresSeconds * 1000,
          q: contact.q,
          userAgent: order.userAgent,
          instance: contact.instance,
          ...(order.origin === undefined ? undefined : { origin: order.origin }),
          ...(order.path.length === 0 ? undefined : { path: order.path }),
          ...(contact.regId === 0 ? undefined : { regId: contact.regId }),
          ...(twin === undefined ? undefined : { twin }),
          epoch,
        },
      ];
    }
  }
  return result.length > contactsPerAor ? { kind: "too-many-contacts" } : { kind: "applied", bindings: result };
}

/** RFC 3261 §10.3: the same Call-ID with a CSeq that is not higher aborts the whole request. */
function isLate(binding: Binding, order: Pick<RegisterOrder, "callId" | "cseq">): boolean {
  return binding.callId === order.callId && order.cseq <= binding.cseq;
}

/** What tells a new binding from one of the same URI; it stays for as long as its device has that. */
function twinOf(
  { uri, instance }: ContactOrder,
  callId: string,
  replaced: readonly Binding[],
  others: readonly Binding[],
): string | undefined {
  const before = replaced.find((binding) => binding.uri === uri);
  if (before !== undefined) return before.twin;
  const isTaken = others.some((binding) => binding.uri === uri && binding.twin === undefined);
  return isTaken ? instance || callId : undefined;
}

/**
 * The same URI, of the same device; the same flow of a device (RFC 5626 §6), made anew; or the same device after a restart (its instance with
 * another Call-ID), which would otherwise leave a dead contact behind until that expires.
 */
function isReplaced(binding: Binding, contact: ContactOrder, { callId, origin }: BindOrder): boolean {
  return (
    (areSameUris(binding.uri, contact.uri) && !areTwins(binding, { ...contact, callId, origin })) ||
    (contact.instance !== "" &&
      contact.expiresSeconds > 0 &&
      binding.instance === contact.instance &&
      (contact.regId === 0 ? binding.callId !== callId : binding.regId === contact.regId))
  );
}
