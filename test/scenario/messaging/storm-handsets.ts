import type { Aor } from "../../../dht-schema/aor.ts";
import type { Location } from "../../../node/federation/locator.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import type { IncomingRequest } from "../../../node/sip/stack.ts";
import type { SimulatedServer } from "../../helpers/simulated-domain.ts";
import type { StormyServers } from "../../helpers/storm.ts";
import { RestlessDevice } from "./restless-device.ts";
import type { StormRecord } from "./storm-record.ts";
import { textIn } from "./storm-record.ts";
import type { Manner } from "./storm-steps.ts";

/** By number: who has it. */
const HANDSETS = [
  { name: "bob0", user: "bob" },
  { name: "bob1", user: "bob" },
  { name: "carol0", user: "carol" },
] as const;

/** Users who are written to. */
export const RECIPIENTS = ["sip:bob@example.com", "sip:carol@example.com"] as Aor[];

/** A handset as one server knows it. */
export interface Line {
  readonly handset: Handset;
  readonly client: RestlessDevice;
  readonly server: string;
  /** Since when its user is certainly not here any more. */
  goneAtMs: number;
}

/** A device of a user that registers at one server after the other. */
export interface Handset {
  readonly name: string;
  readonly user: string;
  manner: Manner;
  /** By server. */
  readonly lines: Map<string, Line>;
  /** Where it registered last, and whether it is known to be there. */
  last: Line | undefined;
  isThere: boolean;
}

/** Handsets of users who come and go. */
export class Handsets {
  readonly #weather: StormyServers;
  readonly #record: StormRecord;
  readonly #handsets: readonly Handset[] = HANDSETS.map(({ name, user }) => ({
    ...{ name, user, manner: { kind: "answers" }, lines: new Map(), last: undefined, isThere: false },
  }));
  /** Users of whom a REGISTER is on its way: a person does one thing at a time. */
  readonly #busy = new Set<string>();
  /** By the address that requests to it go to. */
  readonly #lines = new Map<string, Line>();
  /** Where users were before they moved. */
  readonly #before = new Map<Aor, Location & { readonly kind: "server" }>();

  constructor(weather: StormyServers, record: StormRecord) {
    this.#weather = weather;
    this.#record = record;
  }

  /** How many there are. */
  get count(): number {
    return this.#handsets.length;
  }

  isThere(index: number): boolean {
    return this.#handsets[index]!.isThere;
  }

  lineAt(address: string): Line | undefined {
    return this.#lines.get(address);
  }

  behave(index: number, manner: Manner): void {
    const handset = this.#handsets[index]!;
    handset.manner = manner;
    this.#record.note(`${handset.name} ${"status" in manner ? `refuses with ${manner.status}` : manner.kind}`);
  }

  /** A server finds a user where they were before, the next time. */
  findOld({ name, locator }: SimulatedServer, user: Aor): void {
    const before = this.#before.get(user);
    if (before === undefined) return;
    this.#record.note(`${name} finds ${user} where they were before, at ${before.server}, the next time`);
    locator.believe(user, before.server === locator.self ? { kind: "here", epoch: before.epoch } : before);
  }

  /** A person signs on with a handset, which ends what is registered elsewhere. */
  register(index: number, at: number): void {
    const handset = this.#handsets[index]!;
    if (this.#busy.has(handset.user)) return;
    const line = this.#lineOf(handset, this.#weather.servers[at]!);
    line.client.restart();
    this.#sendRegister(line, 3600);
  }

  refresh(index: number): void {
    const { user, last } = this.#handsets[index]!;
    if (last !== undefined && !this.#busy.has(user)) this.#sendRegister(last, 3600);
  }

  unregister(index: number): void {
    const { user, last } = this.#handsets[index]!;
    if (last !== undefined && !this.#busy.has(user)) this.#sendRegister(last, 0);
  }

  #sendRegister(line: Line, expires: number): void {
    const { handset } = line;
    const aor = line.client.aor;
    const ownership = this.#weather.domain.directory.ownerOf(aor);
    if (ownership !== undefined && ownership.owner.self !== line.server)
      this.#before.set(aor, { kind: "server", server: ownership.owner.self, epoch: ownership.epoch });
    const before = line.goneAtMs;
    this.#busy.add(handset.user);
    handset.last = line;
    if (expires > 0) line.goneAtMs = Infinity;
    void line.client.register(expires).then(({ status, headers }) => {
      this.#busy.delete(handset.user);
      handset.isThere = status === 200 && expires > 0;
      const heard = headers.has("Aorta-Local") ? "hears nothing" : `hears ${status}`;
      this.#record.note(`${handset.name} ${heard} to its ${expires > 0 ? "" : "un-"}REGISTER at ${line.server}`);
      if (status === 200 && expires === 0) line.goneAtMs = this.#record.nowMs;
      else if (status === 200) this.#cameTo(handset.user, line.server);
      // What was refused has changed nothing.
      else if (!headers.has("Aorta-Local") && status < 500) line.goneAtMs = Math.min(line.goneAtMs, before);
    });
  }

  #cameTo(user: string, server: string): void {
    for (const line of this.#lines.values())
      if (line.handset.user === user && line.server !== server)
        line.goneAtMs = Math.min(line.goneAtMs, this.#record.nowMs);
  }

  #lineOf(handset: Handset, { id, name }: SimulatedServer): Line {
    const known = handset.lines.get(name);
    if (known !== undefined) return known;
    const { domain } = this.#weather;
    const client = new RestlessDevice(domain, handset.user, domain.network.client(id));
    const line: Line = { handset, client, server: name, goneAtMs: Infinity };
    handset.lines.set(name, line);
    this.#lines.set(client.client.name, line);
    client.client.onRequest((incoming) => this.#given(line, incoming));
    return line;
  }

  /** A handset gets a message. */
  #given({ handset }: Line, incoming: IncomingRequest): void {
    const text = textIn(incoming.request);
    const copy = this.#record.copies.findLast((each) => each.written.text === text && each.handset === handset.name)!;
    const answer = (status: number): void => {
      copy.answer = { status, atMs: this.#record.nowMs };
      this.#record.note(`${handset.name} answers ${status}`, text);
      incoming.respond(createResponse(incoming.request, status));
    };
    const { manner } = handset;
    if (manner.kind === "answers") answer(200);
    else if (manner.kind === "refuses") answer(manner.status);
    else if (manner.kind === "thinks") this.#weather.domain.time.after(manner.ms, () => answer(200));
  }
}
