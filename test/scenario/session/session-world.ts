import { parseAor } from "../../../dht-schema/aor.ts";
import { digestSecrets } from "../../../node/cli/commands/user/digest-secrets.ts";
import { ownPorts } from "../../../node/demo/ports.ts";
import type { SipName } from "../../../node/federation/own-addresses.ts";
import { systemClock } from "../../../node/runtime/clock.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import type { Counters } from "../../../node/runtime/metrics.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import type { SipSide } from "../../../node/sip-side.ts";
import { createSipSide } from "../../../node/sip-side.ts";
import type { TrustedServer } from "../../../node/sidecar/trusted-servers.ts";
import { createRequest, createResponse } from "../../../node/sip/message/build.ts";
import type { SipRequest, SipResponse } from "../../../node/sip/message/message.ts";
import { formatCredentials, parseCredentials } from "../../../node/sip/message/credentials.ts";
import { parseCSeq } from "../../../node/sip/message/cseq.ts";
import { parseNameAddr } from "../../../node/sip/message/name-addr.ts";
import { randomCallId, randomTag } from "../../../node/sip/message/tags.ts";
import { parseUri } from "../../../node/sip/message/uri.ts";
import { digestResponse } from "../../../node/sip/auth/digest-response.ts";
import { createSipStack } from "../../../node/sip/sip-stack.ts";
import type { IncomingRequest, InviteProgress, SipSessions, SipStack, SocketFlow } from "../../../node/sip/stack.ts";
import type { TlsCertificates } from "../../../node/sip/transport/tls-certificates.ts";
import { openMemoryStorage } from "../../../node/storage/storage.ts";
import { TestDirectories } from "../../helpers/directories.ts";
import { eventually } from "../../helpers/eventually.ts";

export const DOMAIN = "example.com";
/** Everybody's, where they need one. */
export const PASSWORD = "secret";
/** Who may register where passwords are asked for. */
const USERS = ["joe", "alice", "sipp", "barry"];
/** Longer than this process can be kept from running where the machine has much to do: no test here waits for one to end. */
const LEASE_MS = 10_000;
const ANY_PORT = { address: "127.0.0.1", port: 0 };

/** Real servers on real sockets, and user agents on stacks of their own. */
export class SessionWorld {
  readonly #directories: TestDirectories;
  readonly sides: SipSide[] = [];
  readonly #create: (() => SipSide)[] = [];
  readonly #agents: Agent[] = [];

  private constructor(directories: TestDirectories) {
    this.#directories = directories;
  }

  /**
   * @param trusted servers without nodes
   * @param sipNames by which clients reach the servers
   * @param authentication with `digest`, the password of each of {@link USERS} is {@link PASSWORD}
   * @param trusting how many of the servers trust those without nodes
   */
  static async of(
    servers: number,
    trusted: readonly TrustedServer[] = [],
    sipNames: readonly SipName[] = [],
    authentication: "none" | "digest" = "none",
    trusting = 1,
  ): Promise<SessionWorld> {
    const world = new SessionWorld(await TestDirectories.of(servers, { leaseMs: LEASE_MS }));
    // For UDP and TCP alike, and not of those that the system hands out: while a server restarts, nobody is given one of its ports.
    const ports = await ownPorts(servers);
    for (const [index, { mesh, directory, counters }] of world.#directories.servers.entries()) {
      const config = {
        sip: [{ ...ANY_PORT, port: ports[index]! }],
        ws: [ANY_PORT],
        authentication,
        digest: "md5",
        onConflict: "takeover",
        historyMs: 60_000,
        trusted: index < trusting ? trusted : [],
        sipNames,
      } as const;
      const storage = openMemoryStorage();
      for (const username of USERS) {
        const secrets = digestSecrets(username, DOMAIN, PASSWORD);
        storage.users.put({ aor: parseAor(`sip:${username}@${DOMAIN}`), username, realm: DOMAIN, ...secrets });
      }
      const shared = { domain: DOMAIN, mesh, directory, storage, clock: systemClock, logger: silentLogger, counters };
      const create = () => createSipSide({ config, ...shared });
      world.#create.push(create);
      const side = create();
      await side.start();
      world.sides.push(side);
    }
    return world;
  }

  /** Ends the SIP side of a server, and begins another at the same address with what the first has stored. @param meanwhile what happens in between */
  async restart(server: number, meanwhile?: () => Promise<unknown>): Promise<void> {
    const old = this.sides[server]!;
    await old.drain();
    await old.stop();
    await meanwhile?.();
    const side = this.#create[server]!();
    await side.start();
    this.sides[server] = side;
  }

  /** A server's links to all others end, and its clients are still connected to it. */
  cutOff(server: number): Promise<void> {
    return this.#directories.servers[server]!.mesh.stop();
  }

  /** A user agent at a server. @param at its port, where it has to be known before */
  async agent(user: string, server: number, transport: "UDP" | "TCP" = "UDP", at = 0): Promise<Agent> {
    const { port } = this.sides[server]!.stack.listening().find((each) => each.transport === transport)!;
    const agent = new Agent(user, { transport, address: "127.0.0.1", port }, undefined, at);
    await agent.start();
    this.#agents.push(agent);
    return agent;
  }

  /** A user agent that is registered at its server. */
  async registered(user: string, server: number, transport: "UDP" | "TCP" = "UDP"): Promise<Agent> {
    const agent = await this.agent(user, server, transport);
    const { status } = await agent.register();
    if (status !== 200) throw new Error(`${user} could not register: ${status}`);
    return agent;
  }

  counters(server: number): Counters {
    return this.#directories.servers[server]!.counters;
  }

  async endAgents(): Promise<void> {
    await Promise.all(this.#agents.splice(0).map((agent) => agent.stop()));
  }

  async stop(): Promise<void> {
    await this.endAgents();
    for (const side of this.sides) await side.drain();
    for (const side of this.sides) await side.stop();
    await this.#directories.stop();
  }
}

/** One end of a session. */
export class Dialog {
  readonly callId: string;
  readonly #agent: Agent;
  readonly #local: string;
  readonly #remote: string;
  readonly #target: string;
  readonly routes: readonly string[];
  #cseq: number;

  constructor(
    agent: Agent,
    init: { callId: string; local: string; remote: string; target: string; routes: readonly string[]; cseq: number },
  ) {
    this.#agent = agent;
    this.callId = init.callId;
    this.#local = init.local;
    this.#remote = init.remote;
    this.#target = init.target;
    this.routes = init.routes;
    this.#cseq = init.cseq;
  }

  /** A request within the session. @param changes `routes` and `target`: instead of those that the session has */
  request(
    method: string,
    changes: { routes?: readonly string[]; target?: string; headers?: [string, string][] } = {},
  ): SipRequest {
    if (method !== "ACK") this.#cseq++;
    const routes = (changes.routes ?? this.routes).map((route): [string, string] => ["Route", route]);
    const contact: [string, string] = ["Contact", `<${this.#agent.contact}>`];
    return createRequest({
      method,
      uri: changes.target ?? this.#target,
      from: this.#local,
      to: this.#remote,
      callId: this.callId,
      cseq: this.#cseq,
      headers: [...routes, contact, ...(changes.headers ?? [])],
    });
  }

  ack(): void {
    this.#agent.stack.acknowledge(this.request("ACK"), this.#agent.server);
  }

  send(method: string): Promise<SipResponse> {
    return this.#agent.send(this.request(method));
  }
}

/** A user agent that calls and is called. */
export class Agent {
  readonly aor: string;
  readonly server: SocketFlow;
  readonly stack: SipStack & SipSessions;
  /** What arrived, in order. */
  readonly received: IncomingRequest[] = [];
  /** Requests whose INVITE was cancelled. */
  readonly cancelled: string[] = [];
  /** Why, as far as the CANCELs said. */
  readonly reasons: (string | undefined)[] = [];
  #onInvite: (incoming: IncomingRequest) => void = (incoming) => this.answer(incoming);
  #onSubscribe: ((incoming: IncomingRequest) => void) | undefined;

  /** @param tls where `server` is reached over TLS */
  constructor(user: string, server: SocketFlow, tls?: TlsCertificates, port = 0) {
    this.aor = `sip:${user}@${DOMAIN}`;
    this.server = server;
    const listen = [{ transport: server.transport, ...ANY_PORT, port }];
    const secured = tls === undefined ? {} : { tls };
    this.stack = createSipStack({ listen, logger: silentLogger, counters: createCounters(), ...secured });
  }

  async start(): Promise<void> {
    this.stack.onRequest((incoming) => {
      this.received.push(incoming);
      if (incoming.request.method === "INVITE") return this.#onInvite(incoming);
      if (incoming.request.method === "SUBSCRIBE" && this.#onSubscribe !== undefined)
        return this.#onSubscribe(incoming);
      if (incoming.request.method !== "ACK") incoming.respond(createResponse(incoming.request, 200));
    });
    await this.stack.start();
  }

  stop(): Promise<void> {
    return this.stack.stop();
  }

  get contact(): string {
    const { address, port } = this.stack.listening()[0]!;
    return `sip:device@${address}:${port};transport=${this.server.transport.toLowerCase()}`;
  }

  /** Methods that arrived. */
  methods(): string[] {
    return this.received.map(({ request }) => request.method);
  }

  onInvite(handler: (incoming: IncomingRequest) => void): void {
    this.#onInvite = handler;
  }

  onSubscribe(handler: (incoming: IncomingRequest) => void): void {
    this.#onSubscribe = handler;
  }

  /** Rings, and leaves the rest to the test. A cancelled INVITE is answered 487. */
  rings(): void {
    this.onInvite((incoming) => {
      incoming.respond(createResponse(incoming.request, 180, { toTag: randomTag() }));
      incoming.onCancel((reason) => {
        this.reasons.push(reason);
        this.cancelled.push(incoming.request.headers.get("Call-ID") ?? "");
        incoming.respond(createResponse(incoming.request, 487));
      });
    });
  }

  send(request: SipRequest, progress: InviteProgress = {}): Promise<SipResponse> {
    const { stack, server } = this;
    return request.method === "INVITE" ? stack.invite(request, server, progress) : stack.send(request, server);
  }

  /** With credentials, where the server asks for them. */
  async register(expires = 600, fields: readonly [string, string][] = []): Promise<SipResponse> {
    const address = `<${this.aor}>`;
    const headers: [string, string][] = [["Contact", `<${this.contact}>`], ["Expires", String(expires)], ...fields];
    const init = { method: "REGISTER", uri: `sip:${DOMAIN}`, from: `${address};tag=r`, to: address, headers };
    return this.call(createRequest(init));
  }

  /** A request outside of any session. */
  outside(method: string, to: string, headers: [string, string][] = []): SipRequest {
    const from = `<${this.aor}>;tag=${randomTag()}`;
    return createRequest({ method, uri: to, from, to: `<${to}>`, callId: randomCallId(), headers });
  }

  invitation(to: string, headers: [string, string][] = []): SipRequest {
    const all: [string, string][] = [["Contact", `<${this.contact}>`], ["Content-Type", "application/sdp"], ...headers];
    const from = `<${this.aor}>;tag=${randomTag()}`;
    return createRequest({
      method: "INVITE",
      uri: to,
      from,
      to: `<${to}>`,
      callId: randomCallId(),
      headers: all,
      body: "v=0\r\n",
    });
  }

  /** With credentials, where the server asks for them. */
  async call(request: SipRequest, progress: InviteProgress = {}): Promise<SipResponse> {
    const response = await this.send(request, progress);
    if (response.status !== 401 && response.status !== 407) return response;
    return this.send(this.#withCredentials(request, response), progress);
  }

  /** The request again, as its challenge asks for. @see RFC 3261 §22.2 */
  #withCredentials({ headers: of, ...request }: SipRequest, { status, headers: answer }: SipResponse): SipRequest {
    const [challenge, credentials] =
      status === 401 ? ["WWW-Authenticate", "Authorization"] : ["Proxy-Authenticate", "Proxy-Authorization"];
    const nonce = parseCredentials(answer.get(challenge!)!).params.get("nonce")!;
    const { method, uri } = request;
    const username = parseUri(this.aor).user!;
    const { ha1Md5 } = digestSecrets(username, DOMAIN, PASSWORD);
    const response = digestResponse(ha1Md5, { algorithm: "MD5", nonce, method, uri, qop: undefined });
    const params = new Map(Object.entries({ username, realm: DOMAIN, nonce, uri, response, algorithm: "MD5" }));
    const headers = of.clone().append(credentials!, formatCredentials({ scheme: "Digest", params }));
    headers.set("CSeq", `${parseCSeq(of.get("CSeq")!).sequence + 1} ${method}`);
    return { ...request, headers };
  }

  /** Accepts; the caller's end is then {@link dialogOf}. */
  answer(incoming: IncomingRequest, headers: [string, string][] = []): void {
    incoming.respond(
      createResponse(incoming.request, 200, {
        headers: [["Contact", `<${this.contact}>`], ["Content-Type", "application/sdp"], ...headers],
        body: "v=0\r\n",
        toTag: randomTag(),
      }),
    );
  }

  /** The session that a 2xx made, at the caller. @see RFC 3261 §12.1.2 */
  dialogOf(invite: SipRequest, response: SipResponse): Dialog {
    const { headers } = response;
    return new Dialog(this, {
      callId: invite.headers.get("Call-ID") ?? "",
      local: headers.get("From") ?? "",
      remote: headers.get("To") ?? "",
      target: parseNameAddr(headers.get("Contact") ?? "").uri,
      routes: headers.all("Record-Route").toReversed(),
      cseq: parseCSeq(headers.get("CSeq")!).sequence,
    });
  }

  /** The session at the callee, made of the ACK that confirmed it. @see RFC 3261 §12.1.1 */
  async confirmed(): Promise<Dialog> {
    const find = (method: string) => this.received.find(({ request }) => request.method === method)?.request;
    await eventually(() => find("ACK") !== undefined, "an ACK");
    const [invite, ack] = [find("INVITE")!, find("ACK")!];
    return new Dialog(this, {
      callId: ack.headers.get("Call-ID") ?? "",
      local: ack.headers.get("To") ?? "",
      remote: ack.headers.get("From") ?? "",
      target: parseNameAddr(invite.headers.get("Contact") ?? "").uri,
      routes: invite.headers.all("Record-Route"),
      cseq: 100,
    });
  }
}

/** A client that nobody can call, as one behind a WebSocket or a NAT, with the same Contact wherever it connects. */
export class Unreachable extends Agent {
  override get contact(): string {
    return "sip:device@client.invalid;transport=tcp";
  }
}
