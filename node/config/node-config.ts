import { limits } from "../runtime/limits.ts";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { ConfigurationError } from "../runtime/errors.ts";
import type { ExpiryRules } from "../runtime/expiry-rules.ts";
import { isLoopback } from "../runtime/ip-addresses.ts";
import type { LogLevel } from "../runtime/logger.ts";
import { adminSocketOf, DEFAULT_DATA_FOLDER } from "./data-folder.ts";
import type { TrustedServer } from "../sidecar/trusted-servers.ts";
import type { DigestOffer } from "../sip/auth/digest-authenticator.ts";
import { expiryContradictions, expiryOf } from "./expiry-settings.ts";
import type { OptionValues } from "./option-schemas.ts";
import type { OptionName } from "./options.ts";
import type { Flags, Problem, Source } from "./sources.ts";
import { CONFIG_VARIABLE, fromEnvironment, fromFile, fromFlags } from "./sources.ts";
import type { SocketAddress } from "./values.ts";
import { formatSocketAddress } from "./values.ts";

/** What to do when a user registers here whom another server owns. */
export type ConflictPolicy = "takeover" | "redirect" | "reject";

/** Everything that an operator chooses about one node, complete and consistent. */
export interface NodeConfig {
  /** Absolute. */
  readonly dataFolder: string;
  readonly name: string;
  /** That `name` was chosen, and not made up from the host's: then the folder of a server of another name is a mistake. */
  readonly isNameChosen?: true;
  /** Domain to found; a folder that has a domain already must have this one. */
  readonly domain?: string;
  /** Token of the domain to join; unused in a folder that has joined already. */
  readonly joinToken?: string;
  /** Each is bound for UDP and TCP. Never empty. */
  readonly sip: readonly SocketAddress[];
  readonly ws: readonly SocketAddress[];
  readonly tls: readonly SocketAddress[];
  readonly wss: readonly SocketAddress[];
  /** By which clients reach this server, where that is not where it listens. */
  readonly sipNames: readonly { readonly host: string; readonly port?: number }[];
  /** Absolute paths. Not empty where `tls` or `wss` is not. */
  readonly certificates: readonly { readonly certificate: string; readonly key: string }[];
  /** Absolute path. */
  readonly authorities?: string;
  /** IP addresses and networks, as sockets write them, that the limits of one source do not hold for. */
  readonly unlimited: readonly string[];
  /** IP addresses and networks, as sockets write them, whose connections begin with a header of the PROXY protocol. */
  readonly proxies: readonly string[];
  readonly mesh: readonly SocketAddress[];
  /** Multiaddrs to tell others instead of those listened on; empty to tell these. */
  readonly announce: readonly string[];
  readonly mdns: boolean;
  /** Path of the admin socket. */
  readonly adminSocket: string;
  /** Loopback address of the read-only API. */
  readonly adminTcp?: SocketAddress;
  readonly authentication: "digest" | "none";
  /** The algorithms that clients may choose from. */
  readonly digest: DigestOffer;
  /** SIP servers of the domain without nodes of their own. */
  readonly trusted: readonly TrustedServer[];
  readonly onConflict: ConflictPolicy;
  /** What becomes of a message to a user who is nowhere, and whom the table of users does not have. */
  readonly unknownUsers: "hold" | "refuse";
  /** Devices of one user. */
  readonly maxContacts: number;
  /** How long registrations last. */
  readonly registrarExpiry: ExpiryRules;
  /** How long publications and subscriptions last. */
  readonly presenceExpiry: ExpiryRules;
  /** After how long a UDP client behind a NAT is pinged again; 0: never. */
  readonly natPingMs: number;
  /** How long messages are kept in users' histories; 0: not at all. */
  readonly historyMs: number;
  /** What the histories may take of the disk, octets. @default that of `limits.history` */
  readonly historyBytes?: number;
  /** Only with `domain`; otherwise the roster's term holds. */
  readonly leaseMs?: number;
  /** Servers that are to hold replicas, when this one is the steward. @default 1024 */
  readonly voters?: number;
  /** Multiaddrs. */
  readonly bootstrap: readonly string[];
  /** Peer ids. */
  readonly observers: readonly string[];
  readonly logLevel: LogLevel;
}

/** Where settings are read from. */
export interface ConfigInput {
  readonly flags: Flags;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** YAML file; without it the variable `AORTA_CONFIG` names one. */
  readonly file?: string;
}

/** Many NATs forget who was silent for 30 s. @see RFC 5626 §4.4 */
const DEFAULT_NAT_PING_MS = 25_000;
const DEFAULT_HISTORY_MS = 90 * 24 * 3600 * 1000;

/** Longest path of a unix socket in bytes: `sun_path` has 108 on Linux and 104 elsewhere, the last one zero. */
const SOCKET_PATH_MAX_BYTES = process.platform === "linux" ? 107 : 103;

/**
 * Reads all sources; flags go before the environment, the environment before the file, the file before defaults.
 * @throws {ConfigurationError} `BAD_CONFIGURATION` with every problem of every source, one a line
 */
export function loadConfig(input: ConfigInput): NodeConfig {
  const file = input.file ?? (input.environment[CONFIG_VARIABLE] || undefined);
  const sources = [
    ...(file === undefined ? [] : [fromFile(file)]),
    fromEnvironment(input.environment),
    fromFlags(input.flags),
  ];
  const values: OptionValues = Object.assign({}, ...sources.map((source) => source.values));
  const config = complete(values);
  const problems = [...sources.flatMap((source) => source.problems), ...contradictions(values, config, sources)];
  if (problems.length > 0) throw new ConfigurationError("BAD_CONFIGURATION", describe(problems));
  return config;
}

function complete(values: OptionValues): NodeConfig {
  const dataFolder = resolve(values.data ?? DEFAULT_DATA_FOLDER);
  const sip = values.sip ?? [{ address: "0.0.0.0", port: 5060 }];
  return {
    dataFolder,
    name: values.name ?? defaultName(sip[0]),
    ...(values.name !== undefined && { isNameChosen: true }),
    ...(values.domain !== undefined && { domain: values.domain }),
    ...(values.join !== undefined && { joinToken: values.join }),
    sip,
    ws: values.ws ?? [],
    tls: values.tls ?? [],
    wss: values.wss ?? [],
    sipNames: values["sip-name"] ?? [],
    certificates: (values["tls-cert"] ?? []).map((path, index) => ({
      certificate: resolve(path),
      key: resolve(values["tls-key"]?.[index] ?? ""),
    })),
    ...(values["tls-ca"] !== undefined && { authorities: resolve(values["tls-ca"]) }),
    unlimited: values.unlimited ?? [],
    proxies: values["proxy-protocol"] ?? [],
    mesh: values.mesh ?? [{ address: "0.0.0.0", port: 4060 }],
    announce: values.announce ?? [],
    mdns: values.mdns ?? false,
    adminSocket: values["admin-socket"] === undefined ? adminSocketOf(dataFolder) : resolve(values["admin-socket"]),
    ...(values.admin !== undefined && { adminTcp: values.admin }),
    authentication: values.auth ?? "digest",
    digest: values.digest ?? "md5",
    trusted: values.trust ?? [],
    onConflict: values["on-conflict"] ?? "takeover",
    unknownUsers: values["unknown-users"] ?? "hold",
    maxContacts: values["registrar-max-contacts"] ?? limits.registrar.contactsPerAor,
    registrarExpiry: expiryOf(values, "registrar"),
    presenceExpiry: expiryOf(values, "presence"),
    natPingMs: values["nat-ping"] ?? DEFAULT_NAT_PING_MS,
    historyMs: values.history ?? DEFAULT_HISTORY_MS,
    ...(values["history-size"] !== undefined && { historyBytes: values["history-size"] }),
    ...(values.lease !== undefined && { leaseMs: values.lease }),
    ...(values.voters !== undefined && { voters: values.voters }),
    bootstrap: values.bootstrap ?? [],
    observers: values.observer ?? [],
    logLevel: values["log-level"] ?? "info",
  };
}

/** The host's name, with the SIP port where it is not the usual one: several nodes on one machine need several names. */
function defaultName(sip: SocketAddress | undefined): string {
  const host =
    hostname()
      .split(".")[0]
      ?.replace(/[^A-Za-z0-9-]/g, "")
      .replace(/^-+|-+$/g, "")
      .slice(0, 50) || "node";
  return sip === undefined || sip.port === 5060 || sip.port === 0 ? host : `${host}-${sip.port}`;
}

/** What no setting shows by itself. */
function contradictions(values: OptionValues, config: NodeConfig, sources: readonly Source[]): Problem[] {
  const problems: Problem[] = [];
  const refuse = (names: readonly OptionName[], message: string) => {
    const origins = names.map(
      (name) => sources.findLast((source) => source.origins.has(name))?.origins.get(name) ?? `--${name} (not given)`,
    );
    problems.push({ origin: origins.join(", "), message });
  };
  if (values.domain !== undefined && values.join !== undefined)
    refuse(["domain", "join"], "found a domain or join one, not both");
  if (values.join !== undefined && values.lease !== undefined) {
    refuse(["lease"], "the lease term is chosen where the domain is founded; a server that joins gets it from there");
  }
  for (const name of ["sip", "mesh"] as const) {
    if (config[name].length === 0) refuse([name], "at least one address is needed");
  }
  if (config.authentication === "none") {
    const open = [...config.sip, ...config.ws, ...config.tls, ...config.wss].filter(
      ({ address }) => !isLoopback(address),
    );
    if (open.length > 0) {
      refuse(
        ["auth"],
        `without authentication anybody is anybody: only where SIP listens on loopback, not on ${open.map(formatSocketAddress).join(", ")}`,
      );
    }
  }
  if (config.authentication === "none" && config.unknownUsers === "refuse")
    refuse(["auth", "unknown-users"], "without authentication there is no table of users to know them by");
  for (const part of ["registrar", "presence"] as const) {
    for (const [lower, upper] of expiryContradictions(values, part))
      refuse([lower, upper], `${Number(values[lower])} s is more than ${Number(values[upper])} s`);
  }
  const certificates = values["tls-cert"]?.length ?? 0;
  if ((values["tls-key"]?.length ?? 0) !== certificates)
    refuse(["tls-cert", "tls-key"], "each certificate needs its key, in the same order");
  const secure = (["tls", "wss"] as const).filter((name) => config[name].length > 0);
  if (secure.length > 0 && certificates === 0)
    refuse(secure, "a certificate is needed: tls-cert and tls-key name its files");
  const streams = (["sip", "ws", "tls", "wss", "mesh"] as const).flatMap((name) =>
    config[name].map((address) => ({ name, address: formatSocketAddress(address), port: address.port })),
  );
  for (const [index, { name, address, port }] of streams.entries()) {
    const earlier = port === 0 ? undefined : streams.slice(0, index).find((other) => other.address === address);
    if (earlier !== undefined) refuse([earlier.name, name], `${address} is given twice`);
  }
  const socketBytes = Buffer.byteLength(config.adminSocket);
  if (socketBytes > SOCKET_PATH_MAX_BYTES) {
    const name = values["admin-socket"] === undefined ? "data" : "admin-socket";
    refuse(
      [name],
      `the admin socket's path has ${socketBytes} bytes and may have ${SOCKET_PATH_MAX_BYTES}: ${config.adminSocket}; choose a shorter --admin-socket`,
    );
  }
  return problems;
}

function describe(problems: readonly Problem[]): string {
  const lines = problems.map(({ origin, message }) => `  ${origin}: ${message}`);
  return [`${problems.length === 1 ? "a setting is" : `${problems.length} settings are`} wrong:`, ...lines].join("\n");
}
