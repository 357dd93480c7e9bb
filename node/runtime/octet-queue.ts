import { randomInt } from "node:crypto";

const SLOTS = 256;
const CHUNK_OCTETS = 256 * 1024;
/** Of FNV-1a, of 32 bits. */
const FNV_PRIME = 0x01000193;

/**
 * Octets by key, each until a time, of which the first to come is the first to go. All of it is outside of the heap: of hundreds of thousands of small objects that live for
 * half a minute the garbage collector copies each twice and then looks at them again and again, which took as long as a fifth of what a server did.
 *
 * Entries are numbered. The number says which slot of the tables is an entry's, and that one of the same bucket is no longer there: so nothing is ever taken out of
 * a bucket. Key and octets stand one after the other in chunks, and a chunk goes with the last entry in it.
 */
export class OctetQueue {
  readonly #seed = randomInt(2 ** 32);
  #tables = new Tables(SLOTS);
  #first = 1;
  #next = 1;
  #chunks: Buffer[] = [];
  /** Number of the first of them. */
  #firstChunk = 0;
  /** Octets used of the last of them. */
  #used = 0;
  #octets = 0;

  get size(): number {
    return this.#next - this.#first;
  }

  /** Of all entries, keys included. */
  get octets(): number {
    return this.#octets;
  }

  /** When the oldest entry is to go; infinite when there is none. */
  get oldestUntilMs(): number {
    return this.size === 0
      ? Number.POSITIVE_INFINITY
      : (this.#tables.untilMs[this.#tables.slot(this.#first)] as number);
  }

  /** @param key not one that is there */
  push(key: string, untilMs: number, octets: Uint8Array): void {
    if (this.size === this.#tables.size) this.#tables = this.#tables.doubled(this.#first, this.#next);
    const keyOctets = Buffer.byteLength(key);
    const chunk = this.#chunkFor(keyOctets + octets.length);
    const offset = this.#used;
    chunk.write(key, offset);
    chunk.set(octets, offset + keyOctets);
    this.#used += keyOctets + octets.length;
    this.#octets += keyOctets + octets.length;
    const tables = this.#tables;
    const slot = tables.slot(this.#next);
    tables.untilMs[slot] = untilMs;
    tables.chunk[slot] = this.#firstChunk + this.#chunks.length - 1;
    tables.offset[slot] = offset;
    tables.keyOctets[slot] = keyOctets;
    tables.octets[slot] = octets.length;
    tables.enter(this.#next++, this.#hash(key));
  }

  /** A copy of the octets. */
  get(key: string): Uint8Array | undefined {
    const hash = this.#hash(key);
    const tables = this.#tables;
    for (let entry = tables.newest(hash); entry >= this.#first; entry = tables.before(entry)) {
      const slot = tables.slot(entry);
      if (tables.hash[slot] !== hash) continue;
      const chunk = this.#chunks[(tables.chunk[slot] as number) - this.#firstChunk] as Buffer;
      const begin = tables.offset[slot] as number;
      const end = begin + (tables.keyOctets[slot] as number);
      if (chunk.toString("utf8", begin, end) !== key) continue;
      return Uint8Array.prototype.slice.call(chunk, end, end + (tables.octets[slot] as number));
    }
    return undefined;
  }

  /** Takes the oldest entry out, if there is one. */
  shift(): void {
    if (this.size === 0) return;
    const slot = this.#tables.slot(this.#first);
    this.#octets -= (this.#tables.keyOctets[slot] as number) + (this.#tables.octets[slot] as number);
    this.#first++;
    // The last chunk stays, to be filled on.
    const needed =
      this.size === 0 ? this.#firstChunk + this.#chunks.length - 1 : this.#tables.chunk[this.#tables.slot(this.#first)];
    for (; this.#firstChunk < (needed as number); this.#firstChunk++) this.#chunks.shift();
    if (this.size === 0) this.#used = 0;
  }

  clear(): void {
    this.#tables = new Tables(SLOTS);
    this.#first = this.#next;
    this.#octets = 0;
    this.#firstChunk += this.#chunks.length;
    this.#chunks = [];
  }

  #chunkFor(octets: number): Buffer {
    const last = this.#chunks.at(-1);
    if (last !== undefined && this.#used + octets <= last.length) return last;
    const chunk = Buffer.allocUnsafeSlow(Math.max(CHUNK_OCTETS, octets));
    this.#chunks.push(chunk);
    this.#used = 0;
    return chunk;
  }

  /** Nobody outside can tell which keys share a bucket. */
  #hash(key: string): number {
    let hash = this.#seed;
    for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), FNV_PRIME);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    return hash ^ (hash >>> 13);
  }
}

/** A row for each entry, and for each bucket the number of its newest entry. */
class Tables {
  readonly size: number;
  readonly untilMs: Float64Array;
  readonly hash: Int32Array;
  readonly chunk: Float64Array;
  readonly offset: Uint32Array;
  readonly keyOctets: Uint32Array;
  readonly octets: Uint32Array;
  readonly #newest: Float64Array;
  /** The entry of the same bucket that came before. */
  readonly #before: Float64Array;

  /** @param size a power of 2 */
  constructor(size: number) {
    this.size = size;
    this.untilMs = new Float64Array(size);
    this.hash = new Int32Array(size);
    this.chunk = new Float64Array(size);
    this.offset = new Uint32Array(size);
    this.keyOctets = new Uint32Array(size);
    this.octets = new Uint32Array(size);
    this.#newest = new Float64Array(size);
    this.#before = new Float64Array(size);
  }

  slot(entry: number): number {
    return entry % this.size;
  }

  /** The newest entry of a bucket, or a number below all that are there. */
  newest(hash: number): number {
    return this.#newest[hash & (this.size - 1)] as number;
  }

  before(entry: number): number {
    return this.#before[this.slot(entry)] as number;
  }

  enter(entry: number, hash: number): void {
    const slot = this.slot(entry);
    const bucket = hash & (this.size - 1);
    this.hash[slot] = hash;
    this.#before[slot] = this.#newest[bucket] as number;
    this.#newest[bucket] = entry;
  }

  /** Tables of twice the size, with the entries from `first` to before `next`. */
  doubled(first: number, next: number): Tables {
    const tables = new Tables(2 * this.size);
    for (let entry = first; entry < next; entry++) {
      const [from, to] = [this.slot(entry), tables.slot(entry)];
      tables.untilMs[to] = this.untilMs[from] as number;
      tables.chunk[to] = this.chunk[from] as number;
      tables.offset[to] = this.offset[from] as number;
      tables.keyOctets[to] = this.keyOctets[from] as number;
      tables.octets[to] = this.octets[from] as number;
      tables.enter(entry, this.hash[from] as number);
    }
    return tables;
  }
}
