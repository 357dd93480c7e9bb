import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { DAMAGE_ADVICE } from "../runtime/damage-advice.ts";
import { ConfigurationError, OperationalError } from "../runtime/errors.ts";
import type { Settings } from "../storage/ports.ts";
import { setting } from "./settings-names.ts";

/**
 * This server's key, generated and stored at the first start.
 * @throws {OperationalError} `DAMAGED_KEY`: a stored key is never replaced, for the server would become another one
 */
export async function loadPeerKey(settings: Settings): Promise<PrivateKey> {
  const stored = settings.get(setting.peerKey);
  if (stored !== undefined) return readKey(stored, "this server's key");
  const key = await generateKeyPair("Ed25519");
  settings.set(setting.peerKey, privateKeyToProtobuf(key));
  return key;
}

/**
 * Whether the settings may be used by the node with this key: what they hold (the boot number, the ballot ceiling) is of one server.
 * @throws {ConfigurationError} `BAD_KEY`, `OTHER_KEY`
 */
export function checkSameKey(settings: Settings, key: PrivateKey): void {
  if (key.type !== "Ed25519") {
    throw new ConfigurationError(
      "BAD_KEY",
      `a server of the domain has an Ed25519 key, not ${key.type}: it signs with it`,
    );
  }
  const self = peerIdFromPrivateKey(key).toString();
  const stored = settings.get(setting.peerKey);
  if (stored === undefined) return settings.set(setting.peerKey, privateKeyToProtobuf(key));
  const known = peerIdFromPrivateKey(readKey(stored, "this server's key")).toString();
  if (known === self) return;
  throw new ConfigurationError(
    "OTHER_KEY",
    `the data is of ${known}, and this libp2p node is ${self}: give createLibp2p the key that the data belongs to`,
  );
}

/** The domain's key, where this server holds it. @throws {OperationalError} `DAMAGED_KEY` */
export function loadDomainKey(settings: Settings): PrivateKey | undefined {
  const stored = settings.get(setting.domainKey);
  return stored === undefined ? undefined : readKey(stored, "the domain's key");
}

/**
 * The Ed25519 key of libp2p's protobuf encoding.
 * @throws {OperationalError} `DAMAGED_KEY`
 */
export function readKey(encoded: Uint8Array, what: string): PrivateKey {
  try {
    const key = privateKeyFromProtobuf(encoded);
    if (key.type === "Ed25519") return key;
  } catch (cause) {
    throw damaged(what, cause);
  }
  throw damaged(what, undefined);
}

/** Counts this start; the number grows with each. @throws {OperationalError} `DAMAGED_SETTING` */
export function nextBoot(settings: Settings): number {
  const boot = readCounter(settings, setting.boot) + 1;
  writeCounter(settings, setting.boot, boot);
  return boot;
}

/** A decimal number of the settings, 0 where there is none. @throws {OperationalError} `DAMAGED_SETTING` */
export function readCounter(settings: Settings, name: string): number {
  const stored = settings.get(name);
  if (stored === undefined) return 0;
  const text = new TextDecoder().decode(stored);
  if (!/^\d{1,15}$/.test(text)) {
    throw new OperationalError("DAMAGED_SETTING", `the stored setting ${name} is damaged. ${DAMAGE_ADVICE}`);
  }
  return Number(text);
}

/** Makes a decimal number of the settings durable. */
export function writeCounter(settings: Settings, name: string, value: number): void {
  settings.set(name, new TextEncoder().encode(String(value)));
}

function damaged(what: string, cause: unknown): OperationalError {
  return new OperationalError("DAMAGED_KEY", `${what} is stored but damaged. ${DAMAGE_ADVICE}`, { cause });
}
