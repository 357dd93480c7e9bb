import type { Batch } from "../../../dht-schema/directory-messages.ts";
import type { Roster } from "../../../dht-schema/roster.ts";
import type { DirectoryEvent, DirectoryTuning } from "./context.ts";

/** What a node starts from. */
export interface CoreInit {
  /** Number of this server in the roster. */
  readonly self: number;
  /** 1 at the first start ever, one more at each. */
  readonly boot: number;
  readonly roster: Roster;
  /** The durable ballot ceiling: 0 at the first start. */
  readonly ceiling: number;
  readonly tuning: DirectoryTuning;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Whether this server holds the domain's key: it drives changes of the roster while the roster names it as the steward. */
  readonly steward: boolean;
}

/** What the driver has to carry out after each call. */
export interface CoreOutput {
  readonly batches: readonly { readonly to: number; readonly batch: Batch }[];
  readonly events: readonly DirectoryEvent[];
}
