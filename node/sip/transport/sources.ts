import { isLoopback, sourceOf } from "../../runtime/ip-addresses.ts";
import { limits } from "../../runtime/limits.ts";
import { openFilesMax } from "../../runtime/open-files.ts";
import { RecentMap } from "../../runtime/recent-map.ts";
import { withinAny } from "./networks.ts";

/** What one source may do. */
export interface SourceRules {
  /** Stream connections of all sources together. */
  readonly connections: number;
  /** Stream connections of one source. */
  readonly connectionsPerSource: number;
  /** New stream connections of one source, on the average. */
  readonly connectionsPerSecond: number;
  /** New stream connections that it may make at once after a time of silence. */
  readonly burstConnections: number;
  /** Messages of one source, on the average. */
  readonly messagesPerSecond: number;
  /** Messages that it may send at once after a time of silence. */
  readonly burstMessages: number;
  /** A longer message counts as so many as it has of these octets, begun ones included. */
  readonly octetsPerMessage: number;
  /** Sources remembered. Beyond, those not seen for longest are forgotten, and begin anew with a whole burst. */
  readonly remembered: number;
  /** Whether an address has no limits of its own. */
  isExempt(address: string): boolean;
}

/**
 * The rules of `limits.sip`, as far as so many files can be open: other servers, commands and the disk need some as well. What runs on this machine is no stranger.
 * @param unlimited further addresses and networks that are exempt, as sockets write them
 * @param openFiles how many files the process may have open. @default what the system allows
 */
export function sourceRules(unlimited: readonly string[] = [], openFiles = openFilesMax()): SourceRules {
  const isUnlimited = withinAny(unlimited);
  const { sources, otherFiles } = limits.sip;
  const connections = Math.min(sources.connections, Math.max(openFiles - otherFiles, Math.floor(openFiles / 2)));
  return { ...sources, connections, isExempt: (address) => isLoopback(address) || isUnlimited(address) };
}

/** What becomes of a datagram. */
export type DatagramVerdict =
  | "serve"
  /** Above the limit: to be answered 503. */
  | "refuse"
  /** Far above the limit: answers would double the flood. */
  | "drop";

interface Bucket {
  /** Messages that may be sent now; negative after a stream's burst. */
  tokens: number;
  /** Connections that may be made now. */
  connections: number;
  filledAtMs: number;
  refusedAtMs: number;
}

/** At most one refusal in this time goes to one source: a client with a fault learns of it, a flood gets no echo. */
const REFUSAL_EVERY_MS = 100;

/**
 * Counts what each source does, and says when it is too much. Streams are read more slowly then, datagrams are refused.
 * Time comes in with each call. A source is an IPv4 address, or the /64 network of an IPv6 address, which one host has for itself.
 */
export class Sources {
  readonly #rules: SourceRules;
  readonly #connections = new Map<string, number>();
  readonly #buckets: RecentMap<string, Bucket>;
  #all = 0;

  constructor(rules: SourceRules) {
    this.#rules = rules;
    this.#buckets = new RecentMap(rules.remembered);
  }

  /** Open stream connections. */
  get connections(): number {
    return this.#all;
  }

  /** Sources whose messages are being counted. */
  get remembered(): number {
    return this.#buckets.size;
  }

  /** A connection that the source makes; false when it is one too many, or comes too soon after others, and is to be closed. */
  accept(address: string, nowMs: number): boolean {
    const bucket = this.#bucket(address, nowMs);
    if ((bucket?.connections ?? 1) < 1 || !this.connect(address)) return false;
    if (bucket !== undefined) bucket.connections--;
    return true;
  }

  /** A connection that is made to the source; false when it is one too many. */
  connect(address: string): boolean {
    const source = sourceOf(address);
    const open = this.#connections.get(source) ?? 0;
    if (this.#all >= this.#rules.connections) return false;
    if (open >= this.#rules.connectionsPerSource && !this.#rules.isExempt(address)) return false;
    this.#connections.set(source, open + 1);
    this.#all++;
    return true;
  }

  /** A connection that {@link accept} or {@link connect} let in has closed. */
  disconnect(address: string): void {
    const source = sourceOf(address);
    const open = (this.#connections.get(source) ?? 1) - 1;
    if (open === 0) this.#connections.delete(source);
    else this.#connections.set(source, open);
    this.#all--;
  }

  /** A message of a stream; how long, ms, no more is to be read from it. */
  message(address: string, nowMs: number, octets: number): number {
    const bucket = this.#bucket(address, nowMs);
    if (bucket === undefined) return 0;
    bucket.tokens -= this.#messagesIn(octets);
    return bucket.tokens >= 0 ? 0 : Math.ceil((-bucket.tokens * 1000) / this.#rules.messagesPerSecond);
  }

  datagram(address: string, nowMs: number, octets: number): DatagramVerdict {
    const bucket = this.#bucket(address, nowMs);
    if (bucket === undefined) return "serve";
    if (bucket.tokens >= 1) {
      bucket.tokens -= this.#messagesIn(octets);
      return "serve";
    }
    if (nowMs - bucket.refusedAtMs < REFUSAL_EVERY_MS) return "drop";
    bucket.refusedAtMs = nowMs;
    return "refuse";
  }

  #messagesIn(octets: number): number {
    return Math.max(1, Math.ceil(octets / this.#rules.octetsPerMessage));
  }

  /** The source's bucket, filled up to this moment; `undefined` where there is no limit. */
  #bucket(address: string, nowMs: number): Bucket | undefined {
    const { burstMessages, messagesPerSecond, burstConnections, connectionsPerSecond, isExempt } = this.#rules;
    if (isExempt(address)) return undefined;
    const source = sourceOf(address);
    let bucket = this.#buckets.get(source);
    if (bucket === undefined) {
      bucket = {
        tokens: burstMessages,
        connections: burstConnections,
        filledAtMs: nowMs,
        refusedAtMs: Number.NEGATIVE_INFINITY,
      };
      this.#buckets.set(source, bucket);
    }
    const seconds = (nowMs - bucket.filledAtMs) / 1000;
    bucket.tokens = Math.min(burstMessages, bucket.tokens + seconds * messagesPerSecond);
    bucket.connections = Math.min(burstConnections, bucket.connections + seconds * connectionsPerSecond);
    bucket.filledAtMs = nowMs;
    return bucket;
  }
}
