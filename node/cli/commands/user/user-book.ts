import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Aor } from "../../../../dht-schema/aor.ts";
import type { RosterView, UserView } from "../../../admin/node-view.ts";
import { checkNoLists } from "../../../admin/user-or-list.ts";
import { RosterKeeper } from "../../../mesh/roster-keeper.ts";
import { AortaError, ConfigurationError } from "../../../runtime/errors.ts";
import { silentLogger } from "../../../runtime/logger.ts";
import type { User } from "../../../storage/ports.ts";
import { DATABASE_NAME, openStorage } from "../../../storage/storage.ts";
import { AdminRefusal } from "../../admin-client.ts";
import type { NodeOptions } from "../../find-node.ts";
import { clientOf } from "../../find-node.ts";

/** The users of a node, wherever they can be reached. */
export interface UserBook {
  readonly domain: string;
  /** @throws {ConfigurationError} `IS_LIST`, `USERNAME_TAKEN` */
  put(user: User): Promise<void>;
  /** All of them or none; as {@link put}. */
  putAll(users: readonly User[]): Promise<void>;
  /** Whether there was such a user. */
  remove(aor: Aor): Promise<boolean>;
  list(): Promise<readonly UserView[]>;
  close(): void;
}

/** The users of a running node by its admin API, else those in its data folder. @throws {OperationalError} `NODE_DOWN` when there is neither */
export async function openUserBook(options: NodeOptions): Promise<UserBook> {
  try {
    return await onlineBook(options);
  } catch (error) {
    const isDown = error instanceof AortaError && error.code === "NODE_DOWN";
    const folder = resolve(options.data);
    if (!isDown || options.admin !== undefined || !existsSync(join(folder, DATABASE_NAME))) throw error;
    return offlineBook(folder);
  }
}

async function onlineBook(options: NodeOptions): Promise<UserBook> {
  const client = await clientOf(options);
  const { domain } = await client.get<RosterView>("/v1/roster");
  return {
    domain,
    put: ({ realm: _realm, ...user }) => client.post("/v1/users", user),
    putAll: (users) => client.post("/v1/users/import", { users: users.map(({ realm: _realm, ...user }) => user) }),
    remove: (aor) =>
      client.delete(`/v1/users/${encodeURIComponent(aor)}`).then(
        () => true,
        (error: unknown) => {
          if (error instanceof AdminRefusal && error.code === "NO_SUCH_USER") return false;
          throw error;
        },
      ),
    list: () => client.get("/v1/users"),
    close: () => {},
  };
}

async function offlineBook(folder: string): Promise<UserBook> {
  const storage = openStorage(folder, { logger: silentLogger });
  try {
    const roster = new RosterKeeper(storage.settings);
    await roster.load();
    if (!roster.hasRoster) {
      throw new ConfigurationError("NO_DOMAIN", `${folder} belongs to no domain yet: found or join one with aorta up`);
    }
    const { users, lists } = storage;
    return {
      domain: roster.roster.domain,
      async put(user) {
        checkNoLists([user], lists);
        users.put(user);
      },
      async putAll(added) {
        checkNoLists(added, lists);
        users.putAll(added);
      },
      remove: async (aor) => users.remove(aor),
      list: async () => users.list().map(({ aor, username, realm }) => ({ aor, username, realm })),
      close: () => storage.close(),
    };
  } catch (error) {
    storage.close();
    throw error;
  }
}
