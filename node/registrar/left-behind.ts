import type { Flow, SocketFlow } from "../sip/stack.ts";
import type { Binding, RegisterOrder } from "./binding.ts";
import { binds } from "./binding.ts";
import type { BindingTable } from "./binding-table.ts";

/**
 * Connections by which a client had registered that registers by another now. Its network has changed, or something on the way has forgotten the connection: then nobody has
 * said so to this server, which would send into the void for a quarter of an hour. That it is the same client, its Call-ID tells (RFC 3261 §10.2): two devices may have the same Contact.
 * Where proxies are in between, connections are theirs; others may have registered over one, too; and a device may have several flows, each with a `reg-id` of its own (RFC 5626 §4.2).
 * @param table the bindings afterwards
 */
export function leftBehind(
  before: readonly Binding[],
  order: RegisterOrder,
  table: Pick<BindingTable, "aorsOn">,
): readonly SocketFlow[] {
  if (order.kind !== "bind" || !binds(order)) return [];
  const now = connectionOf(order.flow);
  if (now === undefined) return [];
  const { contacts } = order;
  return before.flatMap(({ callId, flow, path, origin, regId = 0 }) => {
    if (callId !== order.callId || path !== undefined || origin?.isRelayed !== false) return [];
    if (!contacts.some((contact) => contact.regId === regId)) return [];
    const connection = connectionOf(flow);
    if (flow.transport === "MESH" || connection === undefined || connection === now) return [];
    return table.aorsOn(connection).length === 0 ? [flow] : [];
  });
}

function connectionOf(flow: Flow): string | undefined {
  return flow.transport === "MESH" ? undefined : flow.connection;
}
