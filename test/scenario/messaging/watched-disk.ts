import type { SipRequest } from "../../../node/sip/message/message.ts";
import { parseMessage } from "../../../node/sip/message/parse-message.ts";
import type { Storage } from "../../../node/storage/ports.ts";
import { textIn } from "./storm-record.ts";

/** A disk, and what waits on it for each recipient, oldest first. */
export interface WatchedDisk {
  readonly storage: Storage;
  waitingFor(recipient: string): readonly string[];
  /** From now on all that waits is given away to others. */
  beginClearance(): void;
  /** What waited when that began, and has come since. */
  clearedFor(recipient: string): readonly string[];
}

/** Follows which messages are held on a disk. */
export function watchDisk(storage: Storage): WatchedDisk {
  const { messages } = storage;
  let cleared: { readonly recipient: string; readonly text: string }[] = [];
  const held = new Map<number, { readonly recipient: string; readonly text: string }>();
  let count = 0;
  const texts = new Map<string, number>();
  const hold: typeof messages.hold = (message) => {
    const isNew = messages.hold(message);
    if (isNew) {
      count += 1;
      texts.set(message.key, count);
      const entry = { recipient: message.recipient, text: textIn(parseMessage(message.message) as SipRequest) };
      held.set(count, entry);
      cleared.push(entry);
    }
    return isNew;
  };
  const keys = new Map<number, string>();
  const next: typeof messages.next = (recipient, behindId) => {
    const oldest = messages.next(recipient, behindId);
    if (oldest !== undefined) keys.set(oldest.id, oldest.key);
    return oldest;
  };
  const shortest: typeof messages.shortest = (recipient, behindId) => {
    const found = messages.shortest(recipient, behindId);
    if (found !== undefined) keys.set(found.id, found.key);
    return found;
  };
  const remove: typeof messages.remove = (id, isBack) => {
    held.delete(texts.get(keys.get(id) ?? "") ?? 0);
    return messages.remove(id, isBack);
  };
  const textsFor = (entries: Iterable<(typeof cleared)[number]>, recipient: string) =>
    [...entries].filter((each) => each.recipient === recipient).map(({ text }) => text);
  return {
    storage: { ...storage, messages: { ...messages, hold, next, shortest, remove } },
    waitingFor: (recipient) => textsFor(held.values(), recipient),
    beginClearance: () => void (cleared = [...held.values()]),
    clearedFor: (recipient) => textsFor(cleared, recipient),
  };
}
