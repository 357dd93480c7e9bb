import type { Flow, MeshTransport } from "../stack.ts";
import type { Transport, TransportEvents } from "./transport.ts";

/** SIP between servers of the domain: a frame of the mesh is a message, and the link has authenticated its sender. */
export class MeshChannel implements Transport {
  readonly name = "MESH";
  readonly #mesh: MeshTransport;

  constructor(mesh: MeshTransport, events: TransportEvents) {
    this.#mesh = mesh;
    mesh.receive((server, message) => events.received(message, { transport: "MESH", server }));
    mesh.onDown?.((server) => events.closed({ transport: "MESH", server }));
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {}

  address(): undefined {
    return undefined;
  }

  send(flow: Flow, bytes: Uint8Array, failed: (reason: string) => void): void {
    if (flow.transport !== "MESH" || !this.#mesh.send(flow.server, bytes)) failed("no link to that server");
  }
}
