import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noise } from "@chainsafe/libp2p-noise";
import { generateKeyPair } from "@libp2p/crypto/keys";
import type { Libp2p, PrivateKey } from "@libp2p/interface";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { expect } from "chai";
import { createLibp2p } from "libp2p";
import { LINK_PROTOCOL } from "../../dht-schema/link-frames.ts";
import type { AortaDirectory, AortaDirectoryInit, OwnerChange, OwnershipLost } from "../../node/index.ts";
import { aortaDirectory, directoryKey, parseAor } from "../../node/index.ts";
import { codeOf } from "../helpers/codes.ts";
import { eventually } from "../helpers/eventually.ts";
import { Inbox } from "../helpers/next.ts";

type Node = Libp2p<{ directory: AortaDirectory }>;

const alice = parseAor("sip:alice@example.com");
const plain = {
  addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
};
const founding = { kind: "found", domain: "example.com", leaseMs: 2_000 } as const;

describe("the directory as a service of a libp2p node", function () {
  this.timeout(30_000);
  const nodes: { stop(): void | Promise<void> }[] = [];
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "aorta-directory-"));
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map(async (node) => node.stop()));
    rmSync(folder, { recursive: true, force: true });
  });

  const create = async (init: AortaDirectoryInit, privateKey?: PrivateKey): Promise<Node> => {
    const services = { directory: aortaDirectory(init) };
    const node = await createLibp2p({ ...plain, services, ...(privateKey && { privateKey }) });
    nodes.push(node);
    return node;
  };
  const pair = async (): Promise<[Node, Node]> => {
    const one = await create({ name: "one", membership: founding });
    const token = one.services.directory.createInvite();
    const two = await create({ name: "two", membership: { kind: "join", token } });
    const areUp = () =>
      [one, two].every(({ services }) => services.directory.peers().every(({ state }) => state === "up"));
    await eventually(areUp, "links between the two");
    return [one, two];
  };

  it("claims, finds, watches and moves a name among nodes that do other things too", async () => {
    const [one, two] = (await pair()).map(({ services }) => services.directory) as [AortaDirectory, AortaDirectory];
    const lost = new Inbox<OwnershipLost>();
    one.onLost(lost.push);
    expect((await one.claim(alice, { mode: "if-free" })).kind).to.equal("owned");
    expect(await two.claim(alice, { mode: "if-free" })).to.include({ kind: "owned-elsewhere", owner: one.self });
    expect(await two.locate(alice)).to.include({ kind: "server", server: one.self });

    const seen: OwnerChange[] = [];
    const enough = new AbortController();
    for await (const change of two.changes(alice, { signal: enough.signal })) {
      seen.push(change);
      if (change.kind === "owner" && change.server === one.self) await two.claim(alice, { mode: "take-over" });
      else if (change.kind === "owner") enough.abort();
    }
    expect(seen.map((change) => change.kind === "owner" && change.server)).to.deep.equal([one.self, two.self]);
    expect(lost.all).to.have.length(1);
    expect(lost.all[0]).to.include({ reason: "handed-over", to: two.self });
    expect(one.owned(alice)).to.equal(undefined);
    expect([...two.bindings()].map(({ aor }) => aor)).to.deep.equal([alice]);
  });

  it("leaves the node's other peers and protocols alone, and answers only to servers of the domain", async () => {
    const [one] = await pair();
    await one.handle("/echo/1", (stream) => {
      stream.addEventListener("message", ({ data }) => stream.send(data));
    });
    const stranger = await createLibp2p({ ...plain });
    nodes.push(stranger);
    const connection = await stranger.dial(one.getMultiaddrs());
    const link = await connection.newStream(LINK_PROTOCOL);
    await eventually(() => link.status === "reset" || link.status === "aborted", "end of the stranger's link");
    const echo = await connection.newStream("/echo/1");
    const answer = new Promise<string>((resolve) =>
      echo.addEventListener("message", ({ data }) => resolve(Buffer.from(data.subarray()).toString()), { once: true }),
    );
    echo.send(Buffer.from("still here"));
    expect(await answer).to.equal("still here");
    expect(one.services.directory.roster().servers).to.have.length(2);
  });

  it("says that it is not running before the node's start and after its stop, and ends what waits", async () => {
    const node = (await createLibp2p({
      ...plain,
      start: false,
      services: { directory: aortaDirectory({ name: "one", membership: founding }) },
    })) as Node;
    nodes.push(node);
    const { directory } = node.services;
    const ended = { kind: "unavailable", reason: "the directory is not running" };
    expect(await directory.claim(alice, { mode: "if-free" })).to.deep.equal(ended);
    expect(() => directory.roster()).to.throw("not running");
    await node.start();
    await directory.claim(alice, { mode: "if-free" });
    const changes = directory.changes(alice);
    expect((await changes.next()).value).to.include({ kind: "owner", server: directory.self });
    const next = changes.next();
    await node.stop();
    expect((await next).done).to.equal(true);
    expect(directory.owned(alice)).to.equal(undefined);
    expect(await directory.locate(alice)).to.deep.equal(ended);
  });

  it("goes on in its domain when the node is started again", async () => {
    const node = await create({ name: "one", membership: founding });
    const { directory } = node.services;
    const before = await directory.claim(alice, { mode: "if-free" });
    await node.stop();
    await node.start();
    const after = await directory.claim(alice, { mode: "if-free" });
    expect([before.kind, after.kind]).to.deep.equal(["owned", "owned"]);
    expect(directory.roster().domain).to.equal("example.com");
  });

  it("is the same server after a restart on its data, and only with the key that the data belongs to", async () => {
    const data = join(folder, "data");
    const first = await create({ name: "one", membership: founding, data }, await directoryKey(data));
    const { self } = first.services.directory;
    await first.stop();
    expect(await codeOf(create({ name: "one", data }))).to.equal("OTHER_KEY");
    const again = await create({ name: "one", data }, await directoryKey(data));
    expect(again.services.directory.self).to.equal(self);
    expect(again.services.directory.roster().servers.map(({ id }) => id)).to.deep.equal([self]);
  });

  it("does not let a server that lost its data back in under its old key", async () => {
    const founder = await create({ name: "one", membership: founding });
    const invite = () => ({ kind: "join", token: founder.services.directory.createInvite() }) as const;
    const privateKey = await generateKeyPair("Ed25519");
    const member = await create({ name: "two", membership: invite() }, privateKey);
    await member.stop();
    expect(await codeOf(create({ name: "two", membership: invite() }, privateKey))).to.equal("ALREADY_MEMBER");
    const fresh = await create({ name: "two-again", membership: invite() });
    expect(fresh.services.directory.roster().servers).to.have.length(3);
  });

  it("takes no part with a key whose data is lost, though the token it joined by lets it in again", async () => {
    const founder = await create({ name: "one", membership: founding });
    const membership = { kind: "join", token: founder.services.directory.createInvite() } as const;
    const privateKey = await generateKeyPair("Ed25519");
    const member = await create({ name: "two", membership }, privateKey);
    const isLinked = () => founder.services.directory.peers().some(({ state }) => state === "up");
    await eventually(isLinked, "link to the member");
    await member.stop();
    const { directory } = (await create({ name: "two", membership }, privateKey)).services;
    for await (const change of directory.changes(alice)) expect(change.kind).to.not.equal("owner");
    expect((await directory.claim(alice, { mode: "if-free" })).kind).to.equal("unavailable");
    expect(isLinked()).to.equal(false);
    expect((await founder.services.directory.claim(alice, { mode: "if-free" })).kind).to.equal("owned");
  });

  it("fails the start of the node where there is no domain to enter, and lets go of its data", async () => {
    const data = join(folder, "data");
    expect(await codeOf(create({ name: "one", data }, await directoryKey(data)))).to.equal("NO_DOMAIN");
    await create({ name: "one", data, membership: founding }, await directoryKey(data));
  });

  it("refuses a key that cannot sign, and a node that does not prove who its peers are", async () => {
    const rsa = await generateKeyPair("secp256k1");
    expect(await codeOf(create({ name: "one", membership: founding }, rsa))).to.equal("BAD_KEY");
    const services = { directory: aortaDirectory({ name: "one", membership: founding }) };
    const error = await createLibp2p({ ...plain, connectionEncrypters: [], services }).catch((reason: Error) => reason);
    expect((error as Error).name).to.equal("UnmetServiceDependenciesError");
  });
});
