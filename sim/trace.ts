import type { Aor } from "../dht-schema/aor.ts";
import { formatBallot } from "../dht-schema/ballot.ts";
import type { DirectoryMessage } from "../dht-schema/directory-messages.ts";
import { decodeBatch } from "../dht-schema/directory-messages.ts";
import type { DirectoryEvent } from "../node/directory/core/context.ts";
import type { Wire } from "./simulated-node.ts";

/** Which part of a run is wanted. */
export interface TraceOptions {
  readonly aor: Aor;
  readonly fromMs: number;
  readonly toMs: number;
  write(line: string): void;
}

/** Writes down what concerns one AoR: every message, what servers concluded, and the faults around it. */
export class Trace {
  readonly #options: TraceOptions;
  /** Requests about the AoR, by the server that asks and its number: answers carry only that. */
  readonly #asked = new Set<string>();

  constructor(options: TraceOptions) {
    this.#options = options;
  }

  sent(nowMs: number, from: number, to: number, wire: Wire): void {
    this.#messages(nowMs, from, to, wire, `${from} → ${to}`);
  }

  arrived(nowMs: number, from: number, to: number, wire: Wire): void {
    this.#messages(nowMs, from, to, wire, `${from} ⇒ ${to}`);
  }

  event(nowMs: number, server: number, event: DirectoryEvent): void {
    if (event.kind === "publish-roster") {
      const { version, revision, voters, oldVoters } = event.roster;
      const from = oldVoters.length > 0 ? ` from ${oldVoters.join()}` : "";
      this.note(nowMs, `roster ${version}.${revision}: voters ${voters.join()}${from}`);
    } else if ("aor" in event && event.aor === this.#options.aor) {
      const { kind, aor: _, ...rest } = event;
      this.#write(nowMs, `${server}      ${kind} ${describe(rest)}`);
    }
  }

  /** Something that happened to the servers. */
  note(nowMs: number, what: string): void {
    this.#write(nowMs, `--- ${what}`);
  }

  #messages(nowMs: number, from: number, to: number, wire: Wire, arrow: string): void {
    const { rosterVersion, messages } = wire instanceof Uint8Array ? decodeBatch(wire) : wire;
    for (const message of messages) {
      if (!this.#concerns(from, to, message)) continue;
      const { type, ...rest } = message;
      this.#write(nowMs, `${arrow}  ${type} ${describe({ ...rest, aor: undefined })} v${rosterVersion}`);
    }
  }

  #concerns(from: number, to: number, message: DirectoryMessage): boolean {
    const { aor } = this.#options;
    if ("aor" in message) {
      if (message.aor !== aor) return false;
      if ("op" in message) this.#asked.add(`${from}/${message.op}`);
      return true;
    }
    return "op" in message && this.#asked.has(`${to}/${message.op}`);
  }

  #write(nowMs: number, what: string): void {
    const { fromMs, toMs, write } = this.#options;
    if (nowMs >= fromMs && nowMs <= toMs) write(`${nowMs.toFixed(3).padStart(12)}  ${what}\n`);
  }
}

function describe(fields: object): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${describeValue(value)}`)
    .join(" ");
}

function describeValue(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  if ("counter" in value && "member" in value) return formatBallot(value as Parameters<typeof formatBallot>[0]);
  return Array.isArray(value) ? `[${value.map(describeValue).join("; ")}]` : `{${describe(value)}}`;
}
