import { createResponse } from "../../sip/message/build.ts";
import type { IncomingRequest } from "../../sip/stack.ts";
import type { Answer } from "../answer.ts";

/** Sends an answer. */
export function respond(incoming: IncomingRequest, answer: Answer, toTag?: string): void {
  const { status, reason, headers = [] } = answer;
  incoming.respond(
    createResponse(incoming.request, status, { reason, headers, ...(toTag === undefined ? {} : { toTag }) }),
  );
}
