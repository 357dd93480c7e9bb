import type { ServerId } from "../../dht-schema/roster.ts";
import { limits } from "../runtime/limits.ts";
import type { Timers } from "../runtime/timers.ts";

/** The links to the other servers. */
export interface ServerLinks {
  isUp(server: ServerId): boolean;
  /** Calls `listener` when there is a link again. Returns how to stop it. */
  onUp(listener: (server: ServerId) => void): () => void;
}

/** Waits until there is a link to a server, for a moment at most, and says whether there is: one that breaks is mostly soon replaced. */
export function createLinkWait(
  links: ServerLinks,
  timers: Timers,
  withinMs: number = limits.federation.linkMs,
): (server: ServerId) => Promise<boolean> {
  return (server) => {
    if (links.isUp(server)) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const stop = links.onUp((up) => up === server && end(true));
    const cancel = timers.after(withinMs, () => end(false));
    const end = (isUp: boolean) => {
      stop();
      cancel();
      resolve(isUp);
    };
    return promise;
  };
}
