import { publicKeyFromRaw } from "@libp2p/crypto/keys";
import { peerIdFromPublicKey } from "@libp2p/peer-id";
import type { Roster, RosterServer } from "../../dht-schema/roster.ts";

const known = new Map<number, RosterServer>();

/** A server whose key, and so its place in the Kademlia space, follows from its number. */
export function testServer(number: number): RosterServer {
  let server = known.get(number);
  if (server === undefined) {
    const key = new Uint8Array(32);
    new DataView(key.buffer).setUint32(0, number);
    const id = peerIdFromPublicKey(publicKeyFromRaw(key)).toString();
    known.set(number, (server = { number, id, name: `s${number}`, addresses: [] }));
  }
  return server;
}

/** 1, 2, … `count`. */
export function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** A stable roster of servers 1 … `servers`, all of them voters unless told otherwise. */
export function testRoster(servers: number, changes: Partial<Roster> = {}): Roster {
  return {
    domain: "example.com",
    version: 1,
    revision: 1,
    leaseMs: 10_000,
    driftPpm: 10_000,
    steward: 1,
    lastNumber: servers,
    leaving: [],
    gone: [],
    servers: numbersTo(servers).map(testServer),
    voters: numbersTo(servers),
    oldVoters: [],
    ...changes,
  };
}

/** The joint version that follows a stable one. */
export function jointAfter(stable: Roster, voters: readonly number[]): Roster {
  return { ...stable, version: stable.version + 1, voters, oldVoters: stable.voters };
}

/** The stable version that follows a joint one. */
export function stableAfter(joint: Roster): Roster {
  return { ...joint, version: joint.version + 1, oldVoters: [] };
}
