import type { Binding, ContactOrder, RegisterOrder } from "../../../node/registrar/binding.ts";
import type { Flow } from "../../../node/sip/stack.ts";

export const FLOW: Flow = { transport: "UDP", address: "127.0.0.1", port: 5070 };

export function binding(fields: Partial<Binding> = {}): Binding {
  return {
    uri: "sip:alice@127.0.0.1:5070",
    flow: FLOW,
    callId: "call-1",
    cseq: 1,
    expiresAtMs: 3_600_000,
    q: 1000,
    userAgent: "",
    instance: "",
    epoch: undefined,
    ...fields,
  };
}

export function contact(fields: Partial<ContactOrder> = {}): ContactOrder {
  return { uri: "sip:alice@127.0.0.1:5070", expiresSeconds: 3600, q: 1000, instance: "", regId: 0, ...fields };
}

export function bindOrder(
  contacts: readonly ContactOrder[],
  fields: { readonly callId?: string; readonly cseq?: number } = {},
): RegisterOrder {
  return {
    kind: "bind",
    callId: "call-1",
    cseq: 1,
    firstCSeq: 1,
    flow: FLOW,
    path: [],
    outbound: false,
    userAgent: "",
    contacts,
    ...fields,
  };
}
