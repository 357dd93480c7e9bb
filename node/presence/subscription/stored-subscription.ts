import type { Aor } from "../../../dht-schema/aor.ts";
import { flowWithoutConnection } from "../../sip/reachable-flow.ts";
import { readStoredFlow } from "../../registrar/stored-binding.ts";
import type { Instant } from "../../registrar/stored-binding.ts";
import { detached } from "../../sip/message/lexical.ts";
import type { Flow } from "../../sip/stack.ts";
import type { StoredSubscription } from "../../storage/ports.ts";
import type { SavedNotifier } from "./notifier-dialog.ts";
import type { SubscribeRequest } from "./read-subscribe.ts";

/** What of a dialog stays the same from NOTIFY to NOTIFY, or changes with a refresh only. JSON-safe. */
export interface DialogFields {
  readonly callId: string;
  readonly remoteTag: string;
  /** Of NOTIFY, with our tag. */
  readonly from: string;
  readonly to: string;
  readonly routeSet: readonly string[];
  readonly remoteTarget: string;
  /** Value of Event. */
  readonly event: string;
  readonly flow: Flow;
  /** Asked for by `max-rate`. */
  readonly minIntervalMs?: number | undefined;
  /** It is to a list. */
  readonly isList?: boolean | undefined;
  /** Members of a list that the SUBSCRIBE itself brought. */
  readonly members?: readonly string[] | undefined;
}

/** A subscription with all that another run of this process needs to go on with it. */
export interface KeptSubscription {
  readonly localTag: string;
  readonly event: string;
  readonly aor: Aor;
  readonly subscriber: Aor;
  readonly fields: DialogFields;
  readonly saved: SavedNotifier;
}

/** No connection has this name. */
const ENDED = "ended";

/** One from an earlier run. */
export type RestoredSubscription = KeptSubscription;

/** The value of Event, as NOTIFY repeats it: with the dialog it names a subscription. @see RFC 6665 §4.5.2, §8.2.1 */
export function eventValueOf({ event, eventId }: Pick<SubscribeRequest, "event" | "eventId">): string {
  return eventId === undefined ? event : `${event};id=${eventId}`;
}

/** What a first SUBSCRIBE says of the dialog. @see RFC 3261 §12.1.1 */
export function dialogFieldsOf(
  request: SubscribeRequest,
  own: {
    readonly localTag: string;
    readonly flow: Flow;
    readonly aor: Aor;
    readonly isList: boolean;
  },
): DialogFields {
  const { callId, remoteTag, to, from, routeSet, remoteTarget, minIntervalMs, members } = request;
  return {
    callId: detached(callId),
    remoteTag: detached(remoteTag),
    from: detached(`${to};tag=${own.localTag}`),
    to: detached(from),
    routeSet: routeSet.map(detached),
    remoteTarget: remoteTarget === undefined ? own.aor : detached(remoteTarget),
    event: detached(eventValueOf(request)),
    flow: own.flow,
    minIntervalMs,
    isList: own.isList,
    members,
  };
}

export function toStoredSubscription(kept: KeptSubscription, now: Instant): StoredSubscription {
  const { localTag, event, aor, subscriber, fields, saved } = kept;
  return {
    localTag,
    event,
    aor,
    subscriber,
    dialog: JSON.stringify(fields),
    remoteCseq: saved.remoteCseq,
    localCseq: saved.localCseq,
    expiresAtMs: Math.round(now.wallMs + saved.expiresAtMs - now.monotonicMs),
    active: saved.wasActive,
  };
}

/**
 * A subscription of an earlier run; `undefined` when it has expired, or cannot be read. Where the connection to its subscriber ended with that run, and they cannot
 * be called, its flow names one that is gone.
 * @param maxSeconds the longest subscription there is: a wall clock that went back must not make one longer
 */
export function fromStoredSubscription(
  stored: StoredSubscription,
  now: Instant,
  maxSeconds: number,
): RestoredSubscription | undefined {
  const leftMs = Math.min(stored.expiresAtMs - now.wallMs, maxSeconds * 1000);
  const fields = readFields(stored.dialog);
  if (leftMs <= 0 || fields === undefined) return undefined;
  // Who cannot be called connects, and registers, again.
  const flow = flowWithoutConnection(fields.remoteTarget, fields.flow, fields.routeSet) ?? {
    ...fields.flow,
    connection: ENDED,
  };
  const { localTag, event, aor, subscriber, remoteCseq, localCseq, active } = stored;
  const saved = { remoteCseq, localCseq, wasActive: active, expiresAtMs: now.monotonicMs + leftMs };
  return { localTag, event, aor, subscriber, fields: { ...fields, flow }, saved };
}

/** Written by {@link toStoredSubscription}, by this release or another: what a NOTIFY cannot do without is looked at. */
function readFields(json: string): DialogFields | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const fields = value as DialogFields;
  const flow = readStoredFlow(JSON.stringify(fields.flow ?? null));
  const texts = [fields.callId, fields.remoteTag, fields.from, fields.to, fields.remoteTarget, fields.event];
  if (flow === undefined || !texts.every((text) => typeof text === "string") || !isTexts(fields.routeSet))
    return undefined;
  if (fields.members !== undefined && !isTexts(fields.members)) return undefined;
  return { ...fields, flow };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
