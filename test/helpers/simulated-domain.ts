import type { Aor } from "../../dht-schema/aor.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import type { ClientAuthenticator } from "../../node/federation/edge.ts";
import { createEdge } from "../../node/federation/edge.ts";
import { createAskRegistration } from "../../node/federation/registration-elsewhere.ts";
import { createServerAddresses } from "../../node/federation/server-addresses.ts";
import { createLinkWait } from "../../node/federation/links.ts";
import { createOwnerRouter } from "../../node/federation/route-to-owner.ts";
import { createOnceDelivery } from "../../node/messaging/deliver-once.ts";
import { DeliveredNames, nameMessage } from "../../node/messaging/delivered-names.ts";
import { handOnHeld } from "../../node/messaging/hand-on.ts";
import { HeldMessages } from "../../node/messaging/held-messages.ts";
import type { DeviceForkComponents } from "../../node/session/device-fork.ts";
import { createDeviceFork } from "../../node/session/device-fork.ts";
import type { Pager } from "../../node/messaging/pager.ts";
import { createNobody, createPager } from "../../node/messaging/pager.ts";
import { DomainLists, LISTS_METHOD } from "../../node/presence/lists/domain-lists.ts";
import type { PresenceServer } from "../../node/presence/presence-server.ts";
import { createPresenceServer } from "../../node/presence/server/create-presence-server.ts";
import type { Registrar, RegistrarOptions } from "../../node/registrar/registrar.ts";
import { createRegistrar } from "../../node/registrar/create-registrar.ts";
import type { Logger } from "../../node/runtime/logger.ts";
import { silentLogger } from "../../node/runtime/logger.ts";
import type { Counters } from "../../node/runtime/metrics.ts";
import { createCounters } from "../../node/runtime/metrics.ts";
import { createRequest, createResponse } from "../../node/sip/message/build.ts";
import type { SipRequest, SipResponse } from "../../node/sip/message/message.ts";
import type { Flow } from "../../node/sip/stack.ts";
import { randomCallId } from "../../node/sip/message/tags.ts";
import { Ageing } from "../../node/storage/ageing.ts";
import type { ContactStore, Storage } from "../../node/storage/ports.ts";
import { SteadyWall } from "../../node/storage/steady-wall.ts";
import { openMemoryStorage } from "../../node/storage/storage.ts";
import { Phone } from "./phone.ts";
import { diskOf } from "./process-disk.ts";
import { SimulatedDirectory } from "./simulated-locator.ts";
import type { SimulatedLocator } from "./simulated-locator.ts";
import type { ClientOptions, ServerStack, SipClient } from "./sip-network.ts";
import { SipNetwork } from "./sip-network.ts";
import { VirtualTime } from "./virtual-time.ts";

export const DOMAIN = "example.com";

/** From the word of a server that it has nothing left until it is no longer in the roster. Clients are there until then. */
const ROSTER_MS = 1_000;

export interface SimulatedServerOptions extends RegistrarOptions {
  readonly authenticator?: ClientAuthenticator | "none";
  /** Whether messages to whom its table of users does not have are refused while they are nowhere. */
  readonly refusesUnknown?: boolean;
  /** Hears what is logged of buddy lists. */
  readonly logger?: Logger;
  /** What an earlier run left on disk. */
  readonly storage?: Storage;
  /** Sees each answer to a REGISTER in the turn of the event loop in which it leaves. */
  readonly onRegistered?: (user: Aor, response: SipResponse) => void;
}

/** One server: the real edge, registrar, presence and pager on a simulated directory and network. */
export interface SimulatedServer {
  readonly id: ServerId;
  readonly name: string;
  readonly locator: SimulatedLocator;
  readonly stack: ServerStack;
  readonly registrar: Registrar;
  readonly presence: PresenceServer;
  readonly held: HeldMessages;
  readonly pager: Pager;
  readonly delivered: DeliveredNames;
  readonly lists: DomainLists;
  readonly storage: Storage;
  /** Contacts on its disk. */
  readonly store: ContactStore;
  readonly counters: Counters;
  /** The process is gone, without a word. */
  cutOff(): void;
}

/** What of a server takes part when two meet. */
type Meeting = Pick<SimulatedServer, "id" | "lists" | "stack">;

/** Servers of one domain on virtual time. */
export class SimulatedDomain {
  readonly time = new VirtualTime();
  readonly directory: SimulatedDirectory;
  readonly network = new SipNetwork(this.time);
  readonly #servers = new Map<ServerId, Meeting>();

  constructor(directory: ConstructorParameters<typeof SimulatedDirectory>[1] = {}) {
    this.directory = new SimulatedDirectory(this.time, directory);
  }

  server(name: string, options: SimulatedServerOptions = {}): SimulatedServer {
    const locator = this.directory.join(name);
    const stack = this.network.server(locator.self);
    const storage = options.storage ?? openMemoryStorage();
    const disk = diskOf(storage);
    const counters = createCounters();
    const { logger = silentLogger } = options;
    const shared = { stack, locator, counters, clock: this.time, timers: this.time, logger };
    const steadyWall = new SteadyWall({ ...shared, store: disk.storage.expiries });
    const registrar: Registrar = createRegistrar(
      {
        ...shared,
        clock: steadyWall,
        links: this.network.links.linksOf(locator.self),
        store: disk.storage.contacts,
        shed: disk.storage.shed,
        group: disk.storage.group,
        resting: () => presence.resting,
        askRegistration: createAskRegistration({ stack, domain: DOMAIN }),
        hasPublications: (aor) => presence.hasPublications(aor),
        addressesOf: createServerAddresses({ stack, domain: DOMAIN }),
      },
      options,
    );
    const presence = createPresenceServer({
      ...shared,
      clock: steadyWall,
      contacts: registrar,
      storage: disk.storage,
      links: this.network.links.linksOf(locator.self),
      random: () => 0.5,
      contactFor: () => "sip:127.0.0.1:5060",
    });
    const others = () => this.#others(locator.self);
    const { lists: store, users } = storage;
    const lists = new DomainLists({ ...shared, store, users, domain: DOMAIN, others });
    const delivered = new DeliveredNames({ ...shared, store: disk.storage.messages });
    this.network.links.onDown(locator.self, () => delivered.keep());
    const send: DeviceForkComponents["send"] = ({ request, device }, _from, within) =>
      stack.send(request, device.flow, within);
    const devices = { ...shared, contacts: registrar, isTrusted: () => false, send };
    const deliver = createDeviceFork(devices, { canWait: true });
    const once = createOnceDelivery({ ...shared, deliver, delivered });
    const routing = {
      ...shared,
      registering: (aor: Aor) => registrar.registering(aor),
      send: (request: SipRequest, to: Flow) => stack.send(request, to),
      deliver: once.deliver,
      named: {
        name: nameMessage,
        untilLinked: createLinkWait(this.network.links.linksOf(locator.self), this.time),
      },
    };
    const router = createOwnerRouter(routing);
    const held = new HeldMessages({
      ...shared,
      clock: steadyWall,
      ageing: new Ageing(storage.settings, steadyWall),
      store: disk.storage.messages,
      router,
      contacts: registrar,
    });
    const isUnknown = (user: Aor) => options.refusesUnknown === true && !storage.users.has(user);
    const pager = createPager({
      ...{ ...shared, held, once, isUnknown, onSent: () => {} },
      router: createOwnerRouter({ ...routing, nobody: createNobody(isUnknown) }),
    });
    createEdge({
      machine: { all: new Set() },
      ...shared,
      self: locator.self,
      domain: DOMAIN,
      authenticator: options.authenticator ?? "none",
      isTrusted: () => false,
      isList: (aor) => storage.lists.has(aor),
      services: {
        register: (incoming, user, identity) =>
          registrar.handleRegister(
            {
              ...incoming,
              respond(response) {
                options.onRegistered?.(user, response);
                incoming.respond(response);
              },
            },
            user,
            identity,
          ),
        askRegistration: (incoming, user) => registrar.handleServerQuery(incoming, user),
        publish: (incoming, identity) => presence.handlePublish(incoming, identity),
        subscribe: (incoming, identity) => presence.handleSubscribe(incoming, identity),
        notify: (incoming, identity) => presence.handleNotify(incoming, identity),
        message: (incoming, identity, to) => pager.handleMessage(incoming, identity, to),
        // Sessions, and what else goes to devices, are tested on real stacks: test/scenario/session.
        invite: (incoming) => incoming.respond(createResponse(incoming.request, 501)),
        replace: (incoming) => incoming.respond(createResponse(incoming.request, 501)),
        resume: (incoming) => incoming.respond(createResponse(incoming.request, 501)),
        proxy: (incoming) => incoming.respond(createResponse(incoming.request, 501)),
        follow: () => false,
        asked(incoming) {
          if (incoming.request.method !== LISTS_METHOD) return false;
          lists.handle(incoming);
          return true;
        },
      },
    });
    stack.onFlowClosed((flow) => registrar.handleFlowClosed(flow));
    steadyWall.start();
    registrar.start();
    presence.start();
    held.start();
    const server = { id: locator.self, lists, stack };
    this.#servers.set(locator.self, server);
    for (const other of this.#others(locator.self)) this.meet(server, this.#servers.get(other) as Meeting);
    const cutOff = (): void => {
      steadyWall.stop();
      lists.stop();
      disk.cut();
      registrar.stop();
      void held.stop();
    };
    return {
      ...{ id: locator.self, name, locator, stack, registrar, presence, held, pager, delivered, lists },
      ...{ storage, store: storage.contacts, counters, cutOff },
    };
  }

  /** The link between two servers is up: both hear of it. */
  meet(a: Meeting, b: Meeting): void {
    a.lists.met(b.id);
    b.lists.met(a.id);
  }

  #others(self: ServerId): ServerId[] {
    return [...this.#servers.values()]
      .filter(({ id, stack }) => id !== self && stack.state !== "gone")
      .map(({ id }) => id);
  }

  /** The process dies without a word. */
  kill(server: SimulatedServer): void {
    server.cutOff();
    this.network.kill(server.id);
    server.locator.kill();
  }

  /** The process is stopped in order, as at SIGTERM: it says what there is to say, and lets go of its users. */
  async stop(server: SimulatedServer): Promise<void> {
    server.registrar.stop();
    await this.time.until(Promise.all([server.held.stop(), server.presence.stop()]));
    this.directory.expire(server.locator, "released");
    await this.time.until(server.pager.stop());
    server.delivered.keep();
    this.kill(server);
  }

  /**
   * It leaves the domain for good: lets go of its users, gives what it holds to the others, and is no more when the roster says so.
   * @param others that stay, and can be reached at this instant
   */
  async leave(server: SimulatedServer, others: () => readonly SimulatedServer[]): Promise<void> {
    server.registrar.stop();
    this.directory.expire(server.locator, "released");
    await Promise.all([server.held.stop(), server.presence.stop({ forGood: true })]);
    await this.handOn(server, others);
    await new Promise<void>((resolve) => this.time.after(ROSTER_MS, resolve));
    this.kill(server);
  }

  /** What it holds is given to others. @returns how many messages nobody took */
  handOn(
    { stack, storage, held, counters }: SimulatedServer,
    others: () => readonly SimulatedServer[],
  ): Promise<number> {
    return handOnHeld({
      ...{ store: storage.messages, stack, held, counters, clock: this.time, timers: this.time, logger: silentLogger },
      others: () => others().map(({ id }) => id),
    });
  }

  /** It is started again, with what it had on disk. */
  restart(server: SimulatedServer, options: SimulatedServerOptions = {}): SimulatedServer {
    return this.server(server.name, { ...options, storage: server.storage });
  }

  /** A client that publishes and watches. */
  phone(user: string, server: SimulatedServer, options: ClientOptions = {}): Phone {
    const aor = `sip:${user}@${DOMAIN}` as Aor;
    return new Phone(aor, server, this.network.client(server.id, options));
  }

  /** A device of a user, at one server. */
  device(user: string, server: SimulatedServer, options: ClientOptions = {}): Device {
    return new Device(this, user, this.network.client(server.id, options));
  }

  /** Contacts of a user at a server. */
  contactsAt(server: SimulatedServer, user: Aor): string[] {
    return server.registrar.contactsOf(user).map(({ uri }) => uri);
  }
}

/** A client that registers and writes as one user. Its Call-ID is that of its registration, as RFC 3261 §10.2 asks. */
export class Device {
  readonly aor: Aor;
  readonly client: SipClient;
  callId = randomCallId();
  #cseq = 0;
  readonly #domain: SimulatedDomain;

  constructor(domain: SimulatedDomain, user: string, client: SipClient) {
    this.#domain = domain;
    this.aor = `sip:${user}@${DOMAIN}` as Aor;
    this.client = client;
  }

  /** Registers, or refreshes; 0 removes. */
  register(expiresSeconds = 3600, headers: [string, string][] = []): Promise<SipResponse> {
    return this.send(this.registration(expiresSeconds, headers));
  }

  /** The next REGISTER, for who sends it without waiting. */
  registration(expiresSeconds = 3600, headers: [string, string][] = []): SipRequest {
    return this.#registration([
      ["Contact", `<${this.client.contact}>`],
      ["Expires", String(expiresSeconds)],
      ...headers,
    ]);
  }

  /** A REGISTER with fields of the test's own. */
  sendRegister(headers: [string, string][]): Promise<SipResponse> {
    return this.send(this.#registration(headers));
  }

  #registration(headers: [string, string][]): SipRequest {
    this.#cseq += 1;
    const address = `<${this.aor}>`;
    const fields = { callId: this.callId, cseq: this.#cseq, headers };
    return createRequest({
      method: "REGISTER",
      uri: `sip:${DOMAIN}`,
      from: `${address};tag=r`,
      to: address,
      ...fields,
    });
  }

  /** A person starts the client anew: the next REGISTER is a new one. */
  restart(): void {
    this.callId = randomCallId();
    this.#cseq = 0;
  }

  /** It is the same client as another, which asks another server now. */
  continues(other: Device): void {
    this.callId = other.callId;
    this.#cseq = Math.max(this.#cseq, other.#cseq);
  }

  message(to: Aor | string, text: string, headers: [string, string][] = []): Promise<SipResponse> {
    const fields = { headers: [["Content-Type", "text/plain"], ...headers] as [string, string][], body: text };
    return this.send(
      createRequest({ method: "MESSAGE", uri: to, from: `<${this.aor}>;tag=m`, to: `<${to}>`, ...fields }),
    );
  }

  send(request: SipRequest): Promise<SipResponse> {
    return this.#domain.time.until(this.client.send(request));
  }

  /** Texts of the messages that arrived. */
  texts(): string[] {
    return this.client.received
      .filter(({ method }) => method === "MESSAGE")
      .map(({ body }) => Buffer.from(body).toString());
  }
}
