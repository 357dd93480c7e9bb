import { publicKeyFromRaw } from "@libp2p/crypto/keys";
import { peerIdFromPublicKey } from "@libp2p/peer-id";
import type { DirectoryMessage } from "../../dht-schema/directory-messages.ts";
import { decodeBatch, encodeBatch } from "../../dht-schema/directory-messages.ts";
import { frameHeaderBytes } from "../../dht-schema/link-frames.ts";
import type { Roster, RosterServer } from "../../dht-schema/roster.ts";
import { Agenda } from "../../node/directory/core/agenda.ts";
import type { DirectoryEvent, DirectoryTuning } from "../../node/directory/core/context.ts";
import { DirectoryCore } from "../../node/directory/core/directory-core.ts";
import { defaultTuning } from "../../node/directory/directory.ts";
import { Random } from "../random.ts";

/** A batch on its way, as those who measure see it. */
export interface Sent {
  readonly atMs: number;
  readonly from: number;
  readonly to: number;
  /** The frame on a link, its length and type included. */
  readonly bytes: number;
  readonly types: readonly DirectoryMessage["type"][];
}

/** How a swarm is made. */
export interface SwarmInit {
  readonly servers: number;
  /** Servers that hold replicas: all, unless told otherwise. */
  readonly voters?: number;
  readonly leaseMs?: number;
  readonly delayMs?: number;
  readonly tuning?: Partial<DirectoryTuning>;
  readonly onEvent?: (nowMs: number, server: number, event: DirectoryEvent) => void;
  readonly onSent?: (sent: Sent) => void;
}

interface Member {
  readonly number: number;
  core: DirectoryCore | undefined;
  wakeAtMs: number;
}

const known: RosterServer[] = [];

/** A server whose key follows from its number, with an address as real ones have. */
export function swarmServer(number: number): RosterServer {
  let server = known[number];
  if (server === undefined) {
    const key = new Uint8Array(32);
    new DataView(key.buffer).setUint32(0, number);
    const id = peerIdFromPublicKey(publicKeyFromRaw(key)).toString();
    server = { number, id, name: `server-${number}`, addresses: [`/ip4/192.0.2.${number & 0xff}/tcp/7900`] };
    known[number] = server;
  }
  return server;
}

/** A stable roster of that many servers, of which the first so many vote. */
export function swarmRoster(servers: number, voters = servers, leaseMs = 10_000): Roster {
  const all = Array.from({ length: servers }, (_, index) => swarmServer(index + 1));
  return {
    domain: "example.com",
    version: 1,
    revision: 1,
    leaseMs,
    driftPpm: 10_000,
    steward: 1,
    lastNumber: servers,
    leaving: [],
    gone: [],
    servers: all,
    voters: all.slice(0, voters).map(({ number }) => number),
    oldVoters: [],
  };
}

/**
 * Many production cores on virtual time, joined by links that neither lose nor reorder, with the real encoding of every
 * batch: what they send is what servers would send, and the processor time is that of the core and the codec.
 */
export class Swarm {
  nowMs = 0;
  readonly roster: Roster;
  readonly #agenda = new Agenda();
  readonly #members: readonly Member[];
  readonly #init: SwarmInit;
  readonly #random = new Random(1);

  constructor(init: SwarmInit) {
    this.#init = init;
    this.roster = swarmRoster(init.servers, init.voters, init.leaseMs);
    this.#members = this.roster.servers.map(({ number }) => ({
      number,
      core: new DirectoryCore(0, {
        self: number,
        boot: 1,
        roster: this.roster,
        ceiling: 0,
        tuning: { ...defaultTuning, ...init.tuning },
        random: () => this.#random.next(),
        steward: false,
      }),
      wakeAtMs: Infinity,
    }));
    for (const member of this.#members) this.#flush(member);
  }

  /** Does something with a server's core now. */
  act<T>(number: number, act: (core: DirectoryCore, nowMs: number) => T): T {
    const member = this.#members[number - 1] as Member;
    if (member.core === undefined) throw new Error(`server ${number} is down`);
    const result = act(member.core, this.nowMs);
    this.#flush(member);
    return result;
  }

  /** Does something at a later time. */
  at(atMs: number, act: (nowMs: number) => void): void {
    this.#agenda.add(atMs, act);
  }

  /** The server dies; what is on its way to it is lost. */
  kill(number: number): void {
    (this.#members[number - 1] as Member).core = undefined;
  }

  /** Lets everything happen that is due within `ms`. */
  run(ms: number): void {
    const endMs = this.nowMs + ms;
    while (this.#agenda.nextMs <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.#agenda.nextMs);
      this.#agenda.runDue(this.nowMs);
    }
    this.nowMs = endMs;
  }

  #flush(member: Member): void {
    const core = member.core as DirectoryCore;
    const { batches, events } = core.takeOutput();
    for (const event of events) {
      if (event.kind === "raise-ceiling") core.ceilingStored(event.counter);
      this.#init.onEvent?.(this.nowMs, member.number, event);
    }
    for (const { to, batch } of batches) {
      const bytes = encodeBatch(batch);
      this.#init.onSent?.({
        atMs: this.nowMs,
        from: member.number,
        to,
        bytes: bytes.length + frameHeaderBytes(bytes.length),
        types: batch.messages.map(({ type }) => type),
      });
      this.#agenda.add(this.nowMs + (this.#init.delayMs ?? 1), (atMs) => {
        const receiver = this.#members[to - 1] as Member;
        if (receiver.core === undefined) return;
        receiver.core.receive(atMs, member.number, decodeBatch(bytes));
        this.#flush(receiver);
      });
    }
    this.#wake(member, core);
  }

  #wake(member: Member, core: DirectoryCore): void {
    const dueMs = core.nextDeadlineMs();
    if (dueMs >= member.wakeAtMs) return;
    member.wakeAtMs = dueMs;
    this.#agenda.add(dueMs, (atMs) => {
      if (member.core !== core || member.wakeAtMs !== dueMs) return;
      member.wakeAtMs = Infinity;
      core.tick(atMs);
      this.#flush(member);
    });
  }
}
