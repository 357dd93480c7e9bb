import { expect } from "chai";
import { StoryFault } from "../../../node/demo/sightings.ts";
import type { Phone } from "../../../node/demo/stage.ts";
import { WatchedPresence } from "../../../node/demo/story/watched-presence.ts";
import type { PresenceNotification } from "../../../node/softphone/presence-subscription.ts";

const open = { basic: "open", note: "here" } as const;

describe("A watched presence", () => {
  let notify: (notification: PresenceNotification) => void;
  let subscribesSent: number;
  let watched: WatchedPresence;

  beforeEach(async () => {
    subscribesSent = 0;
    const softphone = {
      subscribePresence: async (_aor: string, listener: typeof notify) => {
        notify = listener;
        subscribesSent += 2; // the first was challenged
      },
      requestsSent: () => subscribesSent,
    };
    watched = await WatchedPresence.subscribe({ user: "joe", softphone } as unknown as Phone, "sip:alice@example.com");
  });

  it("shows a state only when the subscription is active and the state is that very one", async () => {
    notify({ state: "pending", presence: open });
    notify({ state: "active", presence: { basic: "open" } });
    notify({ state: "active", presence: open });
    await watched.untilShown(0, open, 5);
    const error = await watched.untilShown(3, open, 5).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(StoryFault).with.property("message").that.includes('joe seeing "open, “here”"');
  });

  it("is steady while nothing but open comes, and the watcher does nothing", () => {
    notify({ state: "pending" });
    const { mark } = watched.seen;
    notify({ state: "active", presence: open });
    watched.expectSteady(mark);
  });

  for (const [what, notification] of [
    ["closed", { state: "active", presence: { basic: "closed" } }],
    ["pending", { state: "pending" }],
    ["ended", { state: "terminated", reason: "deactivated" }],
  ] as const) {
    it(`is not steady when it was ${what} in between`, () => {
      notify(notification);
      notify({ state: "active", presence: open });
      expect(() => watched.expectSteady(0)).to.throw(StoryFault, "joe should have seen no flicker");
    });
  }

  it("is not steady when the watcher subscribed again", () => {
    subscribesSent++;
    expect(() => watched.expectSteady(0)).to.throw(
      StoryFault,
      "joe should not have subscribed again, but did, 1 times",
    );
  });
});
