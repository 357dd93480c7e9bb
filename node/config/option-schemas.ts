import { isLoopback } from "../runtime/ip-addresses.ts";
import { limits } from "../runtime/limits.ts";
import { peerIdFromString } from "@libp2p/peer-id";
import { multiaddr } from "@multiformats/multiaddr";
import { z } from "zod";
import { ROSTER_SERVERS_MAX } from "../../dht-schema/roster.ts";
import type { TrustedServer } from "../sidecar/trusted-servers.ts";
import { parseHostPort } from "../sip/message/uri.ts";
import { parseNetwork } from "../sip/transport/networks.ts";
import type { OptionName } from "./options.ts";
import type { SocketAddress } from "./values.ts";
import { formatDuration, parseDomain, parseDuration, parseSize, parseSocketAddress } from "./values.ts";

/** A text that `parse` understands; `expected` says to people what would have been right. */
function parsed<Value>(expected: string, parse: (text: string) => Value | undefined) {
  const text = z.union([z.string(), z.number().transform(String)], { error: `expected ${expected}` });
  return text.transform((given, context): Value => {
    const value = parse(given);
    if (value !== undefined) return value;
    context.addIssue({ code: "custom", message: `expected ${expected}, not ${JSON.stringify(given)}` });
    return z.NEVER;
  });
}

/** A text of which `check` says whether it is right, by its result or by not throwing. */
function checked(expected: string, check: (text: string) => unknown) {
  return parsed(expected, (text) => {
    try {
      return check(text) === false ? undefined : text;
    } catch {
      return undefined;
    }
  });
}

function oneOf<const Choice extends string>(...choices: readonly Choice[]) {
  return parsed(`one of ${choices.join(", ")}`, (text) => choices.find((choice) => choice === text.toLowerCase()));
}

const matching = (expected: string, pattern: RegExp) => checked(expected, (text) => pattern.test(text));
const socketAddress = (example: string) => parsed(`address:port, such as ${example}`, parseSocketAddress);
const path = matching("a path", /^[^\0]+$/);
const listOf = <Item extends z.ZodType>(item: Item) => z.array(item).max(16, "at most 16 of them");

/** A name or an address, with or without a port, as in a SIP URI. */
function parseHost(text: string): { readonly host: string; readonly port?: number } | undefined {
  try {
    return parseHostPort(text);
  } catch {
    return undefined;
  }
}

/** An address with the port of a server, or one with any, or a network. */
function parseServer(text: string): TrustedServer | undefined {
  const network = parseNetwork(text.replace(/^\[(.*)\]$/, "$1"));
  if (network !== undefined) return { address: network };
  const { port, ...address } = parseSocketAddress(text) ?? { port: 0, address: "" };
  return port > 0 ? { ...address, port } : undefined;
}

/** What SIP calls expires: seconds, or a duration with its unit. */
function expires(longestSeconds: number) {
  return parsed(`seconds from 1 to ${longestSeconds}, or a duration such as 5m`, (text) => {
    const seconds = (parseDuration(/^\d+$/.test(text.trim()) ? `${text.trim()}s` : text) ?? 0) / 1000;
    return Number.isInteger(seconds) && seconds >= 1 && seconds <= longestSeconds ? seconds : undefined;
  });
}

/** Who asks for an hour or more may not be told that it is too brief. @see RFC 3261 §10.3 step 7 */
const EXPIRES_MIN_MAX = 3600;
/** A month: what clients leave behind is kept for as long. */
const EXPIRES_MAX = 30 * 24 * 3600;
const HISTORY_MIN_MS = 60_000;
const HISTORY_MIN_BYTES = 16 * 1024 ** 2;
const HISTORY_MAX_BYTES = 1024 ** 4;
const LEASE_MIN_MS = 500;
const LEASE_MAX_MS = 600_000;

const network = parsed("an IP address or a network, such as 192.0.2.1 or 10.0.0.0/8", parseNetwork);

/** The values that each setting takes, and what they become. */
export const optionSchemas = {
  domain: parsed("a domain, such as example.com", parseDomain),
  join: matching("a token as `aorta invite` prints it", /^\S+$/),
  data: path,
  name: matching(
    "a name of up to 64 letters, digits, dots and dashes",
    /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/,
  ),
  sip: listOf(socketAddress("0.0.0.0:5060")),
  ws: listOf(socketAddress("0.0.0.0:8080")),
  tls: listOf(socketAddress("0.0.0.0:5061")),
  wss: listOf(socketAddress("0.0.0.0:8443")),
  "sip-name": listOf(parsed("a host with or without a port, such as sip1.example.com", parseHost)),
  "tls-cert": listOf(path),
  "tls-key": listOf(path),
  "tls-ca": path,
  unlimited: listOf(network),
  "proxy-protocol": listOf(network),
  mesh: listOf(socketAddress("0.0.0.0:4060")),
  announce: listOf(
    checked(
      "a multiaddr without peer id, such as /ip4/192.0.2.1/tcp/4060",
      (text) =>
        !multiaddr(text)
          .getComponents()
          .some(({ name }) => name === "p2p"),
    ),
  ),
  mdns: parsed("on or off", (text) => ({ on: true, off: false })[text.toLowerCase()]),
  admin: socketAddress("127.0.0.1:8181").refine(
    ({ address }: SocketAddress) => isLoopback(address),
    "expected a loopback address, such as 127.0.0.1:8181",
  ),
  "admin-socket": path,
  auth: oneOf("digest", "none"),
  digest: oneOf("md5", "sha-256", "both"),
  trust: listOf(
    parsed(
      "an IP address with or without a port, or a network, such as 192.0.2.1, 192.0.2.1:5060 or 10.0.0.0/8",
      parseServer,
    ),
  ),
  "on-conflict": oneOf("takeover", "redirect", "reject"),
  "unknown-users": oneOf("hold", "refuse"),
  "registrar-max-contacts": parsed(`a number from 1 to ${limits.federation.maxBreadth}`, (text) => {
    const contacts = /^\d{1,3}$/.test(text) ? Number(text) : 0;
    return contacts >= 1 && contacts <= limits.federation.maxBreadth ? contacts : undefined;
  }),
  "registrar-min-expires": expires(EXPIRES_MIN_MAX),
  "registrar-default-expires": expires(EXPIRES_MAX),
  "registrar-max-expires": expires(EXPIRES_MAX),
  "presence-min-expires": expires(EXPIRES_MIN_MAX),
  "presence-default-expires": expires(EXPIRES_MAX),
  "presence-max-expires": expires(EXPIRES_MAX),
  // What is older is removed at once.
  history: parsed(`a duration of at least ${formatDuration(HISTORY_MIN_MS)}, such as 30d, or off`, (text) => {
    if (text === "off") return 0;
    const keepMs = parseDuration(text);
    return keepMs !== undefined && keepMs >= HISTORY_MIN_MS ? keepMs : undefined;
  }),
  "nat-ping": parsed("a duration from 5s to 10m, such as 25s, or off", (text) => {
    const everyMs = text === "off" ? 0 : parseDuration(text);
    return everyMs === 0 || (everyMs !== undefined && everyMs >= 5000 && everyMs <= 600_000) ? everyMs : undefined;
  }),
  "history-size": parsed("a size of 16MiB to 1TiB, such as 500MB", (text) => {
    const bytes = parseSize(text) ?? 0;
    return bytes >= HISTORY_MIN_BYTES && bytes <= HISTORY_MAX_BYTES ? bytes : undefined;
  }),
  lease: parsed(
    `a duration from ${formatDuration(LEASE_MIN_MS)} to ${formatDuration(LEASE_MAX_MS)}, such as 10s`,
    (text) => {
      const leaseMs = parseDuration(text);
      return leaseMs !== undefined && leaseMs >= LEASE_MIN_MS && leaseMs <= LEASE_MAX_MS ? leaseMs : undefined;
    },
  ),
  voters: parsed(`a number from 1 to ${ROSTER_SERVERS_MAX}`, (text) => {
    const voters = /^\d{1,4}$/.test(text) ? Number(text) : 0;
    return voters >= 1 && voters <= ROSTER_SERVERS_MAX ? voters : undefined;
  }),
  bootstrap: listOf(checked("a multiaddr, such as /ip4/192.0.2.1/tcp/4060", multiaddr)),
  observer: listOf(checked("a libp2p peer id, such as 12D3Koo…", peerIdFromString)),
  "log-level": oneOf("debug", "info", "warn", "error", "silent"),
} as const satisfies Record<OptionName, z.ZodType>;

/** Settings that were given, each checked by itself. */
export type OptionValues = { [Name in OptionName]?: z.output<(typeof optionSchemas)[Name]> };
