import type { Aor } from "../../dht-schema/aor.ts";
import type { Database, Row } from "./database.ts";
import type {
  ListVersion,
  PublicationStore,
  ResourceListStore,
  Storage,
  StoredPublication,
  StoredSubscription,
  SubscriptionStore,
} from "./ports.ts";

/** What presence keeps. Subscriptions and publications are as durable as contacts: safe from a crash of the process at the end of the turn. */
export function createPresenceStores(database: Database): Pick<Storage, "publications" | "subscriptions" | "lists"> {
  return {
    publications: createPublicationStore(database),
    subscriptions: createSubscriptionStore(database),
    lists: createListStore(database),
  };
}

function createPublicationStore(database: Database): PublicationStore {
  const put = database.prepare(
    `INSERT INTO publication VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (aor, key) DO UPDATE SET
       entity_tag = excluded.entity_tag, document = excluded.document, path = excluded.path,
       expires_at_ms = excluded.expires_at_ms, epoch = excluded.epoch`,
  );
  const remove = database.prepare("DELETE FROM publication WHERE aor = ? AND key = ?");
  const removeAll = database.prepare("DELETE FROM publication WHERE aor = ?");
  const of = database.prepare("SELECT * FROM publication WHERE aor = ? ORDER BY key");
  const aors = database.prepare("SELECT DISTINCT aor FROM publication");
  const list = database.prepare("SELECT * FROM publication ORDER BY aor, key");
  return {
    put: (p) => void put.run(p.aor, p.key, p.entityTag, p.document, p.path, p.expiresAtMs, p.epoch),
    remove: (aor, key) => void remove.run(aor, key),
    removeAll: (aor) => void removeAll.run(aor),
    of: (aor) => of.all(aor).map(publicationOf),
    *aors() {
      for (const row of aors.each()) yield row["aor"] as Aor;
    },
    list: () => list.all().map(publicationOf),
  };
}

function publicationOf(row: Row): StoredPublication {
  return {
    aor: row["aor"] as Aor,
    key: row["key"] as string,
    entityTag: row["entity_tag"] as string,
    document: row["document"] as Uint8Array,
    path: row["path"] as string,
    expiresAtMs: row["expires_at_ms"] as number,
    epoch: row["epoch"] as string,
  };
}

function createSubscriptionStore(database: Database): SubscriptionStore {
  const put = database.prepare(
    `INSERT INTO subscription VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (local_tag) DO UPDATE SET
       dialog = excluded.dialog, remote_cseq = excluded.remote_cseq, local_cseq = excluded.local_cseq,
       expires_at_ms = excluded.expires_at_ms, active = excluded.active`,
  );
  const remove = database.prepare("DELETE FROM subscription WHERE local_tag = ?");
  const list = database.prepare("SELECT * FROM subscription ORDER BY local_tag");
  return {
    put: ({ localTag, event, aor, subscriber, dialog, remoteCseq, localCseq, expiresAtMs, active }) =>
      void put.run(localTag, event, aor, subscriber, dialog, remoteCseq, localCseq, expiresAtMs, active ? 1 : 0),
    remove: (localTag) => void remove.run(localTag),
    *list() {
      for (const row of list.each()) yield subscriptionOf(row);
    },
  };
}

function subscriptionOf(row: Row): StoredSubscription {
  return {
    localTag: row["local_tag"] as string,
    event: row["event"] as string,
    aor: row["aor"] as Aor,
    subscriber: row["subscriber"] as Aor,
    dialog: row["dialog"] as string,
    remoteCseq: row["remote_cseq"] as number,
    localCseq: row["local_cseq"] as number,
    expiresAtMs: row["expires_at_ms"] as number,
    active: row["active"] === 1,
  };
}

/** How many lists there are is asked often, and whether an address is one of each request for a user: both are known without the disk. */
function createListStore(database: Database): ResourceListStore {
  const get = database.prepare("SELECT * FROM resource_list WHERE uri = ?");
  const put = database.prepare(
    `INSERT INTO resource_list VALUES (?, ?, ?, ?, ?) ON CONFLICT (uri) DO UPDATE SET
       owner = excluded.owner, members = excluded.members, version = excluded.version, removed = excluded.removed`,
  );
  const all = database.prepare("SELECT * FROM resource_list ORDER BY uri");
  const after = database.prepare("SELECT * FROM resource_list WHERE uri > ? ORDER BY uri LIMIT ?");
  const versions = () => all.all().map(versionOf);
  const lists = () => versions().flatMap(({ list }) => list ?? []);
  const known = new Set(versions().map(({ uri }) => uri));
  const live = new Set(lists().map(({ uri }) => uri));
  const write = ({ uri, version, list }: ListVersion) =>
    put.run(uri, list?.owner ?? "", JSON.stringify(list?.members ?? []), version, list === undefined ? 1 : 0);
  const note = ({ uri, list }: ListVersion) => {
    known.add(uri);
    if (list === undefined) live.delete(uri);
    else live.add(uri);
  };
  const versionIn = (uri: Aor) => {
    const row = known.has(uri) ? get.get(uri) : undefined;
    return row && versionOf(row);
  };
  return {
    get: (uri) => (live.has(uri) ? versionIn(uri)?.list : undefined),
    has: (uri) => live.has(uri),
    list: lists,
    versionOf: versionIn,
    versions,
    versionsAfter: (uri, most) => after.all(uri, most).map(versionOf),
    count: () => known.size,
    put(version) {
      database.durably(() => write(version));
      // Not before: where the disk fails it is not so.
      note(version);
    },
    learn(several) {
      for (const version of several) {
        write(version);
        note(version);
      }
    },
  };
}

function versionOf(row: Row): ListVersion {
  const uri = row["uri"] as Aor;
  const version = row["version"] as number;
  if (row["removed"] === 1) return { uri, version };
  const members = JSON.parse(row["members"] as string) as Aor[];
  return { uri, version, list: { uri, owner: row["owner"] as Aor, members } };
}
