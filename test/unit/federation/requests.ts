import { createRequest } from "../../../node/sip/message/build.ts";
import type { SipRequest } from "../../../node/sip/message/message.ts";

/** A request of alice as it comes from the stack: with a Via of the last hop. */
export function request(
  method: string,
  uri: string,
  fields: { from?: string; to?: string; headers?: [string, string][]; body?: string } = {},
): SipRequest {
  const made = createRequest({
    method,
    uri,
    from: fields.from ?? "<sip:alice@example.com>;tag=1",
    to: fields.to ?? `<${uri}>`,
    headers: fields.headers ?? [],
    body: fields.body ?? "",
  });
  made.headers.prepend("Via", "SIP/2.0/UDP 127.0.0.1:6000;branch=z9hG4bK1");
  return made;
}
