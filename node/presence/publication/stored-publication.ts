import type { Aor } from "../../../dht-schema/aor.ts";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import { formatBallot } from "../../../dht-schema/ballot.ts";
import type { Instant } from "../../registrar/stored-binding.ts";
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

/** Where a publication came from, and whose it is. An earlier release stored the name of the socket alone. */
function readPath(text: string): Pick<Publication, "path" | "origin" | "devices"> {
  if (!text.startsWith("{")) return { path: text, devices: [] };
  return JSON.parse(text) as Pick<Publication, "path" | "origin" | "devices">;
}
