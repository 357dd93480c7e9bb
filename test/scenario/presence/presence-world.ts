import type { Aor } from "../../../dht-schema/aor.ts";
import { parseAor } from "../../../dht-schema/aor.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { createEdge } from "../../../node/federation/edge.ts";
import type { PresenceServer } from "../../../node/presence/presence-server.ts";
import type { PresenceOptions } from "../../../node/presence/server/create-presence-server.ts";
import { createPresenceServer } from "../../../node/presence/server/create-presence-server.ts";
import { overallBasic, parseComposedPidf, tuplesOf } from "../../../node/presence/pidf/pidf-document.ts";
import { childElements, textOf } from "../../../node/presence/pidf/xml-tree.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import type { Counters } from "../../../node/runtime/metrics.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import { createRequest, createResponse, tagOf } from "../../../node/sip/message/build.ts";
import { parseSubscriptionState } from "../../../node/sip/message/event.ts";
import type { SipRequest, SipResponse } from "../../../node/sip/message/message.ts";
import { randomTag } from "../../../node/sip/message/tags.ts";
import { MemoryContacts } from "../../helpers/memory-contacts.ts";
import { SimulatedDirectory } from "../../helpers/simulated-locator.ts";
import type { SimulatedLocator } from "../../helpers/simulated-locator.ts";
import type { ServerStack, SipClient } from "../../helpers/sip-network.ts";
import { SipNetwork } from "../../helpers/sip-network.ts";
import { VirtualTime } from "../../helpers/virtual-time.ts";
import { pidfText } from "../../unit/presence/documents.ts";

export const DOMAIN = "example.com";

/** Several servers of one domain with a directory, a mesh and clients, on virtual time: the edge and the presence server are the real ones. */
export class PresenceWorld {
  readonly time = new VirtualTime();
  readonly network = new SipNetwork(this.time);
  readonly directory = new SimulatedDirectory(this.time);
  readonly #options: PresenceOptions;
  readonly #linkListeners: ((server: ServerId) => void)[] = [];

  constructor(options: PresenceOptions = {}) {
    this.#options = options;
  }

  server(name: string): TestServer {
    const locator = this.directory.join(name);
    const stack = this.network.server(locator.self);
    const contacts = new MemoryContacts();
    const counters = createCounters();
    const presence = createPresenceServer(
      {
        stack,
        locator,
        contacts,
        counters,
        links: {
          onUp: (listener) => {
            this.#linkListeners.push(listener);
            return () => {};
          },
        },
        clock: this.time,
        timers: this.time,
        // A fixed fraction: what is random in production only spreads load.
        random: () => 0.5,
        logger: silentLogger,
        contactFor: () => `sip:${name}@127.0.0.1:5060`,
      },
      this.#options,
    );
    createEdge({
      stack,
      self: locator.self,
      domain: DOMAIN,
      authenticator: "none",
      logger: silentLogger,
      counters,
      services: {
        publish: presence.handlePublish,
        subscribe: presence.handleSubscribe,
        notify: presence.handleNotify,
        register: (incoming) => incoming.respond(createResponse(incoming.request, 501)),
        message: (incoming) => incoming.respond(createResponse(incoming.request, 501)),
        options: (incoming) => incoming.respond(createResponse(incoming.request, 501)),
        invite: (incoming) => incoming.respond(createResponse(incoming.request, 501)),
        follow: () => false,
      },
    });
    presence.start();
    return { name, locator, stack, contacts, counters, presence };
  }

  phone(user: string, server: TestServer): Phone {
    return new Phone(parseAor(`sip:${user}@${DOMAIN}`), server, this.network.client(server.locator.self));
  }

  /** All servers learn that they can reach this one again. */
  linkUp(server: TestServer): void {
    for (const listener of this.#linkListeners) listener(server.locator.self);
  }

  /** The process is killed. */
  kill(server: TestServer): void {
    this.network.kill(server.locator.self);
    server.locator.kill();
  }

  /** Requests of one method that went from server to server. */
  crossed(method: string): SipRequest[] {
    return this.network.log
      .filter(({ from, to, request }) => request.method === method && this.#isServer(from) && this.#isServer(to))
      .map(({ request }) => request);
  }

  #isServer(name: string): boolean {
    return this.directory.locators.has(name as ServerId);
  }
}

export interface TestServer {
  readonly name: string;
  readonly locator: SimulatedLocator;
  readonly stack: ServerStack;
  readonly contacts: MemoryContacts;
  readonly counters: Counters;
  readonly presence: PresenceServer;
}

/** What one NOTIFY told a watcher. */
export interface Seen {
  /** Subscription-State without parameters. */
  readonly state: string;
  readonly reason?: string;
  readonly basic: string;
  /** Notes of the tuples, joined. */
  readonly note: string;
}

/** A subscription as its watcher holds it. */
export interface Dialog {
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  readonly to: Aor;
  cseq: number;
}

/** One client of one server. */
export class Phone {
  readonly aor: Aor;
  readonly client: SipClient;
  readonly server: TestServer;
  readonly #seen: Seen[] = [];
  #read = 0;
  entityTag: string | undefined;

  constructor(aor: Aor, server: TestServer, client: SipClient) {
    this.aor = aor;
    this.server = server;
    this.client = client;
    client.onRequest((incoming) => {
      this.#seen.push(readNotify(incoming.request));
      incoming.respond(createResponse(incoming.request, 200));
    });
  }

  /** Everything seen since this was last read. */
  news(): Seen[] {
    const news = this.#seen.slice(this.#read);
    this.#read = this.#seen.length;
    return news;
  }

  /** The claim and the contact of a registration: what the registrar does with a REGISTER. */
  async register(): Promise<void> {
    await this.server.locator.claim(this.aor, { mode: "take-over" });
    this.server.contacts.set(this.aor, [{ uri: this.client.contact, flow: this.client.flow }]);
  }

  subscribe(
    to: Aor,
    options: { readonly expires?: number; readonly headers?: readonly (readonly [string, string])[] } = {},
  ): Promise<SipResponse & { readonly dialog: Dialog }> {
    const dialog = { callId: randomTag(), localTag: randomTag(), to, cseq: 1 };
    const request = createRequest({
      method: "SUBSCRIBE",
      uri: to,
      from: `<${this.aor}>;tag=${dialog.localTag}`,
      to: `<${to}>`,
      callId: dialog.callId,
      headers: [
        ["Event", "presence"],
        ["Contact", `<${this.client.contact}>`],
        ["Expires", String(options.expires ?? 3600)],
        ...(options.headers ?? []),
      ],
    });
    return this.client.send(request).then((response) => ({
      ...response,
      dialog: { ...dialog, remoteTag: tagOf(response.headers.get("To") ?? "") ?? "" },
    }));
  }

  /** SUBSCRIBE within a dialog: refresh, or end with 0. */
  resubscribe(dialog: Dialog, expires = 3600): Promise<SipResponse> {
    dialog.cseq += 1;
    return this.client.send(
      createRequest({
        method: "SUBSCRIBE",
        uri: `sip:${this.server.name}@127.0.0.1:5060`,
        from: `<${this.aor}>;tag=${dialog.localTag}`,
        to: `<${dialog.to}>;tag=${dialog.remoteTag}`,
        callId: dialog.callId,
        cseq: dialog.cseq,
        headers: [
          ["Event", "presence"],
          ["Contact", `<${this.client.contact}>`],
          ["Expires", String(expires)],
        ],
      }),
    );
  }

  /** PUBLISH of a tuple with a note; without one a refresh, or with `expires: 0` the end. */
  async publish(
    note: string | undefined,
    options: {
      readonly basic?: "open" | "closed";
      readonly expires?: number;
      readonly ifMatch?: string;
      readonly initial?: boolean;
    } = {},
  ): Promise<SipResponse> {
    const ifMatch = options.initial === true ? undefined : (options.ifMatch ?? this.entityTag);
    const response = await this.client.send(
      createRequest({
        method: "PUBLISH",
        uri: this.aor,
        from: `<${this.aor}>;tag=${randomTag()}`,
        to: `<${this.aor}>`,
        headers: [
          ["Event", "presence"],
          ["Expires", String(options.expires ?? 3600)],
          ...(ifMatch === undefined ? [] : [["SIP-If-Match", ifMatch] as const]),
          ...(note === undefined ? [] : [["Content-Type", "application/pidf+xml"] as const]),
        ],
        ...(note === undefined
          ? {}
          : { body: pidfText(note, options.basic ?? "open", this.client.flow.port.toString(36)) }),
      }),
    );
    if (response.status === 200) this.entityTag = response.headers.get("SIP-ETag");
    return response;
  }
}

function readNotify({ headers, body }: SipRequest): Seen {
  const { state, params } = parseSubscriptionState(headers.get("Subscription-State") ?? "");
  const reason = params.get("reason");
  if (body.length === 0) return { state, ...(reason === undefined ? {} : { reason }), basic: "none", note: "" };
  const document = parseComposedPidf(body);
  const notes = tuplesOf(document).flatMap((tuple) =>
    childElements(tuple)
      .filter(({ local }) => local === "note")
      .map(textOf),
  );
  return { state, ...(reason === undefined ? {} : { reason }), basic: overallBasic(document), note: notes.join(",") };
}
