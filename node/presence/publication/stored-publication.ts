import type { Aor } from "../../../dht-schema/aor.ts";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import { formatBallot } from "../../../dht-schema/ballot.ts";
import type { Instant } from "../../registrar/stored-binding.ts";
import type { SocketFlow } from "../../sip/stack.ts";
import { ProtocolError } from "../../runtime/errors.ts";
import type { StoredPublication } from "../../storage/ports.ts";
import { parseStoredPidf, serializePidf } from "../pidf/pidf-document.ts";
import type { Publication } from "./publications.ts";

export function toStoredPublication(
  aor: Aor,
  { key, entityTag, document, path, origin, devices, expiresAtMs }: Publication,
  epoch: Epoch,
  now: Instant,
): StoredPublication {
  return {
    aor,
    key,
    entityTag,
    document: serializePidf(document),
    path: JSON.stringify({ path, origin, devices }),
    expiresAtMs: Math.round(now.wallMs + expiresAtMs - now.monotonicMs),
    epoch: formatBallot(epoch),
  };
}

/**
 * A publication of an earlier ownership; `undefined` when it has expired or cannot be read.
 * @param maxSeconds the longest publication there is: a wall clock that went back must not make one longer
 */
export function fromStoredPublication(
  { key, entityTag, document, path, expiresAtMs }: StoredPublication,
  now: Instant,
  maxSeconds: number,
): Publication | undefined {
  const leftMs = Math.min(expiresAtMs - now.wallMs, maxSeconds * 1000);
  if (leftMs <= 0) return undefined;
  try {
    return {
      ...{ key, entityTag, document: parseStoredPidf(document), ...readPath(path) },
      expiresAtMs: now.monotonicMs + leftMs,
    };
  } catch (error) {
    // An earlier release may have had other bounds.
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/**
 * Entity-tag of the newest publication that this server has made for a user out of what another one told it by a flow, as it is on disk; over streams by whatever
 * connection. Those of devices have an origin, and these have none.
 */
export function madeFor(stored: readonly StoredPublication[], flow: SocketFlow): string | undefined {
  const made = stored.filter((each) => {
    const { path, origin } = readPath(each.path);
    const [transport, address] = path.split(" ");
    return origin === undefined && transport === flow.transport && address === flow.address;
  });
  return made.toSorted((a, b) => (a.key < b.key ? -1 : 1)).at(-1)?.entityTag;
}

/** Where a publication came from, and whose it is. An earlier release stored the name of the socket alone. */
function readPath(text: string): Pick<Publication, "path" | "origin" | "devices"> {
  if (!text.startsWith("{")) return { path: text, devices: [] };
  return JSON.parse(text) as Pick<Publication, "path" | "origin" | "devices">;
}
