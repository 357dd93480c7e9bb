import type { Aor } from "../../dht-schema/aor.ts";
import { assert, ConfigurationError } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";
import type { Database, Row } from "./database.ts";
import type {
  ContactStore,
  ExpiryStore,
  Invite,
  InviteStore,
  Settings,
  ShedStore,
  StoredContact,
  User,
  UserStore,
} from "./ports.ts";

/** Settings in the database: each write is on disk when it returns. */
export function createSettings(database: Database): Settings {
  const get = database.prepare("SELECT value FROM setting WHERE name = ?");
  const set = database.prepare("INSERT INTO setting VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value");
  const remove = database.prepare("DELETE FROM setting WHERE name = ?");
  return {
    get: (name) => get.get(name)?.["value"] as Uint8Array | undefined,
    set(name, value) {
      assert(value.length <= limits.storage.settingBytes, `setting ${name} is too large to keep`);
      database.durably(() => set.run(name, value));
    },
    delete: (name) => void database.durably(() => remove.run(name)),
  };
}

/** Users in the database: each write is on disk when it returns. */
export function createUserStore(database: Database): UserStore {
  const find = database.prepare("SELECT * FROM user WHERE username = ? AND realm = ?");
  const has = database.prepare("SELECT 1 FROM user WHERE aor = ?");
  const put = database.prepare(
    `INSERT INTO user VALUES (?, ?, ?, ?, ?) ON CONFLICT (aor) DO UPDATE SET
       username = excluded.username, realm = excluded.realm, ha1_md5 = excluded.ha1_md5, ha1_sha256 = excluded.ha1_sha256`,
  );
  const remove = database.prepare("DELETE FROM user WHERE aor = ?");
  const list = database.prepare("SELECT * FROM user ORDER BY aor");
  const putOne = ({ aor, username, realm, ha1Md5, ha1Sha256 }: User): void => {
    const holder = find.get(username, realm);
    if (holder !== undefined && holder["aor"] !== aor) {
      const message = `${username} is the user name of ${String(holder["aor"])} already`;
      throw new ConfigurationError("USERNAME_TAKEN", message);
    }
    put.run(aor, username, realm, ha1Md5, ha1Sha256);
  };
  return {
    find(username, realm) {
      const row = find.get(username, realm);
      return row && userOf(row);
    },
    has: (aor) => has.get(aor) !== undefined,
    put: (user) => database.durably(() => putOne(user)),
    putAll: (users) => database.durably(() => users.forEach(putOne)),
    remove: (aor) => database.durably(() => remove.run(aor)) > 0,
    list: () => list.all().map(userOf),
  };
}

function userOf(row: Row): User {
  return {
    aor: row["aor"] as Aor,
    username: row["username"] as string,
    realm: row["realm"] as string,
    ha1Md5: row["ha1_md5"] as string,
    ha1Sha256: row["ha1_sha256"] as string,
  };
}

/**
 * Contacts in the database. A write is safe from a crash of the process at the end of the turn, from a power cut some moments
 * later: waiting for the disk at every REGISTER would stop the whole node each time, and clients register again.
 */
export function createContactStore(database: Database): ContactStore {
  const put = database.prepare(
    `INSERT INTO contact VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (aor, uri, twin) DO UPDATE SET
       flow = excluded.flow, call_id = excluded.call_id, cseq = excluded.cseq, expires_at_ms = excluded.expires_at_ms,
       q = excluded.q, user_agent = excluded.user_agent, instance = excluded.instance, epoch = excluded.epoch`,
  );
  const remove = database.prepare("DELETE FROM contact WHERE aor = ? AND uri = ? AND twin = ?");
  const removeAll = database.prepare("DELETE FROM contact WHERE aor = ?");
  const list = database.prepare("SELECT * FROM contact ORDER BY aor, uri, twin");
  return {
    put: ({ aor, uri, twin = "", flow, callId, cseq, expiresAtMs, q, userAgent, instance, epoch }) =>
      void put.run(aor, uri, twin, flow, callId, cseq, expiresAtMs, q, userAgent, instance, epoch),
    remove: (aor, uri, twin = "") => void remove.run(aor, uri, twin),
    removeAll: (aor) => void removeAll.run(aor),
    *list() {
      for (const row of list.each()) yield contactOf(row);
    },
  };
}

function contactOf(row: Row): StoredContact {
  return {
    aor: row["aor"] as Aor,
    uri: row["uri"] as string,
    flow: row["flow"] as string,
    callId: row["call_id"] as string,
    cseq: row["cseq"] as number,
    expiresAtMs: row["expires_at_ms"] as number,
    q: row["q"] as number,
    userAgent: row["user_agent"] as string,
    instance: row["instance"] as string,
    epoch: row["epoch"] as string,
    ...(row["twin"] === "" ? {} : { twin: row["twin"] as string }),
  };
}

/** Shed registrations in the database, as durable as the contacts they were. */
export function createShedStore(database: Database): ShedStore {
  const put = database.prepare(
    "INSERT INTO shed_registration VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET expires_at_ms = excluded.expires_at_ms",
  );
  const remove = database.prepare("DELETE FROM shed_registration WHERE aor = ? AND call_id = ?");
  const expire = database.prepare("DELETE FROM shed_registration WHERE expires_at_ms <= ?");
  const list = database.prepare("SELECT * FROM shed_registration ORDER BY expires_at_ms, aor, call_id");
  return {
    put: ({ aor, callId, expiresAtMs }) => void put.run(aor, callId, expiresAtMs),
    remove: (aor, callId) => void remove.run(aor, callId),
    expire: (wallMs) => void expire.run(wallMs),
    list: () =>
      list.all().map((row) => ({
        aor: row["aor"] as Aor,
        callId: row["call_id"] as string,
        expiresAtMs: row["expires_at_ms"] as number,
      })),
  };
}

/** What counts by the monotonic clock while the node runs, whatever run it is of. */
const REFRESHED = ["contact", "shed_registration", "publication", "subscription"] as const;

/** The ends of what is in the database. */
export function createExpiryStore(database: Database): ExpiryStore {
  const last = database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'held_message'");
  const moves = REFRESHED.map((table) => database.prepare(`UPDATE ${table} SET expires_at_ms = expires_at_ms + ?`));
  const moveHeld = database.prepare("UPDATE held_message SET expires_at_ms = expires_at_ms + ? WHERE id > ?");
  return {
    lastHeldId: () => (last.get()?.["seq"] as number | undefined) ?? 0,
    move: (byMs, behindHeldId) =>
      database.durably(() => {
        for (const move of moves) move.run(byMs);
        moveHeld.run(byMs, behindHeldId);
      }),
  };
}

/** Invites in the database: each write is on disk when it returns, so that one taken stays taken. */
export function createInviteStore(database: Database): InviteStore {
  const add = database.prepare("INSERT INTO invite VALUES (?, ?, ?)");
  const take = database.prepare("DELETE FROM invite WHERE secret_hash = ? RETURNING *");
  const list = database.prepare("SELECT * FROM invite ORDER BY expires_at_ms, secret_hash");
  return {
    add: (invite) =>
      void database.durably(() => add.run(invite.secretHash, invite.expiresAtMs, invite.steward ? 1 : 0)),
    take(secretHash) {
      const [row] = database.durably(() => take.all(secretHash));
      return row && inviteOf(row);
    },
    list: () => list.all().map(inviteOf),
  };
}

function inviteOf(row: Row): Invite {
  return {
    secretHash: row["secret_hash"] as string,
    expiresAtMs: row["expires_at_ms"] as number,
    steward: row["steward"] === 1,
  };
}
