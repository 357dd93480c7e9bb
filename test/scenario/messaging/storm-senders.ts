import type { Aor } from "../../../dht-schema/aor.ts";
import { createRequest } from "../../../node/sip/message/build.ts";
import { randomCallId, randomTag } from "../../../node/sip/message/tags.ts";
import type { SimulatedServer } from "../../helpers/simulated-domain.ts";
import type { StormyServers } from "../../helpers/storm.ts";
import { RestlessDevice } from "./restless-device.ts";
import type { StormRecord, Written } from "./storm-record.ts";
import { identityOf } from "./storm-record.ts";

const SENDERS = ["joe", "jane", "jill"] as const;
/** Of who gets no answer. */
const ATTEMPTS = 3;

/** What a sender wants to be brought, however often it takes. */
interface Wish {
  readonly id: string;
  readonly sender: number;
  /** The server that is tried first; then the next. */
  readonly at: number;
  readonly to: Aor;
  readonly isUrgent: boolean;
}

/** Clients that write, each at any server, and write again at the next one where they get no final answer. */
export class Senders {
  readonly #weather: StormyServers;
  readonly #record: StormRecord;
  readonly #clients = new Map<string, RestlessDevice>();
  #count = 0;

  constructor(weather: StormyServers, record: StormRecord) {
    this.#weather = weather;
    this.#record = record;
  }

  /** Whether it is heard of or not does not keep the storm. */
  write(wish: Omit<Wish, "id">): void {
    this.#count += 1;
    this.#attempt({ ...wish, id: `m${this.#count}` }, 1);
  }

  #attempt(wish: Wish, attempt: number): void {
    const { sender, to, isUrgent, id } = wish;
    const server = this.#weather.servers[(wish.at + attempt - 1) % this.#weather.servers.length]!;
    const text = attempt === 1 ? id : `${id}.${attempt}`;
    const client = this.#clientAt(sender, server);
    const request = createRequest({
      ...{ method: "MESSAGE", uri: to, from: `<${client.aor}>;tag=${randomTag()}`, to: `<${to}>` },
      ...{ callId: randomCallId(), body: text },
      headers: [["Content-Type", "text/plain"], ...(isUrgent ? [["Expires", "0"] as const] : [])],
    });
    const record = this.#record;
    const written: Written = {
      ...{ text, to, identity: identityOf(request), sentAtMs: record.nowMs },
      server: server.name,
    };
    record.written.push(written);
    record.note(`${SENDERS[sender]} writes to ${to} at ${server.name}${isUrgent ? ", now or never" : ""}`, text);
    void client.send(request).then(({ status, headers }) => {
      const isFinal = !headers.has("Aorta-Local");
      written.answer = { status: isFinal ? status : 0, atMs: record.nowMs };
      record.note(`${SENDERS[sender]} hears ${isFinal ? status : "nothing"}`, text);
      if (!isFinal && attempt < ATTEMPTS) this.#attempt(wish, attempt + 1);
      const isTaken = record.copies.some((copy) => copy.written === written && copy.answer?.status === 200);
      if (status === 200 && !isTaken) record.fault(text, "200 before a device has taken it");
    });
  }

  #clientAt(sender: number, { id }: SimulatedServer): RestlessDevice {
    const key = `${sender} ${id}`;
    const { domain } = this.#weather;
    const client = this.#clients.get(key) ?? new RestlessDevice(domain, SENDERS[sender]!, domain.network.client(id));
    this.#clients.set(key, client);
    return client;
  }
}
