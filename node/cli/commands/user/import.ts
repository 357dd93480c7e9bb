import { readFileSync } from "node:fs";
import { ConfigurationError } from "../../../runtime/errors.ts";
import { limits } from "../../../runtime/limits.ts";
import type { User } from "../../../storage/ports.ts";
import type { NodeOptions } from "../../find-node.ts";
import { note, print, printJson, withProgress } from "../../terminal.ts";
import type { UserBook } from "./user-book.ts";
import { openUserBook } from "./user-book.ts";
import { readUsers } from "./user-lines.ts";

interface ImportOptions extends NodeOptions {
  readonly ha1?: true;
}

/** Stores the users of a file, many at a time: the disk is waited for once for all of them. */
export async function importUsers(file: string, options: ImportOptions): Promise<void> {
  const text = read(file);
  const book = await openUserBook(options);
  try {
    const users = readUsers(text, book.domain, options.ha1 === true ? "ha1" : "password");
    await withProgress(`storing ${users.length} users`, putAll(book, users));
    if (options.json) printJson({ users: users.length, realm: book.domain });
    else print(`${users.length} users may register in realm ${book.domain}.`);
  } finally {
    book.close();
  }
}

async function putAll(book: UserBook, users: readonly User[]): Promise<void> {
  const size = limits.admin.usersPerImport;
  for (let at = 0; at < users.length; at += size) {
    try {
      await book.putAll(users.slice(at, at + size));
    } catch (error) {
      // The same command stores them once more, which changes nothing.
      if (at > 0)
        note(`aorta: the first ${at} of ${users.length} users are stored; import all again when this is mended`);
      throw error;
    }
  }
}

/** Without the mark that some editors begin a file with. In another encoding names and passwords would be others. @throws {ConfigurationError} `NO_FILE` */
function read(file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file === "-" ? process.stdin.fd : file));
  } catch (cause) {
    throw new ConfigurationError("NO_FILE", `${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}
