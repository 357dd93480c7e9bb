import { createHash } from "node:crypto";
import type { Aor } from "./aor.ts";
import { parseAor } from "./aor.ts";
import { SchemaError } from "./schema-error.ts";

/** Name space of our records in the DHT: kad-dht finds validator and selector by it. */
export const RECORD_NAMESPACE = "aorta";

const PREFIX = `/${RECORD_NAMESPACE}/`;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The DHT key of an AoR's server binding: the UTF-8 bytes of `/aorta/<aor>`. */
export function recordKey(aor: Aor): Uint8Array {
  return encoder.encode(PREFIX + aor);
}

/**
 * The AoR of a record key.
 * @throws {SchemaError} `BAD_KEY` when the key is not one of ours or its AoR is not canonical.
 */
export function aorOfRecordKey(key: Uint8Array): Aor {
  let text: string;
  try {
    text = decoder.decode(key);
  } catch (cause) {
    throw new SchemaError("BAD_KEY", "record key is not UTF-8", { cause });
  }
  if (!text.startsWith(PREFIX)) throw new SchemaError("BAD_KEY", `record key outside ${PREFIX}`);
  const aor = parseAor(text.slice(PREFIX.length));
  if (PREFIX + aor !== text) throw new SchemaError("BAD_KEY", "record key holds an AoR that is not canonical");
  return aor;
}

/** Place of an AoR in the Kademlia space: SHA-256 of its record key, 32 bytes. */
export function kadIdOfAor(aor: Aor): Uint8Array {
  return sha256(recordKey(aor));
}

/** Place of a server in the Kademlia space: SHA-256 of its peer id's bytes (the multihash), 32 bytes. */
export function kadIdOfPeer(peerIdBytes: Uint8Array): Uint8Array {
  return sha256(peerIdBytes);
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}
