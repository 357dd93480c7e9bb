import { createHash } from "node:crypto";
import { publicKeyFromRaw } from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import type { Infer } from "./codec.ts";
import { bytes, decode, encode, list, struct, text, uint } from "./codec.ts";
import { kadIdOfPeer } from "./record-key.ts";
import type { KadMember } from "./replica-group.ts";
import { SchemaError } from "./schema-error.ts";
import { isSignedIn, SIGNATURE_BYTES, signIn } from "./signature.ts";

/** Libp2p peer id of a server in its text form (`12D3Koo…`). */
export type ServerId = string & { readonly __brand: "ServerId" };

/** Most servers in a roster. */
export const ROSTER_SERVERS_MAX = 4096;
/** Most addresses of a server. */
export const ROSTER_ADDRESSES_MAX = 16;
/** Most octets of an encoded, signed roster. */
export const ROSTER_MAX_BYTES = 2 * 1024 * 1024;

export const rosterServerCodec = struct("RosterServer", {
  /** Given at admission, never reused: the `member` of the server's ballots. 1 … 2^32−1. */
  number: uint(0xffff_ffff),
  id: text(128),
  /** What people call it; unique in the roster. */
  name: text(64),
  /** Where its mesh listens, as multiaddrs without the peer id. */
  addresses: list(text(256), ROSTER_ADDRESSES_MAX),
});

const numbers = list(uint(0xffff_ffff), ROSTER_SERVERS_MAX);

/** A server admitted to the mesh. */
export type RosterServer = Infer<typeof rosterServerCodec>;

export const rosterCodec = struct("Roster", {
  domain: text(253),
  /** Grows by one with each change of the voters; ballots carry it. */
  version: uint(0xffff_ffff),
  /** Grows by one with each change of anything else (a server admitted, an address), within or across versions. */
  revision: uint(0xffff_ffff),
  /** Lease term T in ms: one for the whole domain. */
  leaseMs: uint(3_600_000),
  /** Bound ρ of the drift between two servers' clock rates, in parts per million. */
  driftPpm: uint(100_000),
  /** Number of the only server that may make the next roster: two writers could make two different ones of the same version. */
  steward: uint(0xffff_ffff),
  /** Highest number ever given: a server that left takes its number with it, for ballots name it. */
  lastNumber: uint(0xffff_ffff),
  /** The servers admitted, by number, ascending. */
  servers: list(rosterServerCodec, ROSTER_SERVERS_MAX),
  /** Numbers of the servers that hold replicas, ascending: the new set when the version is joint. */
  voters: numbers,
  /** When the version is joint, the old set; empty when it is stable. */
  oldVoters: numbers,
  /** Numbers of the servers that are to go, ascending: they own nobody any more, vote no longer after the next change, and are then dropped. */
  leaving: numbers,
  /** Numbers of those leaving of whom an operator vouches that they are switched off for good: nobody waits for them. */
  gone: numbers,
});

/**
 * The numbered list of the domain's servers. Every server holds the whole of it.
 * A version is *stable* (`oldVoters` empty) or *joint* (majorities in both sets are needed); they alternate.
 */
export type Roster = Infer<typeof rosterCodec>;

export const signedRosterCodec = struct("SignedRoster", {
  roster: bytes(ROSTER_MAX_BYTES),
  signature: bytes(SIGNATURE_BYTES),
});

/** Signed by the domain's Ed25519 key over {@link ROSTER_CONTEXT} and the encoded roster. */
export const ROSTER_CONTEXT = new TextEncoder().encode("aorta-roster-1\0");

/** Tells signed rosters of the same version and revision apart: the first six octets of SHA-256, as a number. */
export function rosterDigest(signed: Uint8Array): number {
  return createHash("sha256").update(signed).digest().readUIntBE(0, 6);
}

/** Whether `a` comes after `b`. */
export function isNewerRoster(a: Roster, b: Roster): boolean {
  return a.version > b.version || (a.version === b.version && a.revision > b.revision);
}

/** Whether the version needs majorities in the old and the new set. */
export function isJoint(roster: Roster): boolean {
  return roster.oldVoters.length > 0;
}

/** Signs a roster with the domain's key. @throws {SchemaError} `BAD_ROSTER` */
export async function signRoster(roster: Roster, domainKey: PrivateKey): Promise<Uint8Array> {
  checkRoster(roster);
  const encoded = encode(rosterCodec, roster);
  return encode(signedRosterCodec, {
    roster: encoded,
    signature: await signIn(ROSTER_CONTEXT, encoded, domainKey),
  });
}

/**
 * The roster of a signed encoding.
 * @param domainPublicKey raw Ed25519 key, 32 bytes
 * @throws {SchemaError} `BAD_FRAME`, `BAD_SIGNATURE`, `BAD_ROSTER`
 */
export async function openRoster(signed: Uint8Array, domainPublicKey: Uint8Array): Promise<Roster> {
  const { roster: encoded, signature } = decode(signedRosterCodec, signed);
  const isValid = await isSignedIn(ROSTER_CONTEXT, encoded, signature, publicKeyFromRaw(domainPublicKey));
  if (!isValid) throw new SchemaError("BAD_SIGNATURE", "roster is not signed by the domain's key");
  const roster = decode(rosterCodec, encoded);
  checkRoster(roster);
  return roster;
}

/** Checks what the encoding alone cannot: order, uniqueness, and that voters are servers. @throws {SchemaError} `BAD_ROSTER` */
export function checkRoster(roster: Roster): void {
  const known = new Set<number>();
  const names = new Set<string>();
  const ids = new Set<string>();
  let last = 0;
  for (const server of roster.servers) {
    if (server.number <= last) throw new SchemaError("BAD_ROSTER", "server numbers must ascend from 1");
    last = server.number;
    known.add(server.number);
    if (names.has(server.name)) throw new SchemaError("BAD_ROSTER", `two servers are called ${server.name}`);
    names.add(server.name);
    if (ids.has(server.id)) throw new SchemaError("BAD_ROSTER", `peer ${server.id} stands twice`);
    ids.add(server.id);
  }
  if (!known.has(roster.steward))
    throw new SchemaError("BAD_ROSTER", `steward ${roster.steward} is not a server of the roster`);
  if (roster.voters.length === 0) throw new SchemaError("BAD_ROSTER", "no voters");
  if (roster.leaseMs < 100) throw new SchemaError("BAD_ROSTER", "lease term under 100 ms");
  if (roster.lastNumber < last) throw new SchemaError("BAD_ROSTER", "a server has a number that was never given");
  if (roster.leaving.includes(roster.steward)) throw new SchemaError("BAD_ROSTER", "the steward cannot leave");
  if (roster.gone.some((number) => !roster.leaving.includes(number)))
    throw new SchemaError("BAD_ROSTER", "only who is leaving can be gone");
  for (const set of [roster.voters, roster.oldVoters, roster.leaving, roster.gone]) {
    let previous = 0;
    for (const number of set) {
      if (number <= previous) throw new SchemaError("BAD_ROSTER", "numbers must ascend");
      previous = number;
      if (!known.has(number)) throw new SchemaError("BAD_ROSTER", `${number} is not a server of the roster`);
    }
  }
}

/** Places by server id: they never change, and to decode a peer id takes longer than all else that a new roster asks for. */
const places = new Map<string, Uint8Array>();

function placeOf(id: string): Uint8Array {
  let place = places.get(id);
  if (place === undefined) {
    place = kadIdOfPeer(peerIdFromString(id).toMultihash().bytes);
    // Two rosters' worth: more are of servers that have left.
    if (places.size >= 2 * ROSTER_SERVERS_MAX) places.clear();
    places.set(id, place);
  }
  return place;
}

/** The voters of a set with their places in the Kademlia space, for a replica group. */
export function kadMembers(roster: Roster, voters: readonly number[]): KadMember[] {
  const byNumber = new Map(roster.servers.map((server) => [server.number, server]));
  return voters.map((number) => ({ number, kadId: placeOf((byNumber.get(number) as RosterServer).id) }));
}
