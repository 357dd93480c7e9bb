import { peerIdFromString } from "@libp2p/peer-id";
import { multiaddr } from "@multiformats/multiaddr";
import { z } from "zod";
import type { SocketAddress } from "./values.ts";
import { formatDuration, isLoopback, parseDomain, parseDuration, parseSocketAddress } from "./values.ts";

/** One setting of a node. Its name is the flag `--name`, the variable `AORTA_NAME` and the key `name:` of the file. */
interface OptionSpec<Schema extends z.ZodType> {
  readonly schema: Schema;
  /** What stands for the value in help. */
  readonly value: string;
  readonly help: string;
  /** Whether it may be given more than once (flag), as a list (file) or with commas (environment). */
  readonly list: boolean;
}

function one<Schema extends z.ZodType>(value: string, help: string, schema: Schema): OptionSpec<Schema> {
  return { schema, value, help, list: false };
}

function many<Schema extends z.ZodType>(value: string, help: string, item: Schema): OptionSpec<z.ZodArray<Schema>> {
  return { schema: z.array(item).max(16, "at most 16 of them"), value, help: `${help}; may be repeated`, list: true };
}

/** A text that `parse` understands; `expected` says to people what would have been right. */
function parsed<Value>(expected: string, parse: (text: string) => Value | undefined) {
  return z
    .union([z.string(), z.number().transform(String)], { error: `expected ${expected}` })
    .transform((text, context): Value => {
      const value = parse(text);
      if (value !== undefined) return value;
      context.addIssue({ code: "custom", message: `expected ${expected}, not ${JSON.stringify(text)}` });
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

const LEASE_MIN_MS = 500;
const LEASE_MAX_MS = 600_000;

/** Every setting of a node. */
export const options = {
  domain: one(
    "domain",
    "SIP domain to found, when the data folder is new",
    parsed("a domain, such as example.com", parseDomain),
  ),
  join: one(
    "token",
    "join the domain whose `aorta invite` printed this token, when the data folder is new",
    matching("a token as `aorta invite` prints it", /^\S+$/),
  ),
  data: one("folder", "where keys, users and contacts are kept (default ./aorta-data)", path),
  name: one(
    "name",
    "what people call this server, unique in the domain (default the host's name)",
    matching(
      "a name of up to 64 letters, digits, dots and dashes",
      /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/,
    ),
  ),
  sip: many("address:port", "SIP over UDP and TCP (default 0.0.0.0:5060)", socketAddress("0.0.0.0:5060")),
  ws: many("address:port", "SIP over WebSocket (default none)", socketAddress("0.0.0.0:8080")),
  mesh: many(
    "address:port",
    "for the other servers of the domain (default 0.0.0.0:4060)",
    socketAddress("0.0.0.0:4060"),
  ),
  admin: one(
    "address:port",
    "read-only HTTP API on a loopback address, beside the socket in the data folder (default none)",
    socketAddress("127.0.0.1:8181").refine(
      ({ address }: SocketAddress) => isLoopback(address),
      "expected a loopback address, such as 127.0.0.1:8181",
    ),
  ),
  "admin-socket": one("path", "where to put the admin socket (default admin.sock in the data folder)", path),
  auth: one(
    "digest|none",
    "whether SIP clients must authenticate (default digest); none only on loopback addresses",
    oneOf("digest", "none"),
  ),
  "on-conflict": one(
    "takeover|redirect|reject",
    "when a user registers here whom another server owns: take them over (default), redirect the client, or reject",
    oneOf("takeover", "redirect", "reject"),
  ),
  lease: one(
    "duration",
    "lease term of the domain, when it is founded: how long a dead server's users stay taken (default 10s)",
    parsed(
      `a duration from ${formatDuration(LEASE_MIN_MS)} to ${formatDuration(LEASE_MAX_MS)}, such as 10s`,
      (text) => {
        const leaseMs = parseDuration(text);
        return leaseMs !== undefined && leaseMs >= LEASE_MIN_MS && leaseMs <= LEASE_MAX_MS ? leaseMs : undefined;
      },
    ),
  ),
  bootstrap: many(
    "multiaddr",
    "address of another server to try first",
    checked("a multiaddr, such as /ip4/192.0.2.1/tcp/4060", multiaddr),
  ),
  observer: many(
    "peer-id",
    "a libp2p peer outside the domain that may read bindings by kad-dht",
    checked("a libp2p peer id, such as 12D3Koo…", peerIdFromString),
  ),
  "log-level": one(
    "level",
    "debug, info, warn, error or silent (default info)",
    oneOf("debug", "info", "warn", "error", "silent"),
  ),
} as const;

/** Name of a setting. */
export type OptionName = keyof typeof options;

/** Settings that were given, each checked by itself. */
export type OptionValues = { [Name in OptionName]?: z.output<(typeof options)[Name]["schema"]> };

/** Names of all settings, in the order of the help. */
export const optionNames = Object.keys(options) as readonly OptionName[];

/** The environment variable of a setting. */
export function variableOf(name: string): string {
  return `AORTA_${name.toUpperCase().replaceAll("-", "_")}`;
}
