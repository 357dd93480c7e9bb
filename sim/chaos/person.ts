import type { SipOutcome } from "../../node/softphone/outcome.ts";
import { isSuccess } from "../../node/softphone/outcome.ts";
import { Softphone } from "../../node/softphone/softphone.ts";
import { machineMs } from "./journal.ts";
import type { Act, Place } from "./plan.ts";
import type { Sightings } from "./sightings.ts";
import { formatNote } from "./sightings.ts";
import type { SipPorts } from "./swarm.ts";
import { DOMAIN } from "./swarm.ts";

/** The world of a person. */
export interface PersonContext {
  readonly sightings: Sightings;
  /** How long a person waits for one answer, ms. */
  readonly patienceMs: number;
  portsOf(place: Place): SipPorts;
  nameAt(place: Place): string;
}

/** One switched-on phone. */
interface Device {
  readonly id: string;
  readonly place: Place;
  readonly softphone: Softphone;
}

const transports = ["UDP", "TCP", "WS"] as const;
const noAnswer: SipOutcome = { status: 0, reason: "no answer in time" };

/** `sip:alice@example.com` */
export function aorOf(user: string): string {
  return `sip:${user}@${DOMAIN}`;
}

/** Connects a softphone to a place; the transport is chosen by a number, so that all are in use. @throws when nobody listens there */
export function openSoftphone(user: string, ports: SipPorts, choice: number): Promise<Softphone> {
  const transport = transports[choice % transports.length] as (typeof transports)[number];
  const port = transport === "WS" ? ports.ws : ports.sip;
  return Softphone.open({ aor: aorOf(user), server: { transport, host: "127.0.0.1", port } });
}

/** The answer, or `noAnswer` when it does not come in time. Never rejects. */
export function within(ms: number, answer: Promise<SipOutcome>): Promise<SipOutcome> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(noAnswer), ms);
    answer
      .catch((error: Error): SipOutcome => ({ status: 503, reason: error.message }))
      .then((outcome) => {
        clearTimeout(timer);
        resolve(outcome);
      }, resolve);
  });
}

/** Somebody with phones, who wanders from server to server; every phone is a real SIP client. */
export class Person {
  readonly user: string;
  readonly #context: PersonContext;
  readonly #devices = new Set<Device>();
  #home: Device | undefined;
  /** A new phone goes elsewhere: what the old one has published at its server would otherwise be seen beside the new. */
  #lastPlace: Place | undefined;
  #busy = false;
  #phones = 0;
  #publications = 0;
  #messages = 0;
  #signedOff = true;

  constructor(user: string, context: PersonContext) {
    this.user = user;
    this.#context = context;
  }

  /** Where the phone in use is registered. */
  get home(): Place | undefined {
    return this.#home?.place;
  }

  get wantsToBeOnline(): boolean {
    return !this.#signedOff;
  }

  /** Number of the publication that watchers should see. */
  get lastPublication(): number {
    return this.#publications;
  }

  /** Does it, unless the person still does something else; a message can be written at any time. */
  async act(act: Act): Promise<void> {
    if (act.kind === "message") return this.message(act.to).then(() => {});
    if (this.#busy) return;
    this.#busy = true;
    try {
      if (act.kind === "sign-off") await this.#signOff();
      else await this.#go(act.kind === "race" ? 2 : 1, act.places);
    } finally {
      this.#busy = false;
    }
  }

  /** Resolves when nothing is under way. */
  async untilIdle(): Promise<void> {
    while (this.#busy) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Registers at the first place that takes the person; false when none of the first four does. */
  async register(places: readonly Place[]): Promise<boolean> {
    await this.untilIdle();
    await this.act({ kind: "move", places });
    return this.#home !== undefined;
  }

  /** Writes to somebody from the phone in use; the status of the answer, `undefined` without a phone. */
  async message(to: string): Promise<number | undefined> {
    const device = this.#home;
    if (device === undefined) return undefined;
    const id = `${this.user}-${++this.#messages}`;
    const askedAtMs = machineMs();
    const { patienceMs, sightings, nameAt } = this.#context;
    const server = nameAt(device.place);
    const { status } = await within(patienceMs, device.softphone.sendMessage(aorOf(to), id));
    sightings.messages.push({ id, from: this.user, to, server, askedAtMs, answeredAtMs: machineMs(), status });
    return status;
  }

  /** Switches everything off, without a word. */
  abandon(): void {
    for (const device of this.#devices) this.#switchOff(device);
  }

  async #go(atOnce: number, wanted: readonly Place[]): Promise<void> {
    const places = wanted.filter((place) => place !== this.#lastPlace);
    for (let tried = 0; tried < Math.min(places.length, 4); tried += atOnce) {
      const some = places.slice(tried, tried + atOnce);
      const devices = await Promise.all(some.map((place) => this.#registerAt(place)));
      // Of two that were accepted the one that was answered last has taken the user over.
      const registered = devices.flatMap((device) => device ?? []).sort((a, b) => a.answeredAtMs - b.answeredAtMs);
      const last = registered.pop();
      if (last === undefined) continue;
      const before = this.#home;
      this.#home = last.device;
      this.#lastPlace = last.device.place;
      for (const { device } of registered) this.#switchOff(device);
      await this.#publish(last.device);
      if (before !== undefined) this.#switchOff(before);
      return;
    }
  }

  /** A new phone, so a new Call-ID: a choice, no refresh. */
  async #registerAt(place: Place): Promise<{ device: Device; answeredAtMs: number } | undefined> {
    const { sightings, patienceMs } = this.#context;
    const askedAtMs = machineMs();
    const note = (status: number) => {
      const answeredAtMs = machineMs();
      sightings.registrations.push({ user: this.user, place, askedAtMs, answeredAtMs, status });
      return answeredAtMs;
    };
    const device = await this.#switchOn(place).catch(() => undefined);
    if (device === undefined) return void note(503);
    const outcome = await within(patienceMs, device.softphone.register());
    const answeredAtMs = note(outcome.status);
    if (isSuccess(outcome)) {
      const signOff = sightings.signOffs.findLast(({ user }) => user === this.user);
      if (this.#signedOff && signOff !== undefined) signOff.toMs = askedAtMs;
      this.#signedOff = false;
      return { device, answeredAtMs };
    }
    this.#switchOff(device);
    return undefined;
  }

  async #switchOn(place: Place): Promise<Device> {
    const number = ++this.#phones;
    const { sightings, portsOf } = this.#context;
    const softphone = await openSoftphone(this.user, portsOf(place), number);
    const device: Device = { id: `${this.user}#${number}`, place, softphone };
    softphone.onMessage(({ text }) => sightings.deliveries.push({ id: text, phone: device.id, atMs: machineMs() }));
    this.#devices.add(device);
    return device;
  }

  #switchOff(device: Device): void {
    this.#devices.delete(device);
    void device.softphone.vanish().catch(() => {});
  }

  async #publish({ softphone, place }: Device): Promise<void> {
    const number = ++this.#publications;
    const askedAtMs = machineMs();
    const published = softphone.publishPresence({ basic: "open", note: formatNote({ number, place }) });
    const { status } = await within(this.#context.patienceMs, published);
    const answeredAtMs = machineMs();
    this.#context.sightings.publications.push({ user: this.user, number, askedAtMs, answeredAtMs, status });
  }

  async #signOff(): Promise<void> {
    const device = this.#home;
    if (device === undefined) return;
    this.#signedOff = true;
    this.#context.sightings.signOffs.push({ user: this.user, fromMs: machineMs(), toMs: Infinity });
    this.#home = undefined;
    this.#devices.delete(device);
    await device.softphone.close().catch(() => {});
  }
}
