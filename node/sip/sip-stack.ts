import type { Clock } from "../runtime/clock.ts";
import { systemClock } from "../runtime/clock.ts";
import { assert } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";
import { LineLimit } from "../runtime/line-limit.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import type { Timers } from "../runtime/timers.ts";
import { systemTimers } from "../runtime/timers.ts";
import { createResponse } from "./message/build.ts";
import type { SipMessage, SipRequest, SipResponse } from "./message/message.ts";
import { parseMessage } from "./message/parse-message.ts";
import { serializeMessage } from "./message/serialize-message.ts";
import { SipParseError } from "./message/sip-parse-error.ts";
import { randomBranch, randomTag } from "./message/tags.ts";
import { topViaOfMalformed, validateRequest } from "./message/validate-request.ts";
import { formatHostPort } from "./message/uri.ts";
import type { Via } from "./message/via.ts";
import { flowTo, listenerOf } from "./reachable-flow.ts";
import type {
  Flow,
  IncomingRequest,
  InviteProgress,
  ListenAddress,
  MeshTransport,
  RequestOptions,
  SipKeepAlives,
  SipSessions,
  SipStack,
  SocketFlow,
} from "./stack.ts";
import { AORTA_LOCAL } from "./stack.ts";
import { ClientTransactions } from "./transaction/client-transactions.ts";
import { Overload } from "./transaction/overload.ts";
import { Scheduler } from "../runtime/scheduler.ts";
import { ServerTransactions } from "./transaction/server-transactions.ts";
import type { TimerSettings } from "./transaction/timer-settings.ts";
import { RFC3261_TIMERS } from "./transaction/timer-settings.ts";
import type { BacklogRules } from "./transport/backlog.ts";
import { Backlogs } from "./transport/backlog.ts";
import { KEEP_ALIVE } from "./transport/keep-alive.ts";
import { MachineAddresses } from "./transport/machine-addresses.ts";
import { withinAny } from "./transport/networks.ts";
import type { ResponsePath } from "./transport/response-path.ts";
import { noteSource, responsePath, senderFlow } from "./transport/response-path.ts";
import type { SourceRules } from "./transport/sources.ts";
import { Sources, sourceRules } from "./transport/sources.ts";
import type { TlsCertificates } from "./transport/tls-certificates.ts";
import { Transports } from "./transport/transports.ts";

export interface SipStackOptions {
  readonly listen: readonly ListenAddress[];
  /** What Via says instead of an address of the machine; without a port, with the listener's. */
  readonly name?: { readonly host: string; readonly port?: number };
  /** The way to other servers; without it there is none. */
  readonly mesh?: MeshTransport;
  readonly logger: Logger;
  readonly counters: Counters;
  /** Needed where `listen` has TLS or WSS; loaded by `start`. */
  readonly tls?: TlsCertificates;
  /** Whether a server that the operator trusts is at the other end of a flow. @default none is */
  readonly isTrusted?: (flow: Flow) => boolean;
  /** Addresses and networks, as sockets write them, whose stream connections begin with a header of the PROXY protocol. @default none */
  readonly proxies?: readonly string[];
  /** @default those of `limits.sip`, for all but this machine itself */
  readonly sources?: SourceRules;
  /** What peers may have begun to send and not ended. @default `limits.sip` */
  readonly unfinished?: BacklogRules;
  /** How often WebSocket clients are pinged. @default never */
  readonly pingMs?: number;
  /** What wildcards in `listen` stand for. @default those of this machine's interfaces */
  readonly machine?: MachineAddresses;
  /** @default the machine's */
  readonly clock?: Clock;
  /** @default the process's */
  readonly timers?: Timers;
  /** @default those of RFC 3261 */
  readonly sipTimers?: TimerSettings;
}

/** Transports and transactions of one node. `start` also throws what {@link TlsCertificates.load} does. */
export function createSipStack(options: SipStackOptions): SipStack & SipSessions & SipKeepAlives {
  return new Stack(options);
}

class Stack implements SipStack, SipSessions, SipKeepAlives {
  readonly #logger: Logger;
  readonly #counters: Counters;
  readonly #mesh: MeshTransport | undefined;
  readonly #name: SipStackOptions["name"];
  readonly #tls: TlsCertificates | undefined;
  readonly #machine: MachineAddresses;
  readonly #transports: Transports;
  readonly #scheduler: Scheduler;
  readonly #clients: ClientTransactions;
  readonly #servers: ServerTransactions;
  #handler: ((incoming: IncomingRequest) => void) | undefined;
  readonly #overload = new Overload(limits.sip.overload);
  readonly #clock: Clock;
  readonly #timers: Timers;
  #cancelSample = (): void => {};
  #endWatch = (): void => {};
  readonly #flowClosed: ((flow: Flow) => void)[] = [];
  readonly #unproven = new LineLimit(1);
  readonly #connectionsMax: number;
  #stopping = false;
  /** Makes tags of stateless responses: the same for each retransmission of a request. */
  readonly #statelessTag = randomTag();

  constructor(options: SipStackOptions) {
    const { logger, counters, mesh, clock = systemClock, timers = systemTimers, sipTimers = RFC3261_TIMERS } = options;
    this.#logger = logger;
    this.#counters = counters;
    this.#mesh = mesh;
    this.#name = options.name;
    this.#tls = options.tls;
    this.#machine = options.machine ?? new MachineAddresses();
    this.#clock = clock;
    this.#timers = timers;
    const sources = options.sources ?? sourceRules();
    this.#connectionsMax = sources.connections;
    this.#transports = new Transports(options.listen, mesh, {
      clock,
      counters,
      timers,
      logger,
      machine: this.#machine,
      sources: new Sources(sources),
      backlogs: new Backlogs(limits.sip.unread),
      unfinished: new Backlogs(options.unfinished ?? limits.sip.unfinished),
      isTrusted: options.isTrusted ?? (() => false),
      isProxy: withinAny(options.proxies ?? []),
      ...(options.tls === undefined ? undefined : { tls: options.tls }),
      ...(options.pingMs === undefined ? undefined : { pingMs: options.pingMs }),
      events: {
        received: (bytes, flow) => this.#receive(bytes, flow),
        excess: (bytes, flow) => this.#refuseExcess(bytes, flow),
        broken: (error, flow) => this.#refuse(error, flow),
        closed: (flow) => this.#closed(flow),
        unproven: (host, at, reason) => this.#noteUnproven(host, at, reason),
      },
    });
    this.#scheduler = new Scheduler(clock, timers);
    const shared = {
      scheduler: this.#scheduler,
      counters,
      timers: sipTimers,
      isReliable: (flow: Flow) => flow.transport !== "UDP",
    };
    this.#clients = new ClientTransactions({
      ...shared,
      capacity: { requests: limits.sip.clientTransactions, octets: limits.sip.clientTransactionBytes },
      window: limits.sip.udpWindow,
      transmit: (flow, bytes, failed) => this.#transports.send(flow, bytes, failed),
    });
    this.#servers = new ServerTransactions({
      ...shared,
      capacity: {
        pending: limits.sip.pendingRequests,
        reserved: limits.sip.reservedRequests,
        kept: limits.sip.serverTransactions,
        answers: limits.sip.answersBytes,
      },
      sheds: (work) => this.#overload.sheds(work),
      transmit: (path, bytes, failed) => this.#respond(path, bytes, failed),
      deliver: (incoming) => this.#deliver(incoming),
      answerStateless: (request, path, status) => this.#answerStateless(request, path, status),
    });
  }

  async start(): Promise<void> {
    this.#stopping = false;
    this.#tls?.load();
    await this.#transports.start();
    if (this.#connectionsMax < limits.sip.sources.connections)
      this.#logger.info(
        { connections: this.#connectionsMax },
        "connections of clients are fewer than usual: no more files may be open",
      );
    this.#cancelSample();
    this.#sample();
    this.#endWatch();
    this.#endWatch = this.#machine.watch(this.#timers);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancelSample();
    this.#endWatch();
    this.#clients.stop();
    this.#servers.stop();
    this.#scheduler.stop();
    await this.#transports.stop();
  }

  /** A timer is as late as whatever waits for the event loop. */
  #sample(): void {
    const dueMs = this.#clock.monotonicMs() + limits.sip.overload.sampleMs;
    this.#cancelSample = this.#timers.after(limits.sip.overload.sampleMs, () => {
      this.#overload.sample(this.#clock.monotonicMs() - dueMs);
      this.#sample();
    });
  }

  listening(towards?: Flow): readonly ListenAddress[] {
    return this.#transports.listening(towards);
  }

  ownEnd(flow: SocketFlow): ListenAddress {
    return this.#transports.ownEnd(flow) ?? { transport: flow.transport, address: "node.invalid", port: 5060 };
  }

  onRequest(handler: (incoming: IncomingRequest) => void): void {
    this.#handler = handler;
  }

  known(flow: SocketFlow): void {
    this.#transports.known(flow);
  }

  close(flow: Flow): void {
    if (flow.transport !== "MESH") this.#transports.close(flow);
  }

  onFlowClosed(handler: (flow: Flow) => void): void {
    this.#flowClosed.push(handler);
  }

  send(request: SipRequest, to: Flow, options?: RequestOptions): Promise<SipResponse> {
    assert(
      !["INVITE", "ACK", "CANCEL"].includes(request.method),
      `${request.method} is not sent as a non-INVITE request`,
    );
    return this.#send(request, to, options);
  }

  invite(request: SipRequest, to: Flow, options?: InviteProgress): Promise<SipResponse> {
    assert(request.method === "INVITE", `${request.method} is not INVITE`);
    return this.#send(request, to, options);
  }

  acknowledge(ack: SipRequest, to: Flow): void {
    assert(ack.method === "ACK", `${ack.method} is not ACK`);
    const way = this.#wayOf(ack.uri, ack.headers.all("Route"), to);
    this.#transports.send(way, serializeMessage(this.#outgoing(ack, way)), () =>
      this.#counters.add("sip.requests_failed"),
    );
  }

  hasClosed(flow: Flow): boolean {
    return flow.transport !== "MESH" && this.#transports.hasClosed(flow);
  }

  keepAlive(contactUri: string, to: Flow): void {
    assert(to.transport === "UDP", "streams keep themselves alive");
    this.#transports.send(this.#wayOf(contactUri, [], to), KEEP_ALIVE, () => {});
  }

  #send(request: SipRequest, to: Flow, options?: RequestOptions & InviteProgress): Promise<SipResponse> {
    const way = this.#wayOf(request.uri, request.headers.all("Route"), to);
    return this.#clients.send(this.#outgoing(request, way), way, options);
  }

  /** The flow, or where nobody listens at its other end, another to whom the request is for next. @see RFC 3261 §8.1.2, §18.1.1 */
  #wayOf(uri: string, routes: readonly string[], to: Flow): Flow {
    if (to.transport === "MESH") return to;
    if (to.calledAt === undefined && to.listensElsewhere !== true && to.connection === undefined) return to;
    const { calledAt, ...flow } = to;
    if (flow.listensElsewhere !== true && !this.#transports.hasClosed(flow)) return flow;
    const listener = calledAt === undefined ? listenerOf(uri, flow, routes) : calledAt;
    return listener ? flowTo(listener, flow) : flow;
  }

  #receive(bytes: Uint8Array, flow: Flow): void {
    let message: SipMessage | undefined;
    try {
      message = parseMessage(bytes);
      if (message.kind === "response") return this.#receiveResponse(message, flow);
      const { via } = validateRequest(message);
      this.#counters.add("sip.requests_in");
      noteSource(message.headers, via, flow);
      this.#servers.receive(message, via, senderFlow(flow, via));
    } catch (error) {
      if (error instanceof SipParseError) return this.#refuse(error, flow, message);
      // A fault of ours that a message brings to light costs that message, not the node.
      this.#counters.add("sip.faults");
      this.#logger.error({ err: error, flow }, "a SIP message could not be handled");
    }
  }

  #receiveResponse(response: SipResponse, flow: Flow): void {
    this.#counters.add("sip.responses_in");
    // Only this node may say that a response is its own.
    response.headers.delete(AORTA_LOCAL);
    if (!this.#clients.receive(response, flow)) this.#counters.add("sip.stray_responses");
  }

  /** Answers what is wrong with a message if it was a request that names its way back; drops it otherwise. */
  #refuse(error: SipParseError, flow: Flow, message?: SipMessage): void {
    this.#counters.add("sip.malformed");
    this.#logger.debug({ code: error.code, reason: error.message, flow }, "malformed SIP message");
    const request = error.request ?? (message?.kind === "request" ? message : undefined);
    // RFC 3261 §17.1.1.3: nobody answers an ACK.
    if (request === undefined || request.method === "ACK") return;
    let via: Via;
    try {
      via = topViaOfMalformed(request);
      noteSource(request.headers, via, flow);
    } catch {
      return; // No usable Via: there is nowhere to answer to.
    }
    this.#answerStateless(request, responsePath(flow, via), error.status, error.message);
  }

  /** A source that sends too much is told so, where it asked for something; what else it sent is dropped. */
  #refuseExcess(bytes: Uint8Array, flow: Flow): void {
    try {
      const message = parseMessage(bytes);
      if (message.kind === "response" || message.method === "ACK") return;
      const { via } = validateRequest(message);
      noteSource(message.headers, via, flow);
      this.#answerStateless(message, responsePath(flow, via), 503);
    } catch {
      this.#counters.add("sip.malformed");
    }
  }

  #deliver(incoming: IncomingRequest): void {
    try {
      assert(this.#handler !== undefined, "a request arrived before onRequest");
      this.#handler(incoming);
    } catch (error) {
      this.#counters.add("sip.handler_failures");
      this.#logger.error({ err: error, method: incoming.request.method }, "serving a SIP request failed");
      incoming.respond(createResponse(incoming.request, 500));
    }
  }

  #closed(flow: Flow): void {
    this.#clients.flowClosed(flow);
    this.#servers.flowClosed(flow);
    // Flows name stream connections, not links of the mesh; and those that end because we stop were not left by their clients.
    if (flow.transport === "MESH" || this.#stopping) return;
    for (const handler of this.#flowClosed) handler(flow);
  }

  /** What waits for such a server tries again and again. */
  #noteUnproven(host: string, { address, port }: Pick<ListenAddress, "address" | "port">, reason: string): void {
    const leftOut = this.#unproven.take(this.#clock.monotonicMs());
    if (leftOut === undefined) return;
    const fields = { host, address, port, reason, ...leftOut };
    this.#logger.warn(fields, "a SIP server could not prove over TLS who it is; nothing was sent to it");
  }

  #respond({ flow, fallback }: ResponsePath, bytes: Uint8Array, failed: (reason: string) => void): void {
    this.#counters.add("sip.responses_out");
    // RFC 3261 §18.2.2: when the connection of the request is gone, a new one is made.
    this.#transports.send(
      flow,
      bytes,
      fallback === undefined ? failed : () => this.#transports.send(fallback, bytes, failed),
    );
  }

  /** @see RFC 3261 §8.2.7 */
  #answerStateless(request: SipRequest, path: ResponsePath, status: number, reason?: string): void {
    const headers: [string, string][] = status === 503 ? [["Retry-After", String(limits.sip.retryAfterSeconds)]] : [];
    if (reason !== undefined) headers.push(["Warning", `399 aorta "${reason.replace(/[^ !#-[\]-~]/g, "?")}"`]);
    const response = createResponse(request, status, { headers, toTag: this.#statelessTag });
    this.#respond(path, serializeMessage(response), () => this.#counters.add("sip.responses_failed"));
  }

  /** The request as it leaves: with our Via on top, and Max-Forwards. @see RFC 3261 §8.1.1, §18.1.1 */
  #outgoing(request: SipRequest, to: Flow): SipRequest {
    this.#counters.add("sip.requests_out");
    const headers = request.headers.clone();
    const rport = to.transport === "UDP" ? ";rport" : "";
    const branch = randomBranch(request.loopPart);
    headers.prepend("Via", `SIP/2.0/${to.transport} ${this.#sentBy(to)};branch=${branch}${rport}`);
    if (!headers.has("Max-Forwards")) headers.append("Max-Forwards", "70");
    return { ...request, headers };
  }

  #sentBy(to: Flow): string {
    if (to.transport === "MESH") return `${this.#mesh?.self ?? "node"}.invalid`;
    const { address, port } = this.ownEnd(to);
    return formatHostPort(this.#name?.host ?? address, this.#name?.port ?? port);
  }
}
