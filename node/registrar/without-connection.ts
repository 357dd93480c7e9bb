import { flowWithoutConnection } from "../sip/reachable-flow.ts";
import type { Binding } from "./binding.ts";

/** Bindings after the end of a connection: those that can only be reached over it are gone. */
export function withoutConnection(bindings: readonly Binding[], connection: string): readonly Binding[] {
  return bindings.flatMap((binding) => {
    if (binding.flow.transport === "MESH" || binding.flow.connection !== connection) return [binding];
    const flow = flowWithoutConnection(binding.uri, binding.flow, binding.path);
    return flow === undefined ? [] : [{ ...binding, flow }];
  });
}
