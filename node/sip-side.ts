import { randomBytes } from "node:crypto";
import type { Aor } from "../dht-schema/aor.ts";
import { tryParseAor } from "../dht-schema/aor.ts";
import type { ServerId } from "../dht-schema/roster.ts";
import type { NodeConfig } from "./config/node-config.ts";
import type { Directory } from "./directory/directory.ts";
import { createEdge } from "./federation/edge.ts";
import { createAskRegistration } from "./federation/registration-elsewhere.ts";
import { createServerAddresses } from "./federation/server-addresses.ts";
import type { ServerLinks } from "./federation/links.ts";
import { createLinkWait } from "./federation/links.ts";
import { createOwnerRouter } from "./federation/route-to-owner.ts";
import { UserTimes } from "./federation/user-times.ts";
import { assertedIn } from "./federation/edge-identity.ts";
import type { Mesh } from "./mesh/mesh.ts";
import type { Histories } from "./history/histories.ts";
import { createHistories } from "./history/histories.ts";
import { handOnHeld } from "./messaging/hand-on.ts";
import { createOnceDelivery } from "./messaging/deliver-once.ts";
import { DeliveredNames, nameMessage } from "./messaging/delivered-names.ts";
import { HeldMessages } from "./messaging/held-messages.ts";
import { createNobody, createPager } from "./messaging/pager.ts";
import { DomainLists, LISTS_METHOD } from "./presence/lists/domain-lists.ts";
import type { PresenceServer } from "./presence/presence-server.ts";
import { createPresenceServer } from "./presence/server/create-presence-server.ts";
import { NatPings } from "./registrar/nat-pings.ts";
import type { Registrar } from "./registrar/registrar.ts";
import { createRegistrar } from "./registrar/create-registrar.ts";
import { CONTACTS_METHOD, ContactSearch } from "./session/contact-search.ts";
import type { DeviceForkComponents } from "./session/device-fork.ts";
import { createDeviceFork } from "./session/device-fork.ts";
import { createSessionProxy } from "./session/session-proxy.ts";
import { createFlowTokens } from "./sip/flow-tokens.ts";
import { PresenceInputs } from "./sidecar/presence-inputs.ts";
import { trustedServers } from "./sidecar/trusted-servers.ts";
import type { SipRequest, SipResponse } from "./sip/message/message.ts";
import type { Clock } from "./runtime/clock.ts";
import { limits } from "./runtime/limits.ts";
import type { Logger } from "./runtime/logger.ts";
import type { Counters } from "./runtime/metrics.ts";
import { DEFAULT_EXPIRY } from "./runtime/expiry-rules.ts";
import { systemTimers } from "./runtime/timers.ts";
import type { DigestAuthenticator } from "./sip/auth/digest-authenticator.ts";
import { createDigestAuthenticator } from "./sip/auth/digest-authenticator.ts";
import { KnownSourcesJournal, readKnownSources } from "./sip/auth/known-sources.ts";
import { createSipStack } from "./sip/sip-stack.ts";
import type { Flow, ListenAddress, MeshTransport, SipStack } from "./sip/stack.ts";
import { madeFor } from "./presence/publication/stored-publication.ts";
import { listenerUri } from "./sip/transport/addresses.ts";
import { CertificateExpiry } from "./sip/transport/certificate-expiry.ts";
import { MachineAddresses } from "./sip/transport/machine-addresses.ts";
import type { SourceRules } from "./sip/transport/sources.ts";
import { sourceRules } from "./sip/transport/sources.ts";
import { TlsCertificates } from "./sip/transport/tls-certificates.ts";
import { Ageing } from "./storage/ageing.ts";
import type { Settings, Storage } from "./storage/ports.ts";
import { SteadyWall } from "./storage/steady-wall.ts";

type SipConfig = Pick<NodeConfig, "sip" | "ws" | "authentication" | "digest" | "onConflict" | "historyMs"> &
  Partial<
    Pick<
      NodeConfig,
      | "unknownUsers"
      | "trusted"
      | "tls"
      | "wss"
      | "certificates"
      | "authorities"
      | "unlimited"
      | "proxies"
      | "sipNames"
      | "maxContacts"
      | "registrarExpiry"
      | "presenceExpiry"
      | "natPingMs"
    >
  >;

export interface SipSideComponents {
  readonly config: SipConfig;
  readonly domain: string;
  readonly mesh: Mesh;
  readonly directory: Directory;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: Counters;
  /** @default of this machine's interfaces */
  readonly machine?: MachineAddresses;
}

/** All that a node does in SIP: the stack, the edge, and the services behind it. */
export interface SipSide {
  /** @throws {ConfigurationError} when an address cannot be bound */
  start(): Promise<void>;
  /** Takes no more requests for users, ends subscriptions and what rings, and resolves when their ends have been heard of, or a moment later. */
  drain(options?: { readonly forGood?: boolean }): Promise<void>;
  /** Reads certificates again; those of before stay when they cannot be used. @throws {ConfigurationError} why not */
  reload(): void;
  /** Closes all sockets. */
  stop(): Promise<void>;
  /** When the first of the TLS certificates runs out, wall clock; infinite where there is none. */
  certificatesExpireAtMs(): number;
  readonly stack: Pick<SipStack, "listening">;
  readonly registrar: Pick<Registrar, "status" | "registrationsOf" | "removeContacts">;
  readonly presence: Pick<PresenceServer, "status">;
  readonly held: Pick<HeldMessages, "status">;
  readonly lists: Pick<DomainLists, "put" | "remove" | "list">;
  readonly history: Pick<Histories, "search" | "remove"> & Pick<Histories["own"], "status">;
}

const FLOW_KEY = "sip.flow-key";

/** Joins the SIP stack to the services that users see, and these to the directory. */
export function createSipSide(components: SipSideComponents): SipSide {
  const { config, domain, mesh, directory, storage, counters, clock } = components;
  const placeOf = trustedServers(config.trusted ?? []);
  const trusts = (flow: Flow) => placeOf(flow) !== undefined;
  const part = (name: string) => components.logger.child({ part: name });
  const shared = { locator: directory, counters, clock, timers: systemTimers, isTrusted: trusts };
  const sources = rulesFor(config);
  const steadyWall = new SteadyWall({ clock, timers: systemTimers, store: storage.expiries, logger: part("storage") });
  const ageing = new Ageing(storage.settings, steadyWall);

  const times = new UserTimes(clock);

  const links: ServerLinks = {
    isUp: (server) => mesh.isUp(server),
    onUp: (listener) => mesh.on((event) => event.kind === "link-up" && listener(event.server)),
  };

  const others = () => mesh.roster().servers.flatMap(({ id }) => (id === mesh.self ? [] : [id as ServerId]));

  const tls = new TlsCertificates(config.certificates ?? [], config.authorities);
  const machine = components.machine ?? new MachineAddresses();
  const pingMs = config.natPingMs === 0 ? undefined : config.natPingMs;
  const stack = createSipStack({
    ...(pingMs !== undefined && { pingMs }),
    machine,
    listen: listenAddresses(config),
    ...(config.sipNames?.[0] !== undefined && { name: config.sipNames[0] }),
    tls,
    isTrusted: trusts,
    ...(config.proxies !== undefined && { proxies: config.proxies }),
    sources,
    mesh: overMesh(mesh),
    logger: part("sip"),
    counters,
    clock,
  });
  /** Where the client of a socket flow reaches the listener it came to. */
  const contactFor = (flow: Flow) => {
    if (flow.transport === "MESH") throw new TypeError("servers reach each other by the mesh, not by an address");
    return listenerUri({ ...stack.ownEnd(flow), transport: flow.transport }, config.sipNames?.[0]);
  };
  const registrar: Registrar = createRegistrar(
    {
      ...shared,
      clock: steadyWall,
      stack,
      links,
      store: storage.contacts,
      shed: storage.shed,
      group: storage.group,
      resting: () => presence.resting,
      askRegistration: createAskRegistration({ stack, domain }),
      logger: part("registrar"),
      hasPublications: (aor) => presence.hasPublications(aor),
      placeOf,
      addressesOf: createServerAddresses({ stack, domain }),
    },
    {
      policy: config.onConflict,
      ...(config.maxContacts !== undefined && { maxContacts: config.maxContacts }),
      ...(config.registrarExpiry && { expiry: config.registrarExpiry }),
    },
  );
  const { presenceExpiry = DEFAULT_EXPIRY } = config;
  const natPings = pingMs === undefined ? undefined : new NatPings({ ...shared, stack, contacts: registrar }, pingMs);
  const presence = createPresenceServer(
    {
      ...shared,
      clock: steadyWall,
      stack,
      contacts: registrar,
      storage,
      links,
      random: Math.random,
      userTimes: times,
      logger: part("presence"),
      contactFor,
    },
    { policy: config.onConflict, times: { publication: presenceExpiry, subscription: presenceExpiry } },
  );
  const lists = new DomainLists({
    ...shared,
    store: storage.lists,
    users: storage.users,
    stack,
    others,
    domain,
    logger: part("lists"),
  });
  mesh.on((event) => event.kind === "link-up" && lists.met(event.server));
  const histories = createHistories({
    ...shared,
    ageing,
    store: storage.history,
    stack,
    self: mesh.self,
    others,
    former: () => mesh.former(),
    keepMs: config.historyMs,
    domain,
    logger: part("history"),
  });
  const history = histories.own;
  const send: DeviceForkComponents["send"] = ({ request, device }, _from, options) =>
    stack.send(request, device.flow, options);
  const toDevices = createDeviceFork({ ...shared, contacts: registrar, send }, { canWait: true });
  const delivered = new DeliveredNames({ store: storage.messages, clock, logger: part("messaging") });
  mesh.on((event) => event.kind === "link-down" && delivered.keep());
  const once = createOnceDelivery({
    ...shared,
    delivered,
    async deliver(request, aor, from) {
      const response = await toDevices(request, aor, from);
      if (response.status < 300 && config.historyMs > 0)
        times.during(assertedIn(request.headers), () => history.received(request, aor));
      return response;
    },
  });
  const routing = {
    ...shared,
    send: (request: SipRequest, to: Flow) => stack.send(request, to),
    registering: (aor: Aor) => registrar.registering(aor),
    deliver: once.deliver,
    named: { name: nameMessage, untilLinked: createLinkWait(links, systemTimers) },
    logger: part("router"),
  };
  const held = new HeldMessages({
    ...shared,
    clock: steadyWall,
    ageing,
    store: {
      ...storage.messages,
      hold: (message) => times.during(tryParseAor(message.sender), () => storage.messages.hold(message)),
    },
    router: createOwnerRouter(routing),
    contacts: registrar,
    logger: part("messaging"),
  });
  const isUnknown = (user: Aor) => config.unknownUsers === "refuse" && !storage.users.has(user);
  const pager = createPager({
    once,
    ...shared,
    router: createOwnerRouter({ ...routing, nobody: createNobody(isUnknown) }),
    held,
    isUnknown,
    onSent: (request, from, to) => times.during(from, () => history.sent(request, from, to)),
    logger: part("messaging"),
  });
  const search = new ContactSearch({ ...shared, contacts: registrar, stack, others, domain });
  const untilLinked = createLinkWait(links, systemTimers, limits.session.awayMs);
  const sessions = createSessionProxy({
    ...shared,
    stack,
    search,
    contacts: registrar,
    self: mesh.self,
    realm: domain,
    isMember: (server) => others().includes(server),
    isLinked: (server) => links.isUp(server),
    untilLinked: async (server) => others().includes(server) && untilLinked(server),
    tokens: createFlowTokens(secret(storage.settings, FLOW_KEY)),
    addressFor: contactFor,
    logger: part("sessions"),
  });
  const inputs = new PresenceInputs({
    ...shared,
    stack,
    contacts: registrar,
    subscriber: `sip:aorta@${domain}`,
    longestPublicationSeconds: presenceExpiry.maxSeconds,
    contactFor,
    publish(request, aor, flow) {
      const { promise, resolve } = Promise.withResolvers<SipResponse>();
      const incoming = { request, flow, respond: resolve, onCancel() {} };
      presence.handlePublish(incoming, { asserted: aor, from: "client" });
      return promise;
    },
    published: (aor, flow) => (flow.transport === "MESH" ? undefined : madeFor(storage.publications.of(aor), flow)),
  });
  const authenticator = digestAuthenticator(components, sources.isExempt);
  const knownSources = new KnownSourcesJournal({
    ...shared,
    settings: storage.settings,
    known: () => authenticator.known(),
    logger: part("sip"),
  });
  // What comes while listeners are being bound waits for a moment, until all behind the edge runs.
  const early: (() => void)[] = [];
  let isUp = false;
  createEdge({
    stack: {
      listening: (towards) => stack.listening(towards),
      known: (flow) => stack.known(flow),
      onRequest: (handler) =>
        stack.onRequest((incoming) => (isUp ? handler(incoming) : void early.push(() => handler(incoming)))),
    },
    machine,
    names: config.sipNames ?? [],
    isTrusted: trusts,
    isProxy: sources.isExempt,
    isList: (aor) => storage.lists.has(aor),
    times,
    self: mesh.self,
    domain,
    authenticator: config.authentication === "none" ? "none" : authenticator,
    logger: part("edge"),
    counters,
    services: {
      register: (incoming, user, identity) => registrar.handleRegister(incoming, user, identity),
      askRegistration: (incoming, user) => registrar.handleServerQuery(incoming, user),
      publish: (incoming, identity) => presence.handlePublish(incoming, identity),
      subscribe: (incoming, identity) => inputs.returned(incoming) || presence.handleSubscribe(incoming, identity),
      notify: (incoming, identity) => inputs.notified(incoming) || presence.handleNotify(incoming, identity),
      message: (incoming, identity, to) => pager.handleMessage(incoming, identity, to),
      invite: (incoming, identity, to) => sessions.handleInvite(incoming, identity, to),
      replace: (incoming, identity) => sessions.handleReplacement(incoming, identity),
      resume: (incoming) => sessions.resume(incoming),
      proxy: (incoming, identity, to) => sessions.handleOther(incoming, identity, to),
      follow: (incoming) => sessions.follow(incoming),
      asked(incoming) {
        const { method } = incoming.request;
        if (histories.asked(incoming)) return true;
        if (method === LISTS_METHOD) lists.handle(incoming);
        else if (method === CONTACTS_METHOD) search.handleQuestion(incoming);
        else return false;
        return true;
      },
    },
  });
  stack.onFlowClosed((flow) => registrar.handleFlowClosed(flow));

  const expiry = new CertificateExpiry({ ...shared, certificates: tls, logger: part("sip") });

  const staying = () => {
    const { servers, leaving } = mesh.roster();
    return servers.flatMap(({ number, id }) =>
      id !== mesh.self && !leaving.includes(number) && mesh.isUp(id as ServerId) ? [id as ServerId] : [],
    );
  };

  return {
    async start() {
      // First of all: what was left from the last run has something to send at once.
      await stack.start();
      natPings?.start();
      steadyWall.start();
      registrar.start();
      presence.start();
      inputs.start();
      held.start();
      history.start();
      knownSources.start();
      isUp = true;
      for (const serve of early.splice(0)) serve();
      expiry.start();
    },
    reload() {
      tls.load();
      expiry.start();
    },
    async drain(options) {
      natPings?.stop();
      registrar.stop();
      history.stop();
      knownSources.stop();
      lists.stop();
      inputs.stop();
      await Promise.all([held.stop(), presence.stop(options), sessions.stop()]);
      if (options?.forGood === true)
        await handOnHeld({
          ...shared,
          clock: steadyWall,
          held,
          store: storage.messages,
          stack,
          others: staying,
          logger: part("messaging"),
        });
    },
    async stop() {
      expiry.stop();
      await pager.stop();
      steadyWall.stop();
      delivered.keep();
      // Datagrams leave in the next turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
      await stack.stop();
    },
    certificatesExpireAtMs: () => tls.expiresAtMs,
    stack,
    registrar,
    presence,
    held,
    lists,
    history: { search: histories.search, remove: histories.remove, status: () => history.status() },
  };
}

/** Behind a server that is trusted are all its users, and behind a proxy its clients, of whom it tells when it has connected. */
function rulesFor({ unlimited = [], trusted = [], proxies = [] }: SipConfig): SourceRules {
  return sourceRules([...unlimited, ...proxies, ...trusted.map(({ address }) => address)]);
}

function digestAuthenticator(
  { config, domain, storage, clock, counters, logger }: SipSideComponents,
  isProxy: (address: string) => boolean,
): DigestAuthenticator {
  const findUser = (username: string, realm: string) => storage.users.find(username, realm);
  return createDigestAuthenticator({
    realm: domain,
    offer: config.digest,
    findUser,
    isProxy,
    known: readKnownSources(storage.settings),
    clock,
    counters,
    logger: logger.child({ part: "sip" }),
  });
}

/** Kept between restarts, so that the routes of sessions stay good. */
function secret(settings: Settings, name: string): Uint8Array {
  const stored = settings.get(name);
  if (stored !== undefined) return stored;
  const key = randomBytes(32);
  settings.set(name, key);
  return key;
}

function listenAddresses({ sip, ws, tls = [], wss = [] }: SipConfig): ListenAddress[] {
  return [
    ...sip.flatMap((address) => [
      { transport: "UDP" as const, ...address },
      { transport: "TCP" as const, ...address },
    ]),
    ...tls.map((address) => ({ transport: "TLS" as const, ...address })),
    ...ws.map((address) => ({ transport: "WS" as const, ...address })),
    ...wss.map((address) => ({ transport: "WSS" as const, ...address })),
  ];
}

/** SIP between servers travels on a channel of the mesh's links. */
function overMesh(mesh: Mesh): MeshTransport {
  return {
    self: mesh.self,
    send: (server, message) => mesh.send(server, "sip", message),
    receive: (receiver) => mesh.receive("sip", receiver),
    onDown: (listener) => mesh.on((event) => event.kind === "link-down" && listener(event.server)),
  };
}
