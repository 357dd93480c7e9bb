import { hash } from "node:crypto";

/** 22 characters for a text of any length, where what clients write may be kilobytes: the first 132 bits of its SHA-256. */
export function shortName(text: string): string {
  return hash("sha256", text, "base64url").slice(0, 22);
}
