import { SchemaError } from "./schema-error.ts";

/**
 * The wire encoding, as combinators. A value is described once and the description both writes and reads it:
 *
 * - `uint`: LEB128, 1–8 bytes, 0 … 2^53−1, shortest form only
 * - `bytes(max)`, `text(max)`: length as `uint`, then the octets; text is UTF-8
 * - `list(of, max)`: count as `uint`, then the items
 * - `optional(of)`: one octet 0 or 1, then the value
 * - `struct({…})`: the fields in the order of the description
 *
 * Every length has a bound that is checked before anything is allocated. There is one encoding of each value, so
 * signatures can be made over it.
 */
export interface Codec<T> {
  /** What SPEC.md calls it. */
  readonly notation: string;
  /** Of what it is a list, or that may be absent. */
  readonly of?: Codec<unknown>;
  write(writer: Writer, value: T): void;
  /** @throws {SchemaError} `BAD_FRAME` */
  read(reader: Reader): T;
}

export type Infer<C> = C extends Codec<infer T> ? T : never;

const encoder = new TextEncoder();
// A byte order mark is text like any other: dropping it would give a text two encodings.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A growing buffer. */
export class Writer {
  #bytes = new Uint8Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  #room(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  octet(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  uint(value: number): void {
    this.#room(8);
    const bytes = this.#bytes;
    while (value >= 0x80) {
      bytes[this.#length++] = (value % 0x80) | 0x80;
      value = Math.floor(value / 0x80);
    }
    bytes[this.#length++] = value;
  }

  raw(value: Uint8Array): void {
    this.#room(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  /** @throws {RangeError} when it takes more than `max` octets, or is not well-formed */
  text(value: string, max: number): void {
    const length = value.length;
    if (length > max) throw new RangeError(`text longer than ${max} octets`);
    // Addresses are nearly always ASCII: write those in place, without an intermediate array.
    this.#room(length + 8);
    const start = this.#length;
    this.uint(length);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) {
        this.#length = start;
        const encoded = encoder.encode(value);
        if (encoded.length > max) throw new RangeError(`text longer than ${max} octets`);
        if (!value.isWellFormed()) throw new RangeError("text holds half a character");
        this.uint(encoded.length);
        this.raw(encoded);
        return;
      }
      bytes[at++] = code;
    }
    this.#length = at;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

/** Reads from a byte array, never past its end. */
export class Reader {
  readonly #bytes: Uint8Array;
  /** The same octets. */
  readonly #buffer: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  octet(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw new SchemaError("BAD_FRAME", "truncated");
    this.#at++;
    return value;
  }

  uint(): number {
    let value = this.octet();
    if (value < 0x80) return value;
    value &= 0x7f;
    let scale = 0x80;
    for (let i = 1; i < 8; i++) {
      const octet = this.octet();
      value += (octet & 0x7f) * scale;
      if (octet < 0x80) {
        if (octet === 0) throw new SchemaError("BAD_FRAME", "integer not in its shortest form");
        if (value > Number.MAX_SAFE_INTEGER) throw new SchemaError("BAD_FRAME", "integer above 2^53−1");
        return value;
      }
      scale *= 0x80;
    }
    throw new SchemaError("BAD_FRAME", "integer longer than 8 octets");
  }

  raw(length: number): Uint8Array {
    if (length > this.remaining) throw new SchemaError("BAD_FRAME", "truncated");
    return this.#bytes.subarray(this.#at, (this.#at += length));
  }

  text(length: number): string {
    const start = this.#at;
    const octets = this.raw(length);
    for (let i = 0; i < length; i++) if ((octets[i] as number) >= 0x80) return decodeUtf8(octets);
    // One flat string: addresses are keys of maps, and one put together by pieces would be flattened there.
    return this.#buffer.toString("latin1", start, this.#at);
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new SchemaError("BAD_FRAME", "text is not UTF-8", { cause });
  }
}

/** An integer, 0 … `max` (2^53−1 by default). */
export function uint(max = Number.MAX_SAFE_INTEGER): Codec<number> {
  return {
    notation: max === Number.MAX_SAFE_INTEGER ? "uint" : `uint≤${max}`,
    write(writer, value) {
      if (!Number.isInteger(value) || value < 0 || value > max) throw new RangeError(`${value} is not in 0…${max}`);
      writer.uint(value);
    },
    read(reader) {
      const value = reader.uint();
      if (value > max) throw new SchemaError("BAD_FRAME", `integer above ${max}`);
      return value;
    },
  };
}

/** One octet, 0 or 1. */
export const flag: Codec<boolean> = {
  notation: "flag",
  write: (writer, value) => writer.octet(value ? 1 : 0),
  read(reader) {
    const octet = reader.octet();
    if (octet > 1) throw new SchemaError("BAD_FRAME", "flag is neither 0 nor 1");
    return octet === 1;
  },
};

/** UTF-8 text of at most `max` octets. */
export function text(max: number): Codec<string> {
  return {
    notation: `text≤${max}`,
    write: (writer, value) => writer.text(value, max),
    read(reader) {
      const length = reader.uint();
      if (length > max) throw new SchemaError("BAD_FRAME", `text longer than ${max} octets`);
      return reader.text(length);
    },
  };
}

/** At most `max` octets. What is read is a view on the frame. */
export function bytes(max: number): Codec<Uint8Array> {
  return {
    notation: `bytes≤${max}`,
    write(writer, value) {
      if (value.length > max) throw new RangeError(`more than ${max} octets`);
      writer.uint(value.length);
      writer.raw(value);
    },
    read(reader) {
      const length = reader.uint();
      if (length > max) throw new SchemaError("BAD_FRAME", `more than ${max} octets`);
      return reader.raw(length);
    },
  };
}

/** At most `max` items. */
export function list<T>(of: Codec<T>, max: number): Codec<readonly T[]> {
  return {
    notation: `list≤${max} ${of.notation}`,
    of: of as Codec<unknown>,
    write(writer, value) {
      if (value.length > max) throw new RangeError(`more than ${max} items`);
      writer.uint(value.length);
      for (const item of value) of.write(writer, item);
    },
    read(reader) {
      const count = reader.uint();
      // Every item takes at least an octet: a count that the rest cannot hold is refused before allocating.
      if (count > max || count > reader.remaining) throw new SchemaError("BAD_FRAME", `more than ${max} items`);
      const items: T[] = [];
      for (let i = 0; i < count; i++) items.push(of.read(reader));
      return items;
    },
  };
}

/** A value or `undefined`. */
export function optional<T>(of: Codec<T>): Codec<T | undefined> {
  return {
    notation: `optional ${of.notation}`,
    of: of as Codec<unknown>,
    write(writer, value) {
      flag.write(writer, value !== undefined);
      if (value !== undefined) of.write(writer, value);
    },
    read: (reader) => (flag.read(reader) ? of.read(reader) : undefined),
  };
}

/** Description of a {@link struct}: the codec of each field. */
// oxlint-disable-next-line typescript/no-explicit-any -- a codec is invariant; only `any` admits every field type
export type Fields = Record<string, Codec<any>>;
export type Values<F extends Fields> = { readonly [K in keyof F]: Infer<F[K]> };

/** A structure and its fields. */
export interface StructCodec<T> extends Codec<T> {
  readonly fields: Fields;
}

/** Fields one after the other, in the order of the description. @param notation what SPEC.md calls the structure */
export function struct<F extends Fields>(notation: string, fields: F): StructCodec<Values<F>> {
  const entries = Object.entries(fields);
  return {
    notation,
    fields,
    write(writer, value) {
      for (const [name, codec] of entries) codec.write(writer, value[name]);
    },
    read(reader) {
      const value: Record<string, unknown> = {};
      for (const [name, codec] of entries) value[name] = codec.read(reader);
      return value as Values<F>;
    },
  };
}

/** The bytes of a value. */
export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const writer = new Writer();
  codec.write(writer, value);
  return writer.finish();
}

/**
 * The value of bytes, which must hold it exactly.
 * @throws {SchemaError} `BAD_FRAME`
 */
export function decode<T>(codec: Codec<T>, source: Uint8Array): T {
  const reader = new Reader(source);
  const value = codec.read(reader);
  if (reader.remaining > 0) throw new SchemaError("BAD_FRAME", `${reader.remaining} octets left over`);
  return value;
}
