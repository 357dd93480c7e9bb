import type { Aor } from "../../../dht-schema/aor.ts";
import { limits } from "../../../node/runtime/limits.ts";
import type { SipRequest } from "../../../node/sip/message/message.ts";
import { openMemoryStorage } from "../../../node/storage/storage.ts";
import { RELINK_MS } from "../../helpers/mesh-links.ts";
import type { SimulatedServer } from "../../helpers/simulated-domain.ts";
import type { Passage } from "../../helpers/sip-network.ts";
import { StormyServers } from "../../helpers/storm.ts";
import type { Line } from "./storm-handsets.ts";
import { Handsets, RECIPIENTS } from "./storm-handsets.ts";
import { identityOf, StormRecord, textIn } from "./storm-record.ts";
import { Senders } from "./storm-senders.ts";
import type { Step } from "./storm-steps.ts";
import type { WatchedDisk } from "./watched-disk.ts";
import { watchDisk } from "./watched-disk.ts";

/** How the last request with a message came to a server. */
interface Arrival {
  /** What the server holds of its own accord or for the owner: only behind these. */
  readonly isToQueue: boolean;
  readonly isHeld: boolean;
  readonly waiting: readonly string[];
}

/** Three servers, users with handsets who come and go, senders who write to them, and a record of all that. */
export class MessageStorm {
  readonly weather: StormyServers;
  readonly record: StormRecord;
  readonly #handsets: Handsets;
  readonly #senders: Senders;
  readonly #disks = new Map<unknown, WatchedDisk>();
  /** How each message came to each server last. */
  readonly #arrivals = new Map<string, Arrival>();

  constructor() {
    const openDisk = () => {
      const disk = watchDisk(openMemoryStorage());
      this.#disks.set(disk.storage, disk);
      return disk.storage;
    };
    const began = (at: number) => {
      this.record.note(`server ${this.#server(at).name} is started or replaced`);
      this.record.ended(this.#server(at).name);
    };
    this.weather = new StormyServers(began, { openDisk, isGentle: false });
    const { network, time } = this.weather.domain;
    this.record = new StormRecord(time);
    this.#handsets = new Handsets(this.weather, this.record);
    this.#senders = new Senders(this.weather, this.record);
    network.onSend = (passage) => this.#sent(passage);
    network.onReceived = (passage) => this.#received(passage);
  }

  async run(step: Step): Promise<void> {
    switch (step.kind) {
      case "register":
        return this.#handsets.register(step.handset, step.at);
      case "refresh":
        return this.#handsets.refresh(step.handset);
      case "unregister":
        return this.#handsets.unregister(step.handset);
      case "behave":
        return this.#handsets.behave(step.handset, step.manner);
      case "write":
        for (let i = 0; i < step.times; i++) this.#senders.write({ ...step, to: RECIPIENTS[step.to]! });
        return;
      case "cut":
        return this.#cut(step.from, step.to, step.bothWays, step.ms);
      case "leave":
        return this.#leave(step.at);
      case "restart":
        if (!this.weather.isUp(step.at)) return;
        this.record.note(`server ${this.#server(step.at).name} ${step.inOrder ? "stops" : "is killed"}`);
        this.record.ended(this.#server(step.at).name, { isKilled: !step.inOrder });
        await this.weather.blow(step);
        return this.record.ended(this.#server(step.at).name);
      case "find-old":
        return this.#handsets.findOld(this.#server(step.at), RECIPIENTS[step.user]!);
      case "lose-leases":
        this.record.note(`server ${this.#server(step.at).name} loses its leases`);
        return this.weather.blow(step);
      case "wait":
        return this.weather.domain.time.advance(step.ms);
    }
  }

  /** Every user is somewhere, and answers. */
  async begin(): Promise<void> {
    this.#handsets.register(0, 0);
    this.#handsets.register(2, 1);
    await this.weather.domain.time.advance(100);
  }

  /** The storm is over: all servers are up, all links too, and every user is there and answers. */
  async end(at: number): Promise<void> {
    const { time } = this.weather.domain;
    // Longer than any cut, and than senders wait for an answer.
    await time.advance(60_000);
    await this.weather.allUp();
    this.record.note("the storm is over");
    for (let index = 0; index < this.#handsets.count; index++) this.#handsets.behave(index, { kind: "answers" });
    await time.advance(120_000);
    const { directory } = this.weather.domain;
    const comers = RECIPIENTS.filter((user) => directory.ownerOf(user)?.owner !== this.#server(at).locator);
    for (let index = 0; index < this.#handsets.count; index++) {
      this.#handsets.register(index, at);
      await time.advance(1_000);
      if (!this.#handsets.isThere(index)) this.record.fault("-", `handset ${index} cannot register`);
    }
    await time.advance(1_000);
    // Who has just come is noticed at once, wherever their messages are; who was here already, by this server.
    for (const user of RECIPIENTS)
      for (const server of comers.includes(user) ? this.weather.servers : [this.#server(at)])
        for (const text of this.#waitingFor(server, user))
          this.record.fault(text, `it waits at ${server.name} though its user has come to ${this.#server(at).name}`);
    // Longer than the longest pause between two attempts to deliver.
    await time.advance(700_000);
  }

  /** What waits on the disk of a server, of whichever users. */
  waitingAt(server: SimulatedServer): string[] {
    return RECIPIENTS.flatMap((user) => this.#waitingFor(server, user));
  }

  #server(at: number): SimulatedServer {
    return this.weather.servers[at]!;
  }

  #waitingFor(server: SimulatedServer, user: string): readonly string[] {
    return this.#disks.get(server.storage)!.waitingFor(user);
  }

  #cut(from: number, to: number, bothWays: boolean, ms: number): void {
    if (from === to) return;
    const [a, b] = [this.#server(from).id, this.#server(to).id];
    const { domain } = this.weather;
    const ways = bothWays ? [[a, b] as const, [b, a] as const] : [[a, b] as const];
    this.record.note(`the link ${a} → ${b} is cut${bothWays ? ", both ways" : ""}, for ${ms} ms`);
    this.record.troubles.push({ fromMs: this.record.nowMs, untilMs: this.record.nowMs + ms + RELINK_MS });
    for (const [sender, receiver] of ways) domain.network.links.cut(sender, receiver);
    domain.time.after(ms, () => {
      for (const [sender, receiver] of ways) domain.network.links.heal(sender, receiver);
      this.record.note(`the link ${a} → ${b} heals`);
    });
  }

  #leave(at: number): void {
    const { weather } = this;
    if (weather.isLeaving || !weather.isUp(at)) return;
    this.record.note(`server ${this.#server(at).name} leaves for good`);
    this.record.ended(this.#server(at).name);
    this.#disks.get(this.#server(at).storage)!.beginClearance();
    weather.leave(at);
  }

  #received({ to, request }: Passage): void {
    const server = this.#serverNamed(to);
    if (request.method !== "MESSAGE" || server === undefined) return;
    const [text, user] = [textIn(request), userOf(request)];
    const name = request.headers.get("Aorta-Message");
    const isToQueue =
      request.headers.get("Expires") !== "0" && (name === undefined || server.locator.owned(user) !== undefined);
    const waiting = this.#queueAt(server, user);
    const isHeld = name?.endsWith(";held") === true;
    this.#arrivals.set(`${to} ${text}`, { isToQueue, isHeld, waiting });
    if (name !== undefined) this.record.note(`${to} gets it${isHeld ? " as held" : ""}`, text);
  }

  #sent({ from, to, request }: Passage): void {
    const server = this.#serverNamed(from);
    if (request.method !== "MESSAGE" || server === undefined) return;
    const [text, user] = [textIn(request), userOf(request)];
    const waiting = this.#waitingFor(server, user);
    const arrival = this.#arrivals.get(`${from} ${text}`);
    const isWaiting = waiting.includes(text);
    const receiver = this.#serverNamed(to);
    const queueThere = receiver === undefined ? [] : this.#waitingFor(receiver, user);
    const overtaken = (
      isWaiting
        ? waiting.slice(0, waiting.indexOf(text))
        : this.#queueAt(server, user).filter((each) => arrival?.waiting.includes(each) && !queueThere.includes(each))
    ).filter((each) => !this.#isBorneNoLonger(each));
    if (overtaken.length > 0 && (isWaiting || arrival?.isToQueue === true))
      this.record.fault(text, `${from} sends it before ${overtaken.join(", ")}, which waits`);
    const line = this.#handsets.lineAt(to);
    this.record.note(`${from} sends it to ${line?.handset.name ?? to}`, text);
    if (line !== undefined) this.#sentTo(line, server, request, isWaiting || arrival?.isHeld === true);
  }

  /** Whether handsets have not taken a message for so long that others may go past it. */
  #isBorneNoLonger(text: string): boolean {
    const sinceMs = this.record.nowMs - limits.messaging.heldBorneMs;
    return this.record.copies.some(({ written, sentAtMs }) => written.text === text && sentAtMs <= sinceMs);
  }

  /** A server sends a message to a handset. */
  #sentTo(line: Line, { name }: SimulatedServer, request: SipRequest, isHeld: boolean): void {
    const text = textIn(request);
    const written = this.record.written.find((each) => each.text === text)!;
    const { handset } = line;
    const to = line.client.aor;
    this.record.copies.push({
      ...{ written, to, identity: identityOf(request), handset: handset.name, server: name, isHeld },
      sentAtMs: this.record.nowMs,
    });
    if (line.goneAtMs < this.record.nowMs)
      this.record.fault(text, `${name} sends it to ${handset.name}, which has gone from there`);
  }

  /** What a user's next message has to queue behind at a server: what waits there, and what it has handed on when it leaves. */
  #queueAt(server: SimulatedServer, user: string): readonly string[] {
    if (this.weather.isUp(this.weather.servers.indexOf(server))) return this.#waitingFor(server, user);
    const waiting = new Set([server, ...this.weather.servers].flatMap((each) => this.#waitingFor(each, user)));
    return this.#disks
      .get(server.storage)!
      .clearedFor(user)
      .filter((text) => waiting.has(text));
  }

  /** The server of a name whose process runs. */
  #serverNamed(name: string): SimulatedServer | undefined {
    return this.weather.servers.find(({ id }) => id === name);
  }
}

function userOf({ uri }: SipRequest): Aor {
  return uri as Aor;
}
