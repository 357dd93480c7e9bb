import type { PrivateKey } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { tcp } from "@libp2p/tcp";
import { bindingSelector, bindingValidator } from "../../dht-schema/kad-record.ts";
import { JOIN_PROTOCOL } from "../../dht-schema/join-messages.ts";
import type { Clock } from "../runtime/clock.ts";
import { systemClock } from "../runtime/clock.ts";
import { ConfigurationError } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import { silentLogger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import { createCounters } from "../runtime/metrics.ts";
import type { InviteStore, Settings } from "../storage/ports.ts";
import { parseAddresses } from "./addresses.ts";
import { Admission } from "./admission.ts";
import { checkServerName, foundingRoster } from "./founding.ts";
import { Guard } from "./guard.ts";
import type { TransportFactory } from "./host.ts";
import { addressesOf, createHost, ownHost, startHost } from "./host.ts";
import { checkSameKey, loadPeerKey, nextBoot } from "./identity.ts";
import { InviteBook } from "./invite-book.ts";
import { JoinDoor } from "./join-door.ts";
import { joinDomain, readToken } from "./join-domain.ts";
import { MeshDatastore } from "./kad-records.ts";
import type { Roster } from "../../dht-schema/roster.ts";
import type { GuestComponents, MeshHost } from "./mesh-host.ts";
import { guestHost } from "./mesh-host.ts";
import type { MeshNode, MeshParts } from "./mesh-node.ts";
import { LibP2pMesh } from "./mesh-node.ts";
import { RosterKeeper } from "./roster-keeper.ts";
import { VoterContact } from "./voter-contact.ts";

/** How a server that belongs to no domain yet gets into one. */
export type Membership =
  | { readonly kind: "found"; readonly domain: string; readonly leaseMs?: number; readonly driftPpm?: number }
  | { readonly kind: "join"; readonly token: string };

/** What a mesh is made of, whosever libp2p node it runs on. */
export interface MeshInit {
  readonly settings: Settings;
  readonly invites: InviteStore;
  /** What people call this server; unique in the domain. */
  readonly name: string;
  /** Used only while the settings hold no roster; a restart needs none. */
  readonly membership?: Membership;
  /** More addresses of servers, for when those in the roster are out of date. One that ends in `/p2p/<id>` is for that server alone. */
  readonly bootstrap?: readonly string[];
  /** `name/version`, shown to peers. */
  readonly software?: string;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly counters?: Counters;
  /** 0 ≤ random() < 1, for jitter. */
  readonly random?: () => number;
}

/** A mesh with a libp2p node of its own. */
export interface MeshOptions extends MeshInit {
  /** Multiaddrs to listen on. @default ["/ip4/127.0.0.1/tcp/0"] */
  readonly listen?: readonly string[];
  /** Multiaddrs to tell others instead of those listened on. */
  readonly announce?: readonly string[];
  /** Peer ids of outsiders that may connect and look users up through kad-dht. */
  readonly observers?: readonly string[];
  /** Finds servers on the local network by multicast. @default false */
  readonly mdns?: boolean;
  /** What carries connections. @default TCP */
  readonly transport?: TransportFactory;
}

/**
 * A mesh node that belongs to its domain: restored from the settings, founded, or joined. It listens; links begin with its
 * `start`. Whoever creates one stops it.
 * @throws {ConfigurationError} `NO_DOMAIN`, `REMOVED`, `OTHER_DOMAIN`, `BAD_DOMAIN`, `BAD_NAME`, `BAD_ADDRESS`, `PORT_IN_USE`, `CANNOT_LISTEN`, `BAD_INVITE`,
 *   `INVITE_EXPIRED`, `INVITE_USED`, `NAME_TAKEN`, `ALREADY_MEMBER`, `JOIN_REFUSED`
 * @throws {OperationalError} `DAMAGED_KEY`, `DAMAGED_ROSTER`, `DAMAGED_SETTING`, `JOIN_UNREACHABLE`, `JOIN_FAILED`
 */
export async function createMesh(options: MeshOptions): Promise<MeshNode> {
  const { listen = ["/ip4/127.0.0.1/tcp/0"], announce = [], software = "aorta" } = options;
  parseAddresses([...listen, ...announce], "mesh address");
  const privateKey = await loadPeerKey(options.settings);
  const ground = await prepare(options, privateKey, options.observers ?? []);
  const { guard, datastore, keeper, logger } = ground;
  const libp2p = await createHost({
    privateKey,
    listen,
    announce,
    software,
    mdns: options.mdns ?? false,
    transport: options.transport ?? tcp(),
    guard,
    datastore,
    recordValidator: bindingValidator({
      isServer: (id) => keeper.isServer(id),
      newestEpoch: (aor) => datastore.newestEpoch(aor),
    }),
    recordSelector: bindingSelector,
  });
  const host = ownHost(libp2p, guard, logger);
  try {
    await startHost(libp2p, listen);
    return await settle(ground, host);
  } catch (error) {
    await host.stop();
    throw error;
  }
}

/**
 * As {@link createMesh}, on a libp2p node that is somebody else's and runs already. It has no kad-dht of its own: bindings are not served to
 * outsiders, and addresses are found by what peer routing the node has.
 * @throws {ConfigurationError} also `BAD_KEY` when the node's key is not Ed25519, `OTHER_KEY` when the settings are another node's
 */
export async function createGuestMesh(options: MeshInit, components: GuestComponents): Promise<MeshNode> {
  const { privateKey } = components;
  checkSameKey(options.settings, privateKey);
  const ground = await prepare(options, privateKey, []);
  const host = guestHost(components);
  try {
    return await settle(ground, host);
  } catch (error) {
    await host.stop();
    throw error;
  }
}

/** What there is before a libp2p node is. */
type Ground = Omit<MeshParts, "host" | "boot"> & { readonly admission: Admission; readonly init: MeshInit };

async function prepare(init: MeshInit, privateKey: PrivateKey, observers: readonly string[]): Promise<Ground> {
  const { settings, name, software = "aorta" } = init;
  const { clock = systemClock, logger = silentLogger, counters = createCounters(), random = Math.random } = init;
  checkServerName(name);
  const bootstrap = parseAddresses(init.bootstrap ?? [], "bootstrap address");
  const self = peerIdFromPrivateKey(privateKey).toString();
  const contact = new VoterContact(self);
  const keeper = new RosterKeeper(settings, self, contact, clock);
  await keeper.load();
  const book = new InviteBook(init.invites, settings, clock);
  const isServer = (id: string): boolean => keeper.isServer(id);
  const isDoorOpen = (): boolean => keeper.isMember && keeper.isSteward && book.isOpen();
  const isFormer = (id: string): boolean => keeper.isMember && keeper.isFormer(id);
  const admission = new Admission({ isServer, isFormer, isDoorOpen }, observers);
  const guard = new Guard(admission, counters, logger);
  const datastore = new MeshDatastore(counters);
  const parts = { privateKey, name, software, keeper, book, contact, guard, datastore };
  return { ...parts, clock, logger, counters, random, bootstrap, admission, init };
}

/** Opens the door on a node that listens, enters the domain, and counts this start. */
async function settle(ground: Ground, host: MeshHost): Promise<MeshNode> {
  const { admission, init, ...parts } = ground;
  const { guard, keeper } = parts;
  const door = new JoinDoor(parts);
  await host.handle(
    JOIN_PROTOCOL,
    guard.wrap(JOIN_PROTOCOL, (stream, connection) => door.handle(stream, connection)),
  );
  await enterDomain(keeper, host, admission, init.membership, parts);
  return new LibP2pMesh({ ...parts, host, boot: nextBoot(init.settings) });
}

/** Makes sure that the keeper has a roster. */
async function enterDomain(
  keeper: RosterKeeper,
  host: MeshHost,
  admission: Admission,
  membership: Membership | undefined,
  { name, clock, logger }: { readonly name: string; readonly clock: Clock; readonly logger: Logger },
): Promise<void> {
  const id = host.peerId.toString();
  const addresses = addressesOf(host);
  if (keeper.hasRoster) {
    checkSameDomain(keeper.roster.domain, membership, keeper.isMember, clock);
    if (keeper.isMember) return;
    // Taken out, and let in anew: under a new number, with the key that it has.
    if (membership?.kind !== "join") throw removed(keeper.roster);
  }
  switch (membership?.kind) {
    case undefined:
      throw new ConfigurationError(
        "NO_DOMAIN",
        "this server belongs to no domain yet, as its data is new: found one, join one with a token, or choose the data folder that it had before",
      );
    case "found":
      await keeper.found(foundingRoster(membership.domain, { id, name, addresses }, membership));
      logger.info({ domain: membership.domain }, "a new domain was founded, as the data folder was new");
      return;
    case "join": {
      const { domainPublicKey, signed, domainKey } = await joinDomain(
        host,
        admission,
        readToken(membership.token, clock),
        { name, addresses },
      );
      await keeper.adopt(domainPublicKey, signed, domainKey);
      return;
    }
  }
}

/** A server belongs to one domain: an option that names another is a mistake; one that names the same, or a token, is spent. */
function checkSameDomain(domain: string, membership: Membership | undefined, isMember: boolean, clock: Clock): void {
  const wanted = domainWanted(membership, isMember, clock);
  if (wanted === undefined || wanted === domain) return;
  throw new ConfigurationError(
    "OTHER_DOMAIN",
    `this server belongs to ${domain}, not to ${wanted}: use another data folder`,
  );
}

/** A token is spent once the server is in the domain, whichever it was for. */
function domainWanted(membership: Membership | undefined, isMember: boolean, clock: Clock): string | undefined {
  if (membership?.kind === "found") return membership.domain.toLowerCase();
  return membership === undefined || isMember ? undefined : readToken(membership.token, clock).domain;
}

function removed({ domain, version }: Roster): ConfigurationError {
  return new ConfigurationError(
    "REMOVED",
    `this server was taken out of ${domain} (roster version ${version}). To join it anew: aorta invite on its steward, then aorta up --join <token> here`,
  );
}
