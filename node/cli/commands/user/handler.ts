import { userOf } from "../../../../dht-schema/aor.ts";
import { parseUser } from "../../../admin/parse-user.ts";
import type { UserView } from "../../../admin/node-view.ts";
import { OperationalError } from "../../../runtime/errors.ts";
import type { NodeOptions } from "../../find-node.ts";
import { note, print, printJson, table } from "../../terminal.ts";
import { digestSecrets } from "./digest-secrets.ts";
import { passwordFor } from "./password.ts";
import { openUserBook } from "./user-book.ts";

interface AddOptions extends NodeOptions {
  readonly password?: string;
  readonly username?: string;
}

/** Stores what digest authentication needs; the password itself is kept nowhere. */
export async function addUser(who: string, options: AddOptions): Promise<void> {
  const book = await openUserBook(options);
  try {
    const aor = parseUser(who, book.domain);
    const username = options.username ?? decodeURIComponent(userOf(aor));
    const password = await passwordFor(username, options.password);
    await book.put({ aor, username, realm: book.domain, ...digestSecrets(username, book.domain, password) });
    if (options.json) printJson({ aor, username, realm: book.domain });
    else print(`${aor} may register, as ${username} of realm ${book.domain}.`);
  } finally {
    book.close();
  }
}

/** @throws {OperationalError} `NO_SUCH_USER` */
export async function removeUser(who: string, options: NodeOptions): Promise<void> {
  const book = await openUserBook(options);
  try {
    const aor = parseUser(who, book.domain);
    if (!(await book.remove(aor))) throw new OperationalError("NO_SUCH_USER", `there is no user ${aor}`);
    if (options.json) printJson({ aor });
    else print(`${aor} may register no longer.`);
  } finally {
    book.close();
  }
}

/** Lists users without secrets. */
export async function listUsers(options: NodeOptions): Promise<void> {
  const book = await openUserBook(options);
  try {
    const users: readonly UserView[] = await book.list();
    if (options.json) return printJson(users);
    const rows = users.map(({ aor, username, realm }) => [aor, username, realm]);
    for (const line of table(["user", "user name", "realm"], rows)) print(line);
    if (users.length === 0) note("no users");
  } finally {
    book.close();
  }
}
