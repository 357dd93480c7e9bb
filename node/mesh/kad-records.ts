import { Record as KadRecord } from "@libp2p/kad-dht";
import { MemoryDatastore } from "datastore-core";
import type { Key } from "interface-datastore";
import { fromString } from "uint8arrays";
import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { aorOfRecordKey } from "../../dht-schema/record-key.ts";
import type { Counters } from "../runtime/metrics.ts";
import { meshCounter } from "./counters.ts";

/** What kad-dht serves: asked of the directory at the moment of each request. */
export interface BindingRecords {
  /** The signed binding, where the user is owned now and this server knows by whom; else `undefined`. */
  signedBinding(aor: Aor): Promise<Uint8Array | undefined>;
  /** Highest epoch known of the AoR. */
  newestEpoch(aor: Aor): Epoch | undefined;
}

/** Where kad-dht keeps records, and the providers of content, which a domain has none of. */
const RECORD_PREFIX = "/dht/record/";
const PROVIDER_PREFIX = "/dht/provider/";

/**
 * libp2p's datastore: peers are kept in memory; records are read from the directory and never stored, so that no PUT_VALUE can put a
 * stale one over a newer (js-libp2p #3377). A PUT is taken in silence: a reader that "corrects" a holder must see it succeed,
 * or its whole lookup fails.
 */
export class MeshDatastore extends MemoryDatastore {
  readonly #counters: Counters;
  #records: BindingRecords | undefined;

  constructor(counters: Counters) {
    super();
    this.#counters = counters;
  }

  /** From where to serve; before it is set, no record exists. */
  set records(records: BindingRecords) {
    this.#records = records;
  }

  /** Highest epoch that the directory knows of the AoR. */
  newestEpoch(aor: Aor): Epoch | undefined {
    return this.#records?.newestEpoch(aor);
  }

  override put(key: Key, value: Uint8Array): Key | Promise<Key> {
    const name = key.toString();
    if (!name.startsWith(RECORD_PREFIX) && !name.startsWith(PROVIDER_PREFIX)) return super.put(key, value);
    this.#counters.add(meshCounter.kadPutsIgnored);
    return key;
  }

  override get(key: Key): Uint8Array | Promise<Uint8Array> {
    return key.toString().startsWith(RECORD_PREFIX) ? this.#record(key) : super.get(key);
  }

  override async has(key: Key): Promise<boolean> {
    if (!key.toString().startsWith(RECORD_PREFIX)) return super.has(key);
    return (await this.#find(key)) !== undefined;
  }

  async #record(key: Key): Promise<Uint8Array> {
    // A key that no record has: the store's own way to say "not found".
    return (await this.#find(key)) ?? super.get(key);
  }

  async #find(key: Key): Promise<Uint8Array | undefined> {
    let recordKey: Uint8Array;
    let aor: Aor;
    try {
      recordKey = fromString(key.toString().slice(RECORD_PREFIX.length), "base32");
      aor = aorOfRecordKey(recordKey);
    } catch {
      return undefined;
    }
    const binding = await this.#records?.signedBinding(aor);
    return binding === undefined ? undefined : new KadRecord(recordKey, binding, new Date()).serialize();
  }
}
