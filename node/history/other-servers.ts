import type { z } from "zod";
import type { ServerId } from "../../dht-schema/roster.ts";
import type { Clock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import { createRequest } from "../sip/message/build.ts";
import { randomTag } from "../sip/message/tags.ts";
import type { SipStack } from "../sip/stack.ts";
import { AORTA_LOCAL } from "../sip/stack.ts";

export interface OtherServersComponents {
  readonly stack: Pick<SipStack, "send">;
  readonly self: ServerId;
  /** The other servers of the domain. */
  readonly others: () => readonly ServerId[];
  /** Those that have left it, as far as is known here, and when. */
  readonly former: () => readonly { readonly id: ServerId; readonly leftAtMs: number }[];
  /** How long servers keep what was written. */
  readonly keepMs: number;
  readonly clock: Clock;
  readonly domain: string;
}

/** A server whose part of a history is missing, and why. */
export interface MissingPart {
  readonly server: ServerId;
  readonly reason: string;
}

/** What another server answers to a question about histories, or why it does not. */
export async function askServer<Answer>(
  { stack, domain }: Pick<OtherServersComponents, "stack" | "domain">,
  server: ServerId,
  method: string,
  question: object,
  schema: z.ZodType<Answer>,
): Promise<Answer | { readonly missing: string }> {
  const uri = `sip:${domain}`;
  const request = createRequest({
    method,
    uri,
    from: `<${uri}>;tag=${randomTag()}`,
    to: `<${uri}>`,
    headers: [["Content-Type", "application/json"]],
    body: JSON.stringify(question),
  });
  const { askMs: withinMs } = limits.history;
  const { status, headers, body } = await stack.send(request, { transport: "MESH", server }, { withinMs });
  if (headers.has(AORTA_LOCAL)) return { missing: status === 503 ? "not connected" : "no answer" };
  if (status !== 200) return { missing: `answered ${status}` };
  try {
    return schema.parse(JSON.parse(Buffer.from(body).toString()));
  } catch {
    return { missing: "answered what cannot be read" };
  }
}

/** Servers that were still there in the time that is meant, and have taken what they kept with them. */
export function formerServers(
  { former, keepMs, clock }: Pick<OtherServersComponents, "former" | "keepMs" | "clock">,
  sinceMs: number,
): readonly MissingPart[] {
  const oldestMs = keepMs > 0 ? clock.wallMs() - keepMs : 0;
  return former()
    .filter(({ leftAtMs }) => leftAtMs > Math.max(sinceMs, oldestMs))
    .map(({ id, leftAtMs }) => ({
      server: id,
      reason: `left the domain on ${new Date(leftAtMs).toISOString().slice(0, 10)}`,
    }));
}
