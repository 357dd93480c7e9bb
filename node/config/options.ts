import { limits } from "../runtime/limits.ts";

/** How a setting is shown to people. Its name is the flag `--name`, the variable `AORTA_NAME` and the key `name:` of the file. */
interface OptionSpec {
  /** What stands for the value in help. */
  readonly value: string;
  readonly help: string;
  /** Whether it may be given more than once (flag), as a list (file) or with commas (environment). */
  readonly list: boolean;
}

function one(value: string, help: string): OptionSpec {
  return { value, help, list: false };
}

function many(value: string, help: string): OptionSpec {
  return { value, help: `${help}; may be repeated`, list: true };
}

/** Every setting of a node, in the order of the help. What values they take is in `option-schemas.ts`. */
export const options = {
  domain: one("domain", "SIP domain to found, when the data folder is new"),
  join: one("token", "join the domain whose `aorta invite` printed this token, when the data folder is new"),
  data: one("folder", "where keys, users and contacts are kept (default ./aorta-data)"),
  name: one("name", "what people call this server, unique in the domain (default the host's name)"),
  sip: many("address:port", "SIP over UDP and TCP (default 0.0.0.0:5060)"),
  ws: many("address:port", "SIP over WebSocket (default none)"),
  tls: many("address:port", "SIP over TLS, usually on port 5061 (default none)"),
  wss: many("address:port", "SIP over WebSocket over TLS (default none)"),
  "sip-name": many(
    "host[:port]",
    "by which clients reach this server, when that is not where it listens: names of DNS, outer addresses of a NAT; the first is what it tells them, on every transport: without a port, with that of the listener",
  ),
  "tls-cert": many(
    "path",
    "certificate of this server, PEM, followed by those that lead to its authority; clients that name a host get the first that is for it",
  ),
  "tls-key": many("path", "private key of each --tls-cert, PEM, in the same order"),
  "tls-ca": one(
    "path",
    "certificates, PEM, that those of trusted SIP servers have to lead to when they are connected to (default those that Node trusts)",
  ),
  unlimited: many(
    "address[/prefix]",
    "a proxy or server of another vendor, or a network of them, behind which many users are: it may send more than one address otherwise may",
  ),
  "proxy-protocol": many(
    "address[/prefix]",
    "a proxy, or a network of them, that begins each TCP, TLS and WebSocket connection with a header of the PROXY protocol (v1 or v2), which says who its client is; without one it is refused",
  ),
  mesh: many("address:port", "for the other servers of the domain (default 0.0.0.0:4060)"),
  announce: many(
    "multiaddr",
    "where the other servers reach this one, when that is not where it listens, as behind a port mapping",
  ),
  mdns: one("on|off", "whether to look for servers of the domain on the local network by multicast (default off)"),
  admin: one(
    "address:port",
    "read-only HTTP API on a loopback address, beside the socket in the data folder (default none)",
  ),
  "admin-socket": one("path", "where to put the admin socket (default admin.sock in the data folder)"),
  auth: one("digest|none", "whether SIP clients must authenticate (default digest); none only on loopback addresses"),
  digest: one(
    "md5|sha-256|both",
    "by which algorithm clients authenticate: md5, which all know (default); sha-256; or both, where many fail that know md5 only",
  ),
  trust: many(
    "address[:port]|network/prefix",
    "SIP server of the domain without a node of its own, such as Kamailio: it registers its users here, and what it says of them is believed; with a port over UDP only: TCP and TLS come from other ports; of a network, as 10.0.0.0/8, every address is such a server",
  ),
  "on-conflict": one(
    "takeover|redirect|reject",
    "when a user registers here whom another server owns: take them over (default), redirect the client, or reject",
  ),
  "unknown-users": one(
    "hold|refuse",
    "what becomes of a message to a user who is nowhere and whom `aorta user add` has not made known to this server: it waits, as that may be a user of another server (default), or is refused (404), for domains whose servers all know all users",
  ),
  "registrar-max-contacts": one(
    "number",
    `devices of one user, at most ${limits.federation.maxBreadth}; one more gets 403 (default ${limits.registrar.contactsPerAor})`,
  ),
  "registrar-min-expires": one(
    "seconds",
    "shortest registration that is accepted; below it clients get 423 (default 60); all -expires also take 5m, 1h, …",
  ),
  "registrar-default-expires": one("seconds", "registration of a client that does not say how long (default 3600)"),
  "registrar-max-expires": one("seconds", "longest registration; more is cut to it (default 7200)"),
  "presence-min-expires": one("seconds", "shortest publication and subscription that is accepted (default 60)"),
  "presence-default-expires": one("seconds", "publication and subscription without Expires (default 3600)"),
  "presence-max-expires": one("seconds", "longest publication and subscription (default 7200)"),
  "nat-ping": one(
    "duration|off",
    "how often something is sent that keeps the ways of clients through NATs and proxies open: four octets to UDP clients that were seen elsewhere than they said, a ping to WebSocket clients (default 25s)",
  ),
  history: one("duration|off", "how long users' messages are kept for `aorta history`, such as 30d (default 90d)"),
  "history-size": one(
    "size",
    "what these messages may take of the disk, such as 500MB; beyond, the oldest make room (default 4GiB)",
  ),
  lease: one(
    "duration",
    "lease term of the domain, when it is founded: how long a dead server's users stay taken (default 10s)",
  ),
  voters: one(
    "number",
    "on the steward: how many servers that have joined are to hold replicas of who serves whom (default all, up to 1024)",
  ),
  bootstrap: many("multiaddr", "address of another server to try first"),
  observer: many("peer-id", "a libp2p peer outside the domain that may read bindings by kad-dht"),
  "log-level": one("level", "debug, info, warn, error or silent (default info)"),
} as const satisfies Record<string, OptionSpec>;

/** Name of a setting. */
export type OptionName = keyof typeof options;

/** Names of all settings, in the order of the help. */
export const optionNames = Object.keys(options) as readonly OptionName[];

/** The environment variable of a setting. */
export function variableOf(name: string): string {
  return `AORTA_${name.toUpperCase().replaceAll("-", "_")}`;
}
