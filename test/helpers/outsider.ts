import { noise } from "@chainsafe/libp2p-noise";
import type { Identify } from "@libp2p/identify";
import { identify } from "@libp2p/identify";
import type { Libp2p, PrivateKey } from "@libp2p/interface";
import type { Ping } from "@libp2p/ping";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import type { MeshNode } from "../../node/mesh/mesh-node.ts";

export type Outsider = Libp2p<{ identify: Identify; ping: Ping }>;

/** A libp2p node that is nobody's server, to knock at the mesh with. It says nothing on its own. Whoever makes it stops it. */
export function createOutsider(privateKey?: PrivateKey): Promise<Outsider> {
  return createLibp2p<{ identify: Identify; ping: Ping }>({
    ...(privateKey !== undefined && { privateKey }),
    addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    services: {
      identify: (components) => identify({ runOnConnectionOpen: false })(components) as Identify,
      ping: ping(),
    },
  });
}

/** The address of a mesh node, peer id included. */
export function addressOf(mesh: MeshNode) {
  return multiaddr(`${mesh.addresses()[0] ?? ""}/p2p/${mesh.self}`);
}

/** Resolves when the outsider has no connection left. */
export async function disconnected(outsider: Libp2p, deadlineMs = 8000): Promise<void> {
  const signal = AbortSignal.timeout(deadlineMs);
  while (outsider.getConnections().length > 0) {
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error(`still connected after ${deadlineMs} ms`)), {
        once: true,
      });
      outsider.addEventListener("connection:close", () => resolve(), { once: true });
    });
  }
}
