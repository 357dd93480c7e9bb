import type { Aor } from "../../../dht-schema/aor.ts";
import type { EndReason } from "../subscription/notifier-dialog.ts";

/** Somebody here who watches a user: a client's dialog, or a member of a list that a client subscribed to. */
export interface Watcher {
  /** There is something new to see. */
  tell(): void;
  /** Names it among the watchers of this server, for as long as it lives. */
  readonly id: string;
  /** Who it is. */
  readonly aor: Aor;
  /** Whether it has been told of the user, and is not only held. */
  readonly isActive: boolean;
  readonly sinceMs: number;
  readonly expiresAtMs: number;
  /** Why it ended, once it has. */
  readonly endReason: EndReason | undefined;
}
