import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import type { Storage, StoredContact, User } from "../../../node/storage/ports.ts";
import { openMemoryStorage, openStorage } from "../../../node/storage/storage.ts";
import { useFolders } from "./folders.ts";

const alice = parseAor("sip:alice@example.com");
const bob = parseAor("sip:bob@example.com");
const carol = parseAor("sip:carol@example.com");

const user = (over: Partial<User> = {}): User => ({
  aor: alice,
  username: "alice",
  realm: "example.com",
  ha1Md5: "a".repeat(32),
  ha1Sha256: "b".repeat(64),
  ...over,
});

const contact = (over: Partial<StoredContact> = {}): StoredContact => ({
  aor: alice,
  uri: "sip:alice@127.0.0.1:5070",
  flow: '{"transport":"UDP","address":"127.0.0.1","port":5070}',
  callId: "call-1",
  cseq: 1,
  expiresAtMs: 1_900_000_000_000,
  q: 1000,
  userAgent: "phone",
  epoch: "1.2.3",
  instance: "",
  ...over,
});

// The same promises hold on disk and in memory.
for (const kind of ["disk", "memory"] as const) {
  describe(`stores (${kind})`, () => {
    const newFolder = useFolders();
    let storage: Storage;
    beforeEach(() => {
      storage = kind === "memory" ? openMemoryStorage() : openStorage(newFolder(), { logger: silentLogger });
    });
    afterEach(() => storage.close());

    it("keep a setting as the bytes last written, until it is deleted", () => {
      expect(storage.settings.get("key")).to.equal(undefined);
      storage.settings.set("key", Uint8Array.of(1, 0, 255));
      storage.settings.set("key", Uint8Array.of(2, 0, 254));
      expect([...(storage.settings.get("key") as Uint8Array)]).to.deep.equal([2, 0, 254]);
      storage.settings.delete("key");
      expect(storage.settings.get("key")).to.equal(undefined);
    });

    it("refuse a setting larger than the limit", () => {
      expect(() => storage.settings.set("key", new Uint8Array(4 * 1024 * 1024 + 1))).to.throw("too large");
    });

    it("find a user by user name and realm, and list users by address", () => {
      storage.users.put(user({ aor: bob, username: "bob" }));
      storage.users.put(user());
      expect(storage.users.find("alice", "example.com")).to.deep.equal(user());
      expect(storage.users.find("alice", "example.org")).to.equal(undefined);
      expect(storage.users.list().map(({ aor }) => aor)).to.deep.equal([alice, bob]);
    });

    it("replace a user's secrets when the user is put again", () => {
      storage.users.put(user());
      storage.users.put(user({ ha1Md5: "c".repeat(32) }));
      expect(storage.users.list()).to.deep.equal([user({ ha1Md5: "c".repeat(32) })]);
    });

    it("refuse a user name that is another user's", () => {
      storage.users.put(user());
      expect(() => storage.users.putAll([user({ aor: carol, username: "carol" }), user({ aor: bob })]))
        .to.throw("alice is the user name of")
        .with.property("code", "USERNAME_TAKEN");
      expect(storage.users.has(carol), "all or none").to.equal(false);
      expect(() => storage.users.put(user({ aor: bob })))
        .to.throw("alice is the user name of sip:alice@example.com already")
        .with.property("code", "USERNAME_TAKEN");
    });

    it("tell whether there was a user to remove", () => {
      storage.users.put(user());
      expect(storage.users.remove(alice)).to.equal(true);
      expect(storage.users.remove(alice)).to.equal(false);
    });

    it("keep one contact for each address and URI, the last one put", () => {
      storage.contacts.put(contact());
      storage.contacts.put(contact({ cseq: 2, q: 500 }));
      storage.contacts.put(contact({ uri: "sip:alice@127.0.0.1:5071" }));
      expect([...storage.contacts.list()]).to.deep.equal([
        contact({ cseq: 2, q: 500 }),
        contact({ uri: "sip:alice@127.0.0.1:5071" }),
      ]);
    });

    it("keep contacts of one URI apart where they are of two devices", () => {
      const [one, other] = [contact(), contact({ twin: "other", callId: "call-2" })];
      for (const each of [one, other]) storage.contacts.put(each);
      expect([...storage.contacts.list()]).to.deep.equal([one, other]);
      storage.contacts.remove(alice, one.uri);
      expect([...storage.contacts.list()]).to.deep.equal([other]);
      storage.contacts.remove(alice, other.uri, "other");
      expect([...storage.contacts.list()]).to.deep.equal([]);
    });

    it("remove one contact, or all of a user's and nobody else's", () => {
      storage.contacts.put(contact());
      storage.contacts.put(contact({ uri: "sip:alice@127.0.0.1:5071" }));
      storage.contacts.put(contact({ aor: bob }));
      storage.contacts.remove(alice, contact().uri);
      expect([...storage.contacts.list()]).to.have.length(2);
      storage.contacts.removeAll(alice);
      expect([...storage.contacts.list()]).to.deep.equal([contact({ aor: bob })]);
    });

    it("keep one publication for each user and key, the last one put, and say who has any", () => {
      const publication = (over: object = {}) => ({
        ...{ aor: alice, key: "k1", entityTag: "t1", document: Uint8Array.of(1, 2, 3), path: "UDP 127.0.0.1 5070 " },
        ...{ expiresAtMs: 1_900_000_000_000, epoch: "1.2.3", ...over },
      });
      const changed = publication({ entityTag: "t2", document: Uint8Array.of(4) });
      storage.publications.put(publication());
      storage.publications.put(changed);
      storage.publications.put(publication({ key: "k2" }));
      storage.publications.put(publication({ aor: bob }));
      expect(storage.publications.of(alice)).to.deep.equal([changed, publication({ key: "k2" })]);
      expect([...storage.publications.aors()]).to.have.members([alice, bob]);
      storage.publications.remove(alice, "k2");
      expect(storage.publications.list()).to.deep.equal([changed, publication({ aor: bob })]);
      storage.publications.removeAll(alice);
      expect([...storage.publications.aors()]).to.deep.equal([bob]);
    });

    it("keep one subscription for each of our tags, the last one put", () => {
      const subscription = (over: object = {}) => ({
        ...{
          localTag: "a",
          event: "presence",
          aor: alice,
          subscriber: bob,
          dialog: "{}",
          remoteCseq: 1,
          localCseq: 100,
        },
        ...{ expiresAtMs: 1_900_000_000_000, active: false, ...over },
      });
      storage.subscriptions.put(subscription());
      storage.subscriptions.put(subscription({ localTag: "b" }));
      storage.subscriptions.put(subscription({ remoteCseq: 2, localCseq: 200, active: true, dialog: '{"x":1}' }));
      expect([...storage.subscriptions.list()]).to.deep.equal([
        subscription({ remoteCseq: 2, localCseq: 200, active: true, dialog: '{"x":1}' }),
        subscription({ localTag: "b" }),
      ]);
      storage.subscriptions.remove("a");
      expect([...storage.subscriptions.list()]).to.deep.equal([subscription({ localTag: "b" })]);
    });

    it("keep shed registrations until their time is over", () => {
      storage.shed.put({ aor: alice, callId: "a", expiresAtMs: 1000 });
      storage.shed.put({ aor: alice, callId: "b", expiresAtMs: 2000 });
      storage.shed.put({ aor: bob, callId: "c", expiresAtMs: 3000 });
      storage.shed.expire(1000);
      storage.shed.remove(bob, "c");
      expect(storage.shed.list()).to.deep.equal([{ aor: alice, callId: "b", expiresAtMs: 2000 }]);
    });

    it("keep lists whole, with their members in order", () => {
      const list = { uri: alice, owner: bob, members: [bob, alice] };
      storage.lists.put({ uri: alice, version: 1, list });
      storage.lists.learn([{ uri: alice, version: 2, list: { ...list, members: [alice] } }]);
      expect(storage.lists.get(alice)).to.deep.equal({ ...list, members: [alice] });
      expect(storage.lists.list()).to.have.length(1);
      expect([storage.lists.has(alice), storage.lists.has(bob)]).to.deep.equal([true, false]);
    });

    it("know a list that was removed, which is none", () => {
      const list = { uri: alice, owner: bob, members: [bob] };
      storage.lists.put({ uri: alice, version: 1, list });
      storage.lists.learn([
        { uri: alice, version: 2 },
        { uri: bob, version: 3 },
      ]);
      expect(storage.lists.versionOf(alice)).to.deep.equal({ uri: alice, version: 2 });
      expect(storage.lists.versions().map(({ uri }) => uri)).to.deep.equal([alice, bob]);
      expect([storage.lists.count(), storage.lists.list()]).to.deep.equal([2, []]);
      expect([storage.lists.get(alice), storage.lists.has(alice)]).to.deep.equal([undefined, false]);
    });

    it("give an invite away once", () => {
      const invite = { secretHash: "d".repeat(64), expiresAtMs: 5, steward: true };
      storage.invites.add(invite);
      expect(storage.invites.list()).to.deep.equal([invite]);
      expect(storage.invites.take(invite.secretHash)).to.deep.equal(invite);
      expect(storage.invites.take(invite.secretHash)).to.equal(undefined);
    });
  });
}
