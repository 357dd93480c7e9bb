import { setTimeout as delay } from "node:timers/promises";
import type { PresenceNotification } from "../../node/softphone/presence-subscription.ts";
import type { Softphone } from "../../node/softphone/softphone.ts";
import { machineMs } from "./journal.ts";
import type { PersonContext } from "./person.ts";
import { aorOf, openSoftphone } from "./person.ts";
import type { Place } from "./plan.ts";
import type { Notification } from "./sightings.ts";
import { parseNote } from "./sightings.ts";

const retryMs = 500;

/** Somebody who stays at one place and follows the presence of others there, in dialogs that outlive whatever happens elsewhere. */
export class Watcher {
  readonly place: Place;
  readonly users: readonly string[];
  readonly #context: PersonContext;
  readonly #last = new Map<string, Notification>();
  #softphone: Softphone | undefined;
  /** Of the present connection; what an earlier one still brings is of no interest. */
  #generation = 0;
  #dialogs = 0;

  constructor(place: Place, users: readonly string[], context: PersonContext) {
    this.place = place;
    this.users = users;
    this.#context = context;
  }

  /** What the watcher was told last of a user, in the present dialog. */
  last(user: string): Notification | undefined {
    return this.#last.get(user);
  }

  /** Connects and subscribes to all, again and again until it succeeds; dialogs there were are given up. */
  async open(): Promise<void> {
    const generation = ++this.#generation;
    this.close();
    this.#last.clear();
    while (generation === this.#generation) {
      try {
        const softphone = await openSoftphone(`watcher-${this.place}`, this.#context.portsOf(this.place), 1);
        if (generation !== this.#generation) return void softphone.vanish();
        this.#softphone = softphone;
        await Promise.all(this.users.map((user) => this.#subscribe(softphone, user, generation)));
        return;
      } catch {
        await delay(retryMs); // nobody listens there at present
      }
    }
  }

  close(): void {
    void this.#softphone?.vanish().catch(() => {});
    this.#softphone = undefined;
  }

  /** Ends it for good. */
  abandon(): void {
    this.#generation++;
    this.close();
  }

  async #subscribe(softphone: Softphone, user: string, generation: number): Promise<void> {
    while (generation === this.#generation) {
      const dialog = `${this.place}/${++this.#dialogs}`;
      try {
        await softphone.subscribePresence(aorOf(user), (notification) => {
          if (generation !== this.#generation) return;
          this.#see(user, dialog, notification);
          if (notification.state === "terminated") void this.#subscribe(softphone, user, generation);
        });
        return;
      } catch {
        await delay(retryMs); // refused for now: no majority can be reached
      }
    }
  }

  #see(user: string, dialog: string, { state, presence }: PresenceNotification): void {
    const shown = parseNote(presence?.note);
    const seen: Notification = {
      watcherPlace: this.place,
      dialog,
      user,
      atMs: machineMs(),
      state,
      ...(presence !== undefined && { basic: presence.basic }),
      ...(shown !== undefined && { shown }),
    };
    this.#last.set(user, seen);
    this.#context.sightings.notifications.push(seen);
  }
}
