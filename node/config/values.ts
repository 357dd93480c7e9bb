import { isIP } from "node:net";
import { canonicalAddress } from "../sip/transport/networks.ts";

/** Where to listen. */
export interface SocketAddress {
  /** IP literal, without brackets. */
  readonly address: string;
  /** 0–65535; 0 lets the system choose. */
  readonly port: number;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of `500ms`, `10s`, `2m`, `1h`, `7d`, `0`; `undefined` for anything else, other numbers without a unit included: everybody takes them for another one. */
export function parseDuration(text: string): number | undefined {
  if (text.trim() === "0") return 0;
  const match = /^(\d{1,12}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text.trim());
  return match === null ? undefined : Math.round(Number(match[1]) * (UNIT_MS[match[2] as string] as number));
}

/** `500ms`, `2.5s`, `1m30s`, `3h`: the form people read, two units at most. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1000) return `${Math.round(durationMs)}ms`;
  if (durationMs < 9950) return `${Number((durationMs / 1000).toFixed(1))}s`;
  const seconds = Math.round(durationMs / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  return `${Math.floor(hours / 24)}d`;
}

const UNIT_BYTES: Readonly<Record<string, number>> = {
  MB: 1e6,
  MiB: 1024 ** 2,
  GB: 1e9,
  GiB: 1024 ** 3,
  TB: 1e12,
  TiB: 1024 ** 4,
};

/** Octets of `500MB`, `4GiB`, `1.5TB`; `undefined` for anything else. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,6}(?:\.\d{1,3})?) ?([MGT]i?B)$/.exec(text.trim());
  return match === null ? undefined : Math.round(Number(match[1]) * (UNIT_BYTES[match[2] as string] as number));
}

/** Address and port of `127.0.0.1:5060` or `[::1]:5060`; `undefined` for anything else, host names included. */
export function parseSocketAddress(text: string): SocketAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text.trim());
  if (match === null) return undefined;
  const [, v6, v4, digits] = match;
  const address = v6 ?? (v4 as string);
  const port = Number(digits);
  if (isIP(address) !== (v6 === undefined ? 4 : 6) || port > 65_535) return undefined;
  return { address: canonicalAddress(address) ?? address, port };
}

/** Inverse of {@link parseSocketAddress}. */
export function formatSocketAddress({ address, port }: SocketAddress): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const DOMAIN = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);

/** Canonical form of a SIP domain (lower case, no trailing dot); `undefined` when it is not a host name. */
export function parseDomain(text: string): string | undefined {
  const domain = text.trim().toLowerCase().replace(/\.$/, "");
  return domain.length <= 253 && DOMAIN.test(domain) ? domain : undefined;
}
