import type { Aor } from "../../dht-schema/aor.ts";
import { formatBallot, parseBallot } from "../../dht-schema/ballot.ts";
import type { StoredContact } from "../storage/ports.ts";
import type { Flow, SocketTransport } from "../sip/stack.ts";
import { flowWithoutConnection } from "../sip/reachable-flow.ts";
import type { Binding } from "./binding.ts";
import type { DeviceOrigin } from "./device-origin.ts";

/** The two clocks at one instant: bindings count on the monotonic one, what is stored on the wall clock. */
export interface Instant {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export function toStored(aor: Aor, binding: Binding, now: Instant): StoredContact {
  const { uri, twin, callId, cseq, q, userAgent, instance, path, regId, origin, epoch } = binding;
  const expiresAtMs = Math.round(now.wallMs + binding.expiresAtMs - now.monotonicMs);
  return {
    aor,
    uri,
    twin,
    flow: JSON.stringify({ ...binding.flow, path, regId, origin }),
    callId,
    cseq,
    expiresAtMs,
    q,
    userAgent,
    instance,
    epoch: epoch === undefined ? "" : formatBallot(epoch),
  };
}

/**
 * A binding of an earlier run of the process; `undefined` when it has expired, cannot be reached any more (its connection
 * ended with that run), or cannot be read.
 * @param maxSeconds the longest registration there is: a wall clock that went back must not make one longer
 */
export function fromStored(stored: StoredContact, now: Instant, maxSeconds: number): Binding | undefined {
  const leftMs = Math.min(stored.expiresAtMs - now.wallMs, maxSeconds * 1000);
  if (leftMs <= 0) return undefined;
  const way = readWay(stored.flow);
  const flow = way && flowWithoutConnection(stored.uri, way.flow, way.path);
  if (flow === undefined) return undefined;
  const { uri, twin, callId, cseq, q, userAgent, instance } = stored;
  const expiresAtMs = now.monotonicMs + leftMs;
  const epoch = parseBallot(stored.epoch);
  const known = { uri, callId, cseq, q, userAgent, instance, expiresAtMs, epoch };
  return { ...known, ...(twin === undefined ? {} : { twin }), ...way, flow };
}

/** A flow as it was stored, if it can be read: without its connection, which ended with that process. */
export function readStoredFlow(json: string): Flow | undefined {
  return readWay(json)?.flow;
}

/** What is stored as the flow: with it, how the device is reached from its other end. */
function readWay(json: string): Pick<Binding, "flow" | "path" | "regId" | "origin"> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { transport, address, port, listener, listensElsewhere, trusted, host, path, regId, origin } = value as Record<
    string,
    unknown
  >;
  if (!isSocketTransport(transport)) return undefined;
  if (typeof address !== "string" || typeof port !== "number") return undefined;
  const flow: Flow = {
    transport,
    address,
    port,
    ...(typeof listener === "string" ? { listener } : {}),
    ...(listensElsewhere === true ? { listensElsewhere } : {}),
    ...(trusted === true ? { trusted } : {}),
    ...(typeof host === "string" ? { host } : {}),
  };
  const isPath = (hops: unknown): hops is string[] =>
    Array.isArray(hops) && hops.every((hop) => typeof hop === "string");
  return {
    flow,
    ...(isPath(path) ? { path } : {}),
    ...(typeof regId === "number" ? { regId } : {}),
    ...(isOrigin(origin) ? { origin } : {}),
  };
}

function isSocketTransport(value: unknown): value is SocketTransport {
  return ["UDP", "TCP", "TLS", "WS", "WSS"].includes(value as string);
}

function isOrigin(value: unknown): value is DeviceOrigin {
  if (typeof value !== "object" || value === null) return false;
  const { name, isRelayed } = value as Record<string, unknown>;
  return typeof name === "string" && typeof isRelayed === "boolean";
}
