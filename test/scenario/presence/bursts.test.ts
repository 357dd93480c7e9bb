import { expect } from "chai";
import fc from "fast-check";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { SipRequest } from "../../../node/sip/message/message.ts";
import { keepList } from "../../helpers/kept-lists.ts";
import type { Dialog, Phone } from "../../helpers/phone.ts";
import type { Device, SimulatedServer } from "../../helpers/simulated-domain.ts";
import type { Weather } from "../../helpers/storm.ts";
import { serverArb, stormParameters, stormTimeoutMs, StormyServers, weatherArb } from "../../helpers/storm.ts";
import type { ReadTable } from "./told.ts";
import { contactsTold, listTold, presenceTold, watchersTold } from "./told.ts";

const ACTORS = ["ann", "ben", "cat"] as const;
/** With one who is never there. */
const NAMES = [...ACTORS, "nobody"] as const;
const aorOf = (name: string) => `sip:${name}@example.com` as Aor;

/** What a client does, at a server; to whom, where it watches somebody. */
interface Act {
  readonly kind: "publish" | "unpublish" | "register" | "unregister" | Kind | "refresh" | "end";
  readonly at: number;
  readonly name: (typeof ACTORS)[number];
  readonly to: (typeof NAMES)[number];
}

type Kind = "presence" | "list" | "watchers" | "contacts";
type Step =
  | Weather
  /** All at the same time. */
  | { readonly kind: "burst"; readonly acts: readonly Act[]; readonly thenMs: number }
  /** One direction between a server and the next is cut for a while. */
  | { readonly kind: "cut"; readonly at: number; readonly ms: number };

const actArb: fc.Arbitrary<Act> = fc.record({
  kind: fc.constantFrom<Act["kind"]>(
    ...(["publish", "publish", "unpublish", "register", "register", "unregister"] as const),
    ...(["presence", "presence", "list", "watchers", "contacts", "refresh", "end"] as const),
  ),
  at: serverArb,
  name: fc.constantFrom(...ACTORS),
  to: fc.constantFrom(...NAMES),
});
const stepArb: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("burst" as const),
      acts: fc.array(actArb, { minLength: 1, maxLength: 12 }),
      thenMs: fc.constantFrom(0, 1, 2, 3, 50, 600),
    }),
  },
  { weight: 4, arbitrary: weatherArb },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cut" as const), at: serverArb, ms: fc.nat(4000) }) },
);

/** A subscription as its client holds it. */
interface Watching {
  readonly kind: Kind;
  readonly phone: Phone;
  readonly at: number;
  readonly dialog: Dialog;
  /** The client has begun to end it, and has heard that it is ended. */
  state: "up" | "ending" | "over";
}

const TABLES: Readonly<Record<Kind, ReadTable>> = {
  presence: presenceTold,
  list: listTold,
  watchers: watchersTold,
  contacts: contactsTold,
};

class Bursts {
  readonly weather = new StormyServers(() => {}, { isGentle: false });
  readonly domain = this.weather.domain;
  readonly watchings: Watching[] = [];
  readonly #phones = new Map<string, Phone>();
  readonly #devices = new Map<string, Device>();
  #count = 0;

  constructor(isBusy: boolean) {
    this.domain.time.isBusy = isBusy;
    for (const [at, { storage }] of this.weather.servers.entries())
      keepList(storage, { uri: this.#listOf(at), owner: aorOf("ann"), members: NAMES.map(aorOf) });
  }

  async run(step: Step): Promise<void> {
    const { time, network } = this.domain;
    switch (step.kind) {
      case "burst":
        for (const act of step.acts) void this.#act(act);
        return time.advance(step.thenMs);
      case "cut": {
        const [from, to] = [this.server(step.at).id, this.server((step.at + 1) % 3).id];
        network.links.cut(from, to);
        time.after(step.ms, () => network.links.heal(from, to));
        return;
      }
      default:
        return this.weather.blow(step);
    }
  }

  server(at: number): SimulatedServer {
    return this.weather.servers[at] as SimulatedServer;
  }

  /** The server that has a user. */
  ownerOf(user: Aor): number {
    return this.weather.servers.findIndex(({ locator }) => locator.owned(user) !== undefined);
  }

  notifiesTo({ phone, dialog }: Watching): SipRequest[] {
    return phone.notifies(dialog.event).filter(({ headers }) => headers.get("Call-ID") === dialog.callId);
  }

  /** What the server that has a user, or any where nobody has, tells who asks now. */
  async truthOf(user: Aor): Promise<string> {
    const phone = this.domain.phone("asker", this.server(Math.max(0, this.ownerOf(user))));
    await this.domain.time.until(phone.subscribe(user, { expires: 0 }));
    await this.domain.time.advance(1000);
    return presenceTold(phone.notifies("presence"))[0] as string;
  }

  async #act({ kind, at, name, to }: Act): Promise<void> {
    const [phone, device] = [this.#phone(name, at), this.#device(name, at)];
    const own = aorOf(name);
    switch (kind) {
      case "publish": {
        const { status } = await phone.publish(String(++this.#count));
        if (status === 412) await phone.publish(String(++this.#count), { initial: true });
        return;
      }
      case "unpublish": {
        const { entityTag: ifMatch } = phone;
        phone.entityTag = undefined;
        if (ifMatch !== undefined) await phone.publish(undefined, { expires: 0, ifMatch });
        return;
      }
      case "register":
      case "unregister":
        return void device.client.send(device.registration(kind === "register" ? 3600 : 0));
      case "presence":
        return this.#watch(kind, phone, at, aorOf(to));
      case "list":
        return this.#watch(kind, this.#phone("ann", at), at, this.#listOf(at), [["Supported", "eventlist"]]);
      case "watchers":
        return this.#watch(kind, phone, at, own, [], "presence.winfo");
      case "contacts":
        return this.#watch(kind, phone, at, own, [], "reg");
      case "refresh":
      case "end": {
        const watching = this.watchings.filter((each) => each.at === at && each.state === "up").at(to.length % 3);
        if (watching === undefined) return;
        if (kind === "end") watching.state = "ending";
        const { status } = await watching.phone.resubscribe(watching.dialog, kind === "end" ? 0 : 3600);
        if (status === 481 || (kind === "end" && status === 200)) watching.state = "over";
      }
    }
  }

  async #watch(kind: Kind, phone: Phone, at: number, to: Aor, headers: [string, string][] = [], event?: string) {
    const asked = phone.subscribe(to, { headers, ...(event === undefined ? {} : { event }) });
    const { status, dialog } = await asked;
    if (status === 200) this.watchings.push({ kind, phone, at, dialog, state: "up" });
  }

  #phone(name: string, at: number): Phone {
    return known(this.#phones, `${name} ${at}`, () => this.domain.phone(name, this.server(at)));
  }

  #device(name: string, at: number): Device {
    return known(this.#devices, `${name} ${at}`, () => this.domain.device(name, this.server(at)));
  }

  #listOf(at: number): Aor {
    return aorOf(`list${at}`);
  }
}

function known<Value>(values: Map<string, Value>, key: string, make: () => Value): Value {
  const value = values.get(key) ?? make();
  values.set(key, value);
  return value;
}

/** A user is where something is said of them, there alone, and what is on disk is what holds. */
function expectUsersInPlace(bursts: Bursts): void {
  for (const name of NAMES) {
    const user = aorOf(name);
    for (const { locator, registrar, storage, name: server } of bursts.weather.servers) {
      const contacts = registrar.contactsOf(user).map(({ uri }) => uri);
      const kept = [...storage.contacts.list()].filter(({ aor }) => aor === user);
      expect(
        kept.map(({ uri }) => uri),
        `contacts of ${name} on disk at ${server}`,
      ).to.have.members(contacts);
      const isThere = contacts.length + storage.publications.of(user).length > 0;
      expect(locator.owned(user) !== undefined, `${name} is owned by ${server}`).to.equal(isThere);
    }
  }
}

describe("subscriptions of all kinds in bursts of requests, over moves, restarts and broken links", function () {
  this.timeout(stormTimeoutMs);

  it("tell their clients the truth in the end, and leave nothing behind", async () => {
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(stepArb, { minLength: 1, maxLength: 20 }), async (isBusy, steps) => {
        const bursts = new Bursts(isBusy);
        const { time } = bursts.domain;
        for (const step of steps) await bursts.run(step);
        await bursts.weather.allUp();
        await time.advance(120_000);
        expectUsersInPlace(bursts);

        const truth = new Map<string, string>();
        for (const name of NAMES) truth.set(name, await bursts.truthOf(aorOf(name)));
        const isLive = ({ state }: Watching) => state !== "over";
        for (const watching of bursts.watchings) {
          const { kind, at, dialog, phone } = watching;
          const notifies = bursts.notifiesTo(watching);
          const states = notifies.map(({ headers }) => headers.get("Subscription-State")?.split(";expires")[0]);
          const log = `${kind} of ${dialog.to} at ${at}: ${states.join(" ")}`;
          if (!isLive(watching)) continue;
          expect(notifies, log).to.not.have.length(0);
          // Who watches is for the user to ask where the user is.
          if (kind === "watchers" && states.at(-1) === "terminated;reason=deactivated") continue;
          const owner = bursts.ownerOf(dialog.to);
          const shown = TABLES[kind](notifies.filter(({ body }) => body.length > 0));
          const name = dialog.to.slice("sip:".length).split("@")[0] as string;
          switch (kind) {
            case "presence":
              expect(shown, log).to.deep.equal([truth.get(name)]);
              break;
            case "list":
              expect(shown, log).to.deep.equal([...truth].map(([member, seen]) => `${member} ${seen}`).toSorted());
              break;
            case "contacts":
              expect(shown, log).to.deep.equal(
                bursts
                  .server(at)
                  .registrar.registrationsOf(dialog.to)
                  .map(({ uri }) => uri)
                  .toSorted(),
              );
              break;
            case "watchers": {
              expect(states.at(-1), log).to.equal(owner === at ? "active" : "pending");
              const watchers = bursts.watchings.filter(
                (each) =>
                  isLive(each) && (each.kind === "list" || (each.kind === "presence" && each.dialog.to === dialog.to)),
              );
              if (owner === at)
                expect(shown, log).to.deep.equal(watchers.map((each) => `${each.phone.aor} active`).toSorted());
            }
          }
          expect((await time.until(phone.resubscribe(dialog))).status, log).to.equal(200);
        }

        for (const { phone, dialog } of bursts.watchings.filter(isLive)) await time.until(phone.resubscribe(dialog, 0));
        // What another server has not heard of for want of a link ends with its time.
        await time.advance(3_700_000);
        for (const { presence, storage } of bursts.weather.servers) {
          expect(presence.status()).to.deep.include({ watchers: 0, peerSubscriptions: 0, views: {} });
          expect([...storage.subscriptions.list()]).to.deep.equal([]);
        }
      }),
      stormParameters(20),
    );
  });
});
