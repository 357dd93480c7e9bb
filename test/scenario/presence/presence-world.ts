import type { Aor } from "../../../dht-schema/aor.ts";
import { parseAor } from "../../../dht-schema/aor.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { createEdge } from "../../../node/federation/edge.ts";
import type { PresenceServer } from "../../../node/presence/presence-server.ts";
import type { PresenceOptions } from "../../../node/presence/server/create-presence-server.ts";
import { createPresenceServer } from "../../../node/presence/server/create-presence-server.ts";
import type { PresenceComponents } from "../../../node/presence/server/presence-context.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import type { Counters } from "../../../node/runtime/metrics.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import type { SipRequest } from "../../../node/sip/message/message.ts";
import type { Storage } from "../../../node/storage/ports.ts";
import { openMemoryStorage } from "../../../node/storage/storage.ts";
import { MemoryContacts } from "../../helpers/memory-contacts.ts";
import { Phone } from "../../helpers/phone.ts";
import { SimulatedDirectory } from "../../helpers/simulated-locator.ts";
import type { SimulatedLocator } from "../../helpers/simulated-locator.ts";
import type { ServerStack, SipClient } from "../../helpers/sip-network.ts";
import { SipNetwork } from "../../helpers/sip-network.ts";
import { VirtualTime } from "../../helpers/virtual-time.ts";

export const DOMAIN = "example.com";

/** Several servers of one domain with a directory, a mesh and clients, on virtual time: the edge and the presence server are the real ones. */
export class PresenceWorld {
  readonly time = new VirtualTime();
  readonly network = new SipNetwork(this.time);
  readonly directory = new SimulatedDirectory(this.time);
  readonly #options: PresenceOptions;
  readonly #linkListeners: ((server: ServerId) => void)[] = [];

  readonly #userTimes: PresenceComponents["userTimes"];

  constructor(options: PresenceOptions = {}, userTimes?: PresenceComponents["userTimes"]) {
    this.#options = options;
    this.#userTimes = userTimes;
  }

  server(name: string, storage: Storage = openMemoryStorage()): TestServer {
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
        storage,
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
        ...(this.#userTimes && { userTimes: this.#userTimes }),
        logger: silentLogger,
        contactFor: () => `sip:${name}@127.0.0.1:5060`,
      },
      this.#options,
    );
    createEdge({
      machine: { all: new Set() },
      stack,
      self: locator.self,
      domain: DOMAIN,
      authenticator: "none",
      isTrusted: () => false,
      isList: () => false,
      logger: silentLogger,
      counters,
      services: {
        publish: presence.handlePublish,
        subscribe: presence.handleSubscribe,
        notify: presence.handleNotify,
        askRegistration: (incoming) => incoming.respond(createResponse(incoming.request, 501)),
        register: (incoming) => incoming.respond(createResponse(incoming.request, 501)),
        message: (incoming) => incoming.respond(createResponse(incoming.request, 501)),
        resume: (incoming) => incoming.respond(createResponse(incoming.request, 501)),
        replace: (incoming) => incoming.respond(createResponse(incoming.request, 501)),
        proxy: (incoming) => incoming.respond(createResponse(incoming.request, 501)),
        invite: (incoming) => incoming.respond(createResponse(incoming.request, 501)),
        follow: () => false,
        asked: () => false,
      },
    });
    presence.start();
    return { name, locator, stack, contacts, counters, presence, storage };
  }

  phone(user: string, server: TestServer): RegisteringPhone {
    return new RegisteringPhone(parseAor(`sip:${user}@${DOMAIN}`), server, this.network.client(server.locator.self));
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
  readonly storage: Storage;
}

/** A phone whose registration is put where a registrar would put it. */
export class RegisteringPhone extends Phone {
  override readonly server: TestServer;

  constructor(aor: Aor, server: TestServer, client: SipClient) {
    super(aor, server, client);
    this.server = server;
  }

  /** The claim and the contact of a registration: what the registrar does with a REGISTER. */
  async register(): Promise<void> {
    await this.server.locator.claim(this.aor, { mode: "take-over" });
    this.server.contacts.set(this.aor, [{ uri: this.client.contact, flow: this.client.flow }]);
  }
}
