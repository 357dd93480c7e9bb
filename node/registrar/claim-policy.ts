import type { ClaimMode, ClaimOutcome } from "../federation/locator.ts";
import type { RegisterOrder } from "./binding.ts";
import { binds } from "./binding.ts";

/**
 * What a REGISTER does when another server owns the user:
 * - `takeover`: the user goes with the newest registration; the other server lets go
 * - `redirect`: the client is sent to the server that owns the user (302)
 * - `reject`: the client is refused (403)
 */
export type RegistrationPolicy = "takeover" | "redirect" | "reject";

/** What has to happen before an order may be applied. */
export type Admission =
  /** This server owns the user, or the order binds nothing: apply it. */
  | { readonly kind: "apply" }
  /** Claim the user first. */
  | { readonly kind: "claim"; readonly mode: ClaimMode }
  /** A query for a user of whom nothing is known here: ask who owns them. */
  | { readonly kind: "locate" };

/**
 * Decides how an order is admitted.
 *
 * Only an order that binds a contact claims. An automatic refresh of a registration that was shed never takes a user back
 * (otherwise two clients that refresh would throw each other out for ever), but it may have a user whom nobody owns.
 */
export function admit(
  order: RegisterOrder,
  known: { readonly owned: boolean; readonly shed: boolean; readonly policy: RegistrationPolicy },
): Admission {
  if (known.owned) return { kind: "apply" };
  if (binds(order)) return { kind: "claim", mode: known.shed || known.policy !== "takeover" ? "if-free" : "take-over" };
  return order.kind === "query" ? { kind: "locate" } : { kind: "apply" };
}

/** What follows from the outcome of the claim that an admission asked for. */
export type ClaimVerdict =
  | { readonly kind: "apply" }
  | { readonly kind: "redirect" }
  | { readonly kind: "forbid" }
  | { readonly kind: "retry-later" };

/**
 * @param owned whether this server owns the user at this instant, which is later than the claim's answer
 * @param handedOver whether there is a forwarding note: another server took the user after the claim
 */
export function judgeClaim(
  outcome: ClaimOutcome["kind"],
  now: { readonly owned: boolean; readonly handedOver: boolean; readonly policy: RegistrationPolicy },
): ClaimVerdict {
  switch (outcome) {
    case "owned":
      if (now.owned) return { kind: "apply" };
      return now.handedOver ? elsewhere(now.policy) : { kind: "retry-later" };
    case "owned-elsewhere":
    case "superseded":
      return elsewhere(now.policy);
    case "unavailable":
      return { kind: "retry-later" };
  }
}

function elsewhere(policy: RegistrationPolicy): ClaimVerdict {
  return policy === "redirect" ? { kind: "redirect" } : { kind: "forbid" };
}
