import { formatSocketAddress } from "../config/values.ts";
import type { Binding } from "../registrar/binding.ts";
import type { Flow } from "../sip/stack.ts";
import type { ContactsView } from "./node-view.ts";

/** A binding as operators see it. */
export function describeContact(binding: Binding, nowMs: number): ContactsView["contacts"][number] {
  const { uri, flow, path = [], instance, q, userAgent, callId, cseq, expiresAtMs } = binding;
  return {
    uri,
    expiresInMs: Math.max(expiresAtMs - nowMs, 0),
    flow: describeFlow(flow),
    connected: flow.transport !== "MESH" && flow.connection !== undefined,
    path,
    instance,
    q: q / 1000,
    userAgent,
    callId,
    cseq,
  };
}

function describeFlow(flow: Flow): string {
  if (flow.transport === "MESH") return `mesh ${flow.server}`;
  return `${flow.transport.toLowerCase()} ${formatSocketAddress(flow)}`;
}
