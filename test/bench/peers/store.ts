/** What was written, as it has to be named to replace it: a value or a revision, whichever the system compares. */
export type Token = string;

/** A replicated key-value store, as far as a directory needs it. Values are names of servers. */
export interface Store {
  /** Put-if-absent; the token of what was written, or `undefined` where the key has a value. */
  create(key: string, value: string): Promise<Token | undefined>;
  /** Compare and set; whether it took place. */
  replace(key: string, expected: Token, value: string): Promise<Token | undefined>;
  /** The value, or `undefined` where there is none. */
  read(key: string): Promise<string | undefined>;
  /** Tells of each new value of a key with this prefix; resolves when it does. */
  watch(prefix: string, onValue: (key: string, value: string) => void): Promise<void>;
}

/** Where the processes of a store listen, the leader first. */
export type Ports = readonly number[];
