import { isDeepStrictEqual } from "node:util";
import type { PresenceNotification } from "../../softphone/presence-subscription.ts";
import type { PresenceState } from "../../softphone/pidf.ts";
import { type Sighting, Sightings, StoryFault } from "../sightings.ts";
import { momentMs, type Phone } from "../stage.ts";

/** A subscription as its watcher lives it: what came, in order, and whether the watcher had to do anything for it. */
export class WatchedPresence {
  readonly watcher: Phone;
  readonly seen = new Sightings<PresenceNotification>(describeNotification);
  #subscribesSent = 0;

  private constructor(watcher: Phone) {
    this.watcher = watcher;
  }

  static async subscribe(watcher: Phone, aor: string): Promise<WatchedPresence> {
    const watched = new WatchedPresence(watcher);
    await watcher.softphone.subscribePresence(aor, (notification) => watched.seen.see(notification));
    watched.#subscribesSent = watcher.softphone.requestsSent("SUBSCRIBE");
    return watched;
  }

  /** The first NOTIFY after `mark` that shows exactly this. @throws {StoryFault} */
  untilShown(mark: number, state: PresenceState, withinMs = momentMs): Promise<Sighting<PresenceNotification>> {
    const { user } = this.watcher;
    return this.seen.until(`${user} seeing "${describePresence(state)}"`, {
      mark,
      withinMs,
      fits: ({ state: subscription, presence }) => subscription === "active" && isDeepStrictEqual(presence, state),
    });
  }

  /** @throws {StoryFault} when the watcher saw `closed` or an end since `mark`, or had to subscribe again ever */
  expectSteady(mark: number): void {
    const { user, softphone } = this.watcher;
    const flicker = this.seen
      .since(mark)
      .find(({ item }) => item.state !== "active" || item.presence?.basic === "closed");
    if (flicker)
      throw new StoryFault(`${user} should have seen no flicker, but saw: ${describeNotification(flicker.item)}`);
    const again = softphone.requestsSent("SUBSCRIBE") - this.#subscribesSent;
    if (again > 0) throw new StoryFault(`${user} should not have subscribed again, but did, ${again} times`);
  }
}

/** `open, "at my desk"` */
export function describePresence({ basic, note }: PresenceState): string {
  return note === undefined ? basic : `${basic}, “${note}”`;
}

function describeNotification({ state, reason, presence }: PresenceNotification): string {
  return [
    reason === undefined ? state : `${state} (${reason})`,
    ...(presence === undefined ? [] : [describePresence(presence)]),
  ].join(": ");
}
