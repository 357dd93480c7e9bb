import type { Aor } from "./aor.ts";
import type { Epoch } from "./ballot.ts";
import { NO_BALLOT, compareBallots, formatBallot } from "./ballot.ts";
import { aorOfRecordKey } from "./record-key.ts";
import type { ServerId } from "./roster.ts";
import { SchemaError } from "./schema-error.ts";
import type { ServerBinding } from "./server-binding.ts";
import { openServerBinding } from "./server-binding.ts";

/** What a validator knows beyond the record itself. */
export interface BindingJudge {
  /** Whether the roster has the server. */
  isServer(server: ServerId): boolean;
  /** Highest epoch known of the AoR, `undefined` when none is. */
  newestEpoch(aor: Aor): Epoch | undefined;
}

/**
 * The binding of a DHT record, checked against its key alone.
 * @throws {SchemaError} `BAD_KEY`, `BAD_FRAME`, `BAD_SIGNATURE`, `BAD_AOR`, `BAD_RECORD`
 */
export async function openBindingRecord(
  key: Uint8Array,
  value: Uint8Array,
): Promise<ServerBinding & { readonly aor: Aor }> {
  const aor = aorOfRecordKey(key);
  const binding = await openServerBinding(value);
  if (binding.aor !== aor) throw new SchemaError("BAD_RECORD", `record of ${aor} holds a binding of ${binding.aor}`);
  return binding;
}

/**
 * kad-dht's validator for the name space `aorta`: resolves for a record to be believed.
 * @throws {SchemaError} as {@link openBindingRecord}; `BAD_RECORD` when its owner is not a server; `STALE_RECORD` below the newest epoch known
 */
export function bindingValidator(judge: BindingJudge): (key: Uint8Array, value: Uint8Array) => Promise<void> {
  return async (key, value) => {
    const { aor, owner, epoch } = await openBindingRecord(key, value);
    if (!judge.isServer(owner as ServerId))
      throw new SchemaError("BAD_RECORD", `owner ${owner} is not a server of the domain`);
    const newest = judge.newestEpoch(aor);
    if (newest !== undefined && compareBallots(epoch, newest) < 0) {
      throw new SchemaError("STALE_RECORD", `epoch ${formatBallot(epoch)} is below ${formatBallot(newest)}`);
    }
  };
}

/** kad-dht's selector for the name space `aorta`: index of the record with the highest epoch; unreadable ones are lowest. */
export async function bindingSelector(key: Uint8Array, values: readonly Uint8Array[]): Promise<number> {
  let best = 0;
  let bestEpoch = NO_BALLOT;
  for (const [index, value] of values.entries()) {
    let epoch: Epoch;
    try {
      ({ epoch } = await openBindingRecord(key, value));
    } catch {
      continue;
    }
    if (compareBallots(epoch, bestEpoch) > 0) [best, bestEpoch] = [index, epoch];
  }
  return best;
}
