import { ProtocolError } from "../../runtime/errors.ts";
import type { SipRequest } from "./message.ts";

/** A message, or a part of one, does not follow the grammar or breaks a bound. */
export class SipParseError extends ProtocolError {
  override readonly name = "SipParseError";
  /** The status to answer with, when the message was a request. */
  readonly status: number;
  /** What could be read of the request: enough to answer it when it holds Via, From, To, Call-ID and CSeq. */
  readonly request?: SipRequest;

  constructor(code: string, message: string, options: { status?: number; request?: SipRequest } & ErrorOptions = {}) {
    // A stack trace costs ten times what reading the message does, which whoever sends nonsense would make us pay; code and message say it all.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(code, message, options);
    Error.stackTraceLimit = stackTraceLimit;
    this.status = options.status ?? 400;
    if (options.request !== undefined) this.request = options.request;
  }
}

/** Text for an error message: quoted and cut. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
