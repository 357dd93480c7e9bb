import type { DirectoryMessage } from "../../../dht-schema/directory-messages.ts";
import { BATCH_MESSAGES_MAX } from "../../../dht-schema/directory-messages.ts";

/** Messages to one server, in order, as many to a batch as may be. */
export function inBatches(messages: DirectoryMessage[]): DirectoryMessage[][] {
  if (messages.length <= BATCH_MESSAGES_MAX) return [messages];
  const count = Math.ceil(messages.length / BATCH_MESSAGES_MAX);
  return Array.from({ length: count }, (_, at) =>
    messages.slice(at * BATCH_MESSAGES_MAX, (at + 1) * BATCH_MESSAGES_MAX),
  );
}
