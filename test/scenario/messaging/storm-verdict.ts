import type { Copy, StormRecord, TraceEntry, Written } from "./storm-record.ts";
import { SILENCE_MS } from "../../helpers/mesh-links.ts";
import type { MessageStorm } from "./message-storm.ts";

/** A server that has the answer of a device knows it at once: within the time that the answer is on its way. */
const ANSWER_MS = 1;

/** All that is against what is promised of messages (node/messaging/README.md), each with its trace; none is well. */
export function verdictOn(storm: MessageStorm): string[] {
  const { record } = storm;
  const faults = [
    ...record.faults,
    ...record.written.flatMap((written) => {
      const copies = record.copies.filter((copy) => copy.written === written);
      const faultsOf = [
        ...lost(record, written, copies),
        ...refusedAndSent(written, copies),
        ...twice(record, written, copies),
        ...misdirected(written, copies),
      ];
      return faultsOf.map((fault) => ({ text: written.text, fault }));
    }),
    ...storm.weather.servers.flatMap((server) =>
      storm.waitingAt(server).map((text) => ({ text, fault: `it still waits at ${server.name}` })),
    ),
    ...storm.weather.left.flatMap((server) =>
      storm.waitingAt(server).map((text) => ({ text, fault: `${server.name} has left, and still holds it` })),
    ),
  ];
  return faults.map(({ text, fault }) => `${text}: ${fault}\n${formatTrace(record.trace, text)}`);
}

/** A message that was answered 2xx reaches a device of its user, unless one says that it wants no such message. */
function lost({ nowMs }: StormRecord, { answer }: Written, copies: readonly Copy[]): string[] {
  if (answer === undefined) return [`its sender still waits at ${nowMs}`];
  if (answer.status < 200 || answer.status >= 300) return [];
  return copies.some((copy) => [200, 403].includes(copy.answer?.status ?? 0)) ? [] : ["lost"];
}

/** What was refused no device has taken, or is given later. 504 says that nobody knows. */
function refusedAndSent({ answer }: Written, copies: readonly Copy[]): string[] {
  if (answer === undefined || answer.status < 300 || answer.status === 504) return [];
  if (copies.some((copy) => copy.answer?.status === 200))
    return [`a device has taken it, and its sender heard ${answer.status}`];
  return copies.some(({ sentAtMs }) => sentAtMs > answer.atMs) ? [`sent to a device after ${answer.status}`] : [];
}

/**
 * A device that has taken a message does not get it again, with two exceptions: the server that gave it has ended before it had noted
 * so (of what was not held, where it is killed, before it knows that the link to who waits for the answer is broken), or another server gives it,
 * for the owner has changed in a time of trouble.
 */
function twice({ troubles }: StormRecord, { sentAtMs }: Written, copies: readonly Copy[]): string[] {
  return copies.flatMap((first, at) => {
    const { answer } = first;
    if (answer?.status !== 200) return [];
    const again = copies.slice(at + 1).find((copy) => copy.handset === first.handset && copy.sentAtMs >= answer.atMs);
    if (again === undefined) return [];
    const isElsewhere = again.server !== first.server;
    const isExcused = troubles.some(({ fromMs, untilMs, server, isKilled }) =>
      isElsewhere
        ? untilMs >= sentAtMs && fromMs <= again.sentAtMs
        : server === first.server &&
          untilMs >= first.sentAtMs &&
          fromMs <= answer.atMs + ANSWER_MS + (isKilled === true && !first.isHeld ? SILENCE_MS : 0),
    );
    return isExcused ? [] : [`sent to ${first.handset} again, which has taken it from ${first.server}`];
  });
}

/** It goes to its recipient alone, and says each time which message it is. */
function misdirected({ to, identity }: Written, copies: readonly Copy[]): string[] {
  return [
    ...copies.filter((copy) => copy.to !== to).map((copy) => `sent to ${copy.to}`),
    ...copies.filter((copy) => copy.identity !== identity).map((copy) => `sent as ${copy.identity}`),
  ];
}

function formatTrace(trace: readonly TraceEntry[], text: string): string {
  return trace
    .filter(({ about }) => about === undefined || about === text)
    .map(({ atMs, line }) => `  ${((atMs - 1_000_000) / 1000).toFixed(3).padStart(9)} s  ${line}`)
    .join("\n");
}
