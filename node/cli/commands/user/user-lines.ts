import { randomBytes } from "node:crypto";
import { userOf } from "../../../../dht-schema/aor.ts";
import { parseUser } from "../../../admin/parse-user.ts";
import { AortaError, ConfigurationError } from "../../../runtime/errors.ts";
import type { User } from "../../../storage/ports.ts";
import { digestSecrets } from "./digest-secrets.ts";

/** What stands behind the name: a password, or H(A1) by MD5 as Kamailio's `subscriber.ha1` has it. */
export type SecretKind = "password" | "ha1";

/** Faults that are told one by one. */
const FAULTS_TOLD = 10;

/**
 * The users of a file, one a line: `alice:wonderland`, as chpasswd takes it. Empty lines and those that begin with # are none.
 * @throws {ConfigurationError} `BAD_LINES` with what is wrong with which line; a password is never shown
 */
export function readUsers(text: string, domain: string, kind: SecretKind): readonly User[] {
  const faults: string[] = [];
  const lineOf = new Map<string, number>();
  const users: User[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const user = readUser(line, domain, kind);
    const earlier = typeof user === "string" ? undefined : lineOf.get(user.aor);
    if (typeof user === "string") faults.push(`line ${index + 1}: ${user}`);
    else if (earlier !== undefined) faults.push(`line ${index + 1}: ${user.aor} is on line ${earlier} already`);
    else {
      lineOf.set(user.aor, index + 1);
      users.push(user);
    }
  }
  if (faults.length === 0) return users;
  const told = faults.slice(0, FAULTS_TOLD).map((fault) => `  ${fault}`);
  const more = faults.length > FAULTS_TOLD ? [`  and ${faults.length - FAULTS_TOLD} more`] : [];
  throw new ConfigurationError("BAD_LINES", ["no user was stored:", ...told, ...more].join("\n"));
}

/** A user, or what is wrong. */
function readUser(line: string, domain: string, kind: SecretKind): User | string {
  const [, name, secret] = /^((?:sips?:)?[^:]+):(.*)$/is.exec(line) ?? [];
  if (name === undefined || secret === undefined || secret === "") return `expected user:${kind}`;
  if (name !== name.trim()) return `a blank beside the user: expected user:${kind}`;
  if (kind === "ha1" && !/^[0-9a-f]{32}$/i.test(secret)) return "expected 32 hexadecimal digits behind the user";
  try {
    const aor = parseUser(name, domain);
    const username = decodeURIComponent(userOf(aor));
    // Of who has no password no SHA-256 can be made; nobody knows the input of this one.
    const unknown = () => ({ ha1Md5: secret.toLowerCase(), ha1Sha256: randomBytes(32).toString("hex") });
    return { aor, username, realm: domain, ...(kind === "ha1" ? unknown() : digestSecrets(username, domain, secret)) };
  } catch (error) {
    if (!(error instanceof AortaError)) throw error;
    return error.message;
  }
}
