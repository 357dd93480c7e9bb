import { createHash } from "node:crypto";
import type { User } from "../../../storage/ports.ts";

/** H(username:realm:password) for each algorithm that the registrar offers. @see RFC 7616 §3.4.2, RFC 8760 */
export function digestSecrets(username: string, realm: string, password: string): Pick<User, "ha1Md5" | "ha1Sha256"> {
  const secret = `${username}:${realm}:${password}`;
  const hash = (algorithm: string) => createHash(algorithm).update(secret, "utf8").digest("hex");
  return { ha1Md5: hash("md5"), ha1Sha256: hash("sha256") };
}
