import { noise } from "@chainsafe/libp2p-noise";
import { generateKeyPair } from "@libp2p/crypto/keys";
import type { Identify } from "@libp2p/identify";
import { identify } from "@libp2p/identify";
import type { Libp2p, PrivateKey } from "@libp2p/interface";
import type { KadDHT } from "@libp2p/kad-dht";
import { kadDHT, passthroughMapper } from "@libp2p/kad-dht";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import type { Ping } from "@libp2p/ping";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { expect } from "chai";
import { createLibp2p } from "libp2p";
import type { Aor } from "../../dht-schema/aor.ts";
import { parseAor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { bindingSelector, bindingValidator } from "../../dht-schema/kad-record.ts";
import { KAD_PROTOCOL } from "../../dht-schema/link-frames.ts";
import { recordKey } from "../../dht-schema/record-key.ts";
import { openServerBinding, signServerBinding } from "../../dht-schema/server-binding.ts";
import { meshCounter } from "../../node/mesh/counters.ts";
import { eventually } from "../helpers/eventually.ts";
import type { TestServer } from "../helpers/meshes.ts";
import { TestDomain } from "../helpers/meshes.ts";
import { addressOf } from "../helpers/outsider.ts";

type Observer = Libp2p<{ identify: Identify; ping: Ping; dht: KadDHT }>;

const ALICE = parseAor("sip:alice@example.com");
const EPOCH_3: Epoch = { version: 1, counter: 3, member: 2 };
const EPOCH_5: Epoch = { version: 1, counter: 5, member: 1 };

/** What a directory would know: owner and epoch of each user. */
class FakeDirectory {
  readonly signed = new Map<Aor, Uint8Array>();
  readonly epochs = new Map<Aor, Epoch>();

  signedBinding(aor: Aor): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.signed.get(aor));
  }

  newestEpoch(aor: Aor): Epoch | undefined {
    return this.epochs.get(aor);
  }
}

describe("bindings read with plain kad-dht", function () {
  this.timeout(60_000);
  let domain: TestDomain;
  let observer: Observer;
  let directories: FakeDirectory[];
  beforeEach(async () => {
    const key = await generateKeyPair("Ed25519");
    domain = await TestDomain.of(3, { observers: [peerIdFromPrivateKey(key).toString()] });
    directories = domain.servers.map(({ mesh }) => {
      const directory = new FakeDirectory();
      mesh.serveBindings(directory);
      return directory;
    });
    observer = await createObserver(key, domain);
    for (const { mesh } of domain.servers) await observer.dial(addressOf(mesh));
    await eventually(() => routingTableSize(observer) === 3, "three servers in the observer's routing table");
  });
  afterEach(async () => {
    await observer.stop();
    await domain.stop();
  });

  const bind = (owner: TestServer, epoch: Epoch): Promise<Uint8Array> =>
    signServerBinding({ aor: ALICE, epoch, owner: owner.mesh.self, signedAtMs: 0 }, owner.mesh.privateKey);

  async function lookUp(): Promise<{ owner: string; epoch: Epoch } | undefined> {
    let found: Uint8Array | undefined;
    for await (const event of observer.services.dht.get(recordKey(ALICE), { signal: AbortSignal.timeout(20_000) })) {
      if (event.name === "VALUE") found = event.value;
    }
    if (found === undefined) return undefined;
    const { owner, epoch } = await openServerBinding(found);
    return { owner, epoch };
  }

  it("are found while a server holds one, and not before or after", async () => {
    expect(await lookUp()).equals(undefined);
    for (const directory of directories) directory.signed.set(ALICE, await bind(domain.server(1), EPOCH_3));
    expect(await lookUp()).deep.equals({ owner: domain.server(1).mesh.self, epoch: EPOCH_3 });
    for (const directory of directories) directory.signed.delete(ALICE);
    expect(await lookUp()).equals(undefined);
  });

  it("are the newest when servers differ, and nobody is corrected by the reader", async () => {
    directories[0]?.signed.set(ALICE, await bind(domain.server(1), EPOCH_3));
    directories[1]?.signed.set(ALICE, await bind(domain.server(0), EPOCH_5));
    expect(await lookUp()).deep.equals({ owner: domain.server(0).mesh.self, epoch: EPOCH_5 });
    expect(domain.server(0).counters.get(meshCounter.kadPutsIgnored)).equals(1);
    directories[1]?.signed.clear();
    expect(await lookUp()).deep.equals({ owner: domain.server(1).mesh.self, epoch: EPOCH_3 });
  });

  it("cannot be put back by a stale record, nor by a record that nothing contradicts", async () => {
    const stale = await bind(domain.server(1), EPOCH_3);
    for (const directory of directories) directory.epochs.set(ALICE, EPOCH_5);
    await put(stale);
    expect(await lookUpOnServers()).deep.equals([]);
    const current = await bind(domain.server(0), EPOCH_5);
    for (const directory of directories) directory.signed.set(ALICE, current);
    await put(stale);
    expect(await lookUpOnServers()).deep.equals([EPOCH_5, EPOCH_5, EPOCH_5]);
  });

  it("are not believed when an outsider signed them", async () => {
    const outsider = await generateKeyPair("Ed25519");
    const owner = peerIdFromPrivateKey(outsider).toString();
    const forged = await signServerBinding({ aor: ALICE, epoch: EPOCH_5, owner, signedAtMs: 0 }, outsider);
    directories[0]?.signed.set(ALICE, forged);
    directories[1]?.signed.set(ALICE, await bind(domain.server(1), EPOCH_3));
    expect(await lookUp()).deep.equals({ owner: domain.server(1).mesh.self, epoch: EPOCH_3 });
  });

  async function put(value: Uint8Array): Promise<void> {
    for await (const _event of observer.services.dht.put(recordKey(ALICE), value, {
      signal: AbortSignal.timeout(20_000),
    })) {
      // What the servers answer is theirs to say; what they then serve is what counts.
    }
  }

  /** Epochs that the servers themselves answer with: an observer's `put` also keeps a copy of its own. */
  async function lookUpOnServers(): Promise<Epoch[]> {
    const epochs: Epoch[] = [];
    for await (const event of observer.services.dht.get(recordKey(ALICE), { signal: AbortSignal.timeout(20_000) })) {
      if (event.name !== "PEER_RESPONSE" || event.record === undefined || event.messageName !== "GET_VALUE") continue;
      epochs.push((await openServerBinding(event.record.value)).epoch);
    }
    return epochs;
  }
});

function createObserver(privateKey: PrivateKey, domain: TestDomain): Promise<Observer> {
  const isServer = (id: string): boolean => domain.servers.some(({ mesh }) => mesh.self === id);
  return createLibp2p<{ identify: Identify; ping: Ping; dht: KadDHT }>({
    privateKey,
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: (components) => identify()(components) as Identify,
      ping: ping(),
      dht: kadDHT({
        protocol: KAD_PROTOCOL,
        clientMode: true,
        peerInfoMapper: passthroughMapper,
        validators: { aorta: bindingValidator({ isServer, newestEpoch: () => undefined }) },
        selectors: { aorta: bindingSelector },
      }),
    },
  });
}

function routingTableSize(observer: Observer): number {
  return (observer.services.dht as KadDHT & { readonly routingTable: { readonly size: number } }).routingTable.size;
}
