import { assert } from "../../runtime/errors.ts";
import { headerKey, isListHeader } from "./header-names.ts";
import { nextComma, splitList } from "./lexical.ts";

/**
 * Header fields in the order of the message. Names are matched without regard to case and in compact form too
 * (`v` is `Via`); values are raw text, unfolded.
 * @see RFC 3261 §7.3
 */
export interface SipHeaders {
  /** Value of the first field of that name. */
  get(name: string): string | undefined;
  /** Every value of that name: fields that hold comma-separated lists are split. @see RFC 3261 §7.3.1 */
  all(name: string): string[];
  /**
   * What a parser reads in the first field of that name, by this copy of the fields or another one, once; not to be changed.
   * @throws whatever the parser throws
   */
  read<T>(name: string, parse: (value: string) => T): T | undefined;
  has(name: string): boolean;
  /** Replaces all fields of that name by one. */
  set(name: string, value: string): this;
  /** Adds a field after the others of that name. */
  append(name: string, value: string): this;
  /** Adds a field before the others of that name (Via, Route, Record-Route). */
  prepend(name: string, value: string): this;
  /** Removes the first value of that name, from a comma-joined field too; returns it. */
  shift(name: string): string | undefined;
  delete(name: string): this;
  /** Removes every field whose key is one of these: for what is taken out together. @see headerKey */
  deleteAll(keys: ReadonlySet<string>): this;
  clone(): SipHeaders;
  entries(): Iterable<readonly [name: string, value: string]>;
}

/** A field; what it says is never changed once made, so that clones share it. */
export interface HeaderField {
  readonly key: string;
  readonly name: string;
  readonly value: string;
  /** What it was last read as, and by what. */
  read: { readonly parse: (value: string) => unknown; readonly result: unknown } | undefined;
}

/**
 * Header fields from `[name, value]` pairs, in that order.
 * @throws {AortaError} `ASSERTION` when a name or value holds CR or LF: it would become another field on the wire
 */
export function createHeaders(entries: Iterable<readonly [name: string, value: string]> = []): SipHeaders {
  const fields: HeaderField[] = [];
  for (const [name, value] of entries) fields.push(field(name, value));
  return new HeaderList(fields);
}

/** Header fields of a message just parsed; takes the array over. */
export function headersOf(fields: HeaderField[]): SipHeaders {
  return new HeaderList(fields);
}

/** The fields themselves, for loops over all of them: not to be changed. */
export function fieldsOf(headers: SipHeaders): readonly HeaderField[] {
  return headers instanceof HeaderList
    ? headers.fields
    : Array.from(headers.entries(), ([name, value]) => field(name, value));
}

function field(name: string, value: string): HeaderField {
  assert(!/[\r\n]/.test(value) && !/[\r\n:]/.test(name), `header field ${name} would break the message`);
  return { key: headerKey(name), name, value, read: undefined };
}

class HeaderList implements SipHeaders {
  #fields: HeaderField[];

  constructor(fields: HeaderField[]) {
    this.#fields = fields;
  }

  get fields(): readonly HeaderField[] {
    return this.#fields;
  }

  get(name: string): string | undefined {
    const key = headerKey(name);
    for (const each of this.#fields) if (each.key === key) return each.value;
    return undefined;
  }

  all(name: string): string[] {
    const key = headerKey(name);
    const values: string[] = [];
    for (const { key: each, value } of this.#fields) {
      if (each !== key) continue;
      if (isListHeader(key)) values.push(...splitList(value));
      else values.push(value);
    }
    return values;
  }

  read<T>(name: string, parse: (value: string) => T): T | undefined {
    const at = this.#indexOf(headerKey(name));
    if (at < 0) return undefined;
    const found = this.#fields[at] as HeaderField;
    if (found.read?.parse !== parse) found.read = { parse, result: parse(found.value) };
    return found.read.result as T;
  }

  has(name: string): boolean {
    return this.#indexOf(headerKey(name)) >= 0;
  }

  set(name: string, value: string): this {
    const made = field(name, value);
    const at = this.#indexOf(made.key);
    if (at < 0) {
      this.#fields.push(made);
      return this;
    }
    this.#fields[at] = made;
    for (let i = this.#fields.length - 1; i > at; i--) {
      if (this.#fields[i]?.key === made.key) this.#fields.splice(i, 1);
    }
    return this;
  }

  append(name: string, value: string): this {
    const made = field(name, value);
    let at = this.#fields.length - 1;
    while (at >= 0 && this.#fields[at]?.key !== made.key) at--;
    this.#fields.splice(at < 0 ? this.#fields.length : at + 1, 0, made);
    return this;
  }

  prepend(name: string, value: string): this {
    const made = field(name, value);
    const at = this.#indexOf(made.key);
    // A first Via or Route goes to the top: those before it in no order that matters.
    this.#fields.splice(Math.max(at, 0), 0, made);
    return this;
  }

  shift(name: string): string | undefined {
    const key = headerKey(name);
    for (;;) {
      const at = this.#indexOf(key);
      if (at < 0) return undefined;
      const first = this.#fields[at] as HeaderField;
      const comma = isListHeader(key) ? nextComma(first.value, 0) : first.value.length;
      const value = first.value.slice(0, comma).trim();
      const rest = first.value.slice(comma + 1).trim();
      if (rest === "") this.#fields.splice(at, 1);
      else this.#fields[at] = { key, name: first.name, value: rest, read: undefined };
      if (value !== "" || !isListHeader(key)) return value;
    }
  }

  delete(name: string): this {
    const key = headerKey(name);
    if (this.#indexOf(key) >= 0) this.#fields = this.#fields.filter((each) => each.key !== key);
    return this;
  }

  deleteAll(keys: ReadonlySet<string>): this {
    if (this.#fields.some(({ key }) => keys.has(key))) this.#fields = this.#fields.filter(({ key }) => !keys.has(key));
    return this;
  }

  clone(): SipHeaders {
    return new HeaderList(this.#fields.slice());
  }

  *entries(): Iterable<readonly [name: string, value: string]> {
    for (const { name, value } of this.#fields) yield [name, value];
  }

  #indexOf(key: string): number {
    const fields = this.#fields;
    for (let i = 0; i < fields.length; i++) if ((fields[i] as HeaderField).key === key) return i;
    return -1;
  }
}
