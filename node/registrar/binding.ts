import type { Epoch } from "../../dht-schema/ballot.ts";
import type { Flow } from "../sip/stack.ts";
import type { DeviceOrigin } from "./device-origin.ts";
import type { RegisteredContact } from "./registered-contacts.ts";

/** A contact bound to an AoR. @see RFC 3261 §10 */
export interface Binding extends RegisteredContact {
  /** Call-ID of the REGISTER that bound or refreshed it last. */
  readonly callId: string;
  readonly cseq: number;
  /** On the monotonic clock of this process. */
  readonly expiresAtMs: number;
  /** Preference, 0–1000. */
  readonly q: number;
  readonly userAgent: string;
  readonly instance: string;
  /** The epoch under which the client bound or refreshed it last; `undefined` where an older release stored it. */
  readonly epoch: Epoch | undefined;
}

/** One Contact of a REGISTER. */
export interface ContactOrder {
  readonly uri: string;
  /** 0 removes. */
  readonly expiresSeconds: number;
  readonly q: number;
  readonly instance: string;
  /** Which of its flows the device means, where it knows RFC 5626; else 0. */
  readonly regId: number;
}

/** What a REGISTER asks for. */
export type RegisterOrder =
  /** No Contact: which are bound? */
  | { readonly kind: "query"; readonly callId: string; readonly cseq: number }
  /** `Contact: *` with `Expires: 0`. */
  | { readonly kind: "remove-all"; readonly callId: string; readonly cseq: number }
  | {
      readonly kind: "bind";
      readonly callId: string;
      readonly cseq: number;
      /** CSeq of the client's first try, which is lower where it was challenged (RFC 3261 §22.2). */
      readonly firstCSeq: number;
      readonly flow: Flow;
      /** Proxies between the device and the flow. */
      readonly path: readonly string[];
      readonly origin?: DeviceOrigin | undefined;
      /** Whether the device knows RFC 5626 and is at the other end of the flow. */
      readonly outbound: boolean;
      readonly userAgent: string;
      readonly contacts: readonly ContactOrder[];
    };

/** One that binds or removes some Contacts. */
export type BindOrder = Extract<RegisterOrder, { kind: "bind" }>;

/** Whether an order would leave a contact bound that the user has to be owned for. */
export function binds(order: RegisterOrder): boolean {
  return order.kind === "bind" && order.contacts.some((contact) => contact.expiresSeconds > 0);
}

/** What becomes of the bindings of a user. */
export interface Change {
  readonly isOwned: boolean;
  readonly before: readonly Binding[];
  readonly after: readonly Binding[];
}

/** Whether a Contact is bound that was not before. */
export function addsContact({ before, after }: Change): boolean {
  return after.some((binding) => before.every((old) => !isSameBinding(old, binding)));
}

/** Whether two bindings of a user are one, before and after a change. */
export function isSameBinding(a: Pick<Binding, "uri" | "twin">, b: Pick<Binding, "uri" | "twin">): boolean {
  return a.uri === b.uri && a.twin === b.twin;
}
