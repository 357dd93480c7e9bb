import type { Aor } from "../../../dht-schema/aor.ts";
import type { SipRequest } from "../../../node/sip/message/message.ts";
import type { VirtualTime } from "../../helpers/virtual-time.ts";

/** One MESSAGE request of a sender; its text is unique. */
export interface Written {
  readonly text: string;
  readonly to: Aor;
  /** Call-ID, CSeq and From tag: by these a device can tell a message that comes again. */
  readonly identity: string;
  /** The server that it was given to. */
  readonly server: string;
  readonly sentAtMs: number;
  /** What its sender heard; 0 stands for nothing. */
  answer?: { readonly status: number; readonly atMs: number };
}

/** One request with a written message, from a server to a device. */
export interface Copy {
  readonly written: Written;
  readonly to: Aor;
  readonly identity: string;
  /** The handset, whatever server it is registered at. */
  readonly handset: string;
  readonly server: string;
  /** Whether that server knew it as held. */
  readonly isHeld: boolean;
  readonly sentAtMs: number;
  answer?: { readonly status: number; readonly atMs: number };
}

/** What happened, for who has to find out why. */
export interface TraceEntry {
  readonly atMs: number;
  readonly line: string;
  /** Texts of the messages that it is about; none: it is about all. */
  readonly about?: string;
}

/** A server ended, or a link was cut. */
export interface Trouble {
  readonly fromMs: number;
  readonly untilMs: number;
  /** That ended, and whether without a word. */
  readonly server?: string;
  readonly isKilled?: boolean;
}

/** All that is known of a storm when it is over. */
export class StormRecord {
  readonly written: Written[] = [];
  readonly copies: Copy[] = [];
  readonly troubles: Trouble[] = [];
  readonly trace: TraceEntry[] = [];
  /** What must not happen, seen while it happened. */
  readonly faults: { readonly text: string; readonly fault: string }[] = [];
  readonly #time: VirtualTime;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  get nowMs(): number {
    return this.#time.monotonicMs();
  }

  /** @param about text of the message that it is about */
  note(line: string, about?: string): void {
    this.trace.push({ atMs: this.nowMs, line, ...(about === undefined ? {} : { about }) });
  }

  fault(text: string, fault: string): void {
    this.note(`!!! ${fault}`, text);
    this.faults.push({ text, fault });
  }

  ended(server: string, { isKilled = false } = {}): void {
    this.troubles.push({ fromMs: this.nowMs, untilMs: this.nowMs, server, isKilled });
  }
}

export function textIn({ body }: SipRequest): string {
  return Buffer.from(body).toString();
}

export function identityOf({ headers }: SipRequest): string {
  return [headers.get("Call-ID"), headers.get("CSeq"), /;tag=([^;]+)/.exec(headers.get("From") ?? "")?.[1]].join(" ");
}
