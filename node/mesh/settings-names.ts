/** Names under which the mesh keeps things in the node's settings. */
export const setting = {
  /** Private key of this server, libp2p protobuf. */
  peerKey: "mesh.peer-key",
  /** Private key of the domain, libp2p protobuf: on stewards only. */
  domainKey: "mesh.domain-key",
  /** Raw public key of the domain, 32 octets. */
  domainPublicKey: "mesh.domain-public-key",
  /** The signed roster in force. Written last when joining: its presence is what makes this a member. */
  roster: "mesh.roster",
  /** How often this node has started, decimal. */
  boot: "mesh.boot",
  /** Invites redeemed and not yet expired. */
  redeemed: "mesh.redeemed-invites",
  /** Promise to take no roster of a lower version, decimal. */
  rosterFloor: "mesh.roster-floor",
  /** Peer ids of servers that were taken out of the roster. */
  former: "mesh.former-servers",
  /** Names of these, and when they left. */
  formerServers: "mesh.former-server-names",
} as const;
