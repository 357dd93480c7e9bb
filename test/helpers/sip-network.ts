import type { ServerId } from "../../dht-schema/roster.ts";
import { addToTag, createResponse, hasTag } from "../../node/sip/message/build.ts";
import type { SipRequest, SipResponse } from "../../node/sip/message/message.ts";
import { parseMessage } from "../../node/sip/message/parse-message.ts";
import { serializeMessage } from "../../node/sip/message/serialize-message.ts";
import { SipParseError } from "../../node/sip/message/sip-parse-error.ts";
import { randomBranch, randomTag } from "../../node/sip/message/tags.ts";
import { validateRequest } from "../../node/sip/message/validate-request.ts";
import type {
  Flow,
  IncomingRequest,
  ListenAddress,
  RequestOptions,
  SipStack,
  SocketFlow,
  SocketTransport,
} from "../../node/sip/stack.ts";
import { AORTA_LOCAL, LOCAL_CUT_OFF } from "../../node/sip/stack.ts";
import { MeshLinks } from "./mesh-links.ts";
import type { VirtualTime } from "./virtual-time.ts";

type RequestHandler = (incoming: IncomingRequest) => void;

const TIMER_F_MS = 32_000;

/**
 * A network of servers and clients on virtual time, without sockets: each message is serialized and parsed again on
 * its way, takes one latency, and gets a top Via as the real stack's does. Nothing is lost unless a test says so.
 */
export class SipNetwork {
  readonly time: VirtualTime;
  readonly latencyMs: number;
  /** Between servers. */
  readonly links: MeshLinks;
  readonly #servers = new Map<ServerId, ServerStack>();
  readonly #clients = new Map<string, SipClient>();
  /** Every request that was delivered, in order, for tests that look at what crossed where. */
  readonly log: Passage[] = [];
  /** Sees every request in the turn in which it leaves, whether or not it arrives. */
  onSend: (passage: Passage) => void = () => {};
  /** Sees every request in the turn in which it arrives, before its receiver does. */
  onReceived: (passage: Passage) => void = () => {};

  constructor(time: VirtualTime, options: { readonly latencyMs?: number } = {}) {
    this.time = time;
    this.latencyMs = options.latencyMs ?? 1;
    this.links = new MeshLinks(time, this.latencyMs);
  }

  /** The stack of a server, to be given to what is under test. */
  server(id: ServerId): ServerStack {
    const stack = new ServerStack(this, id, 5060 + this.#servers.size);
    const others = [...this.#servers.keys()].filter((other) => other !== id);
    if (this.#servers.has(id)) this.links.startedAnew(id, others);
    this.#servers.set(id, stack);
    return stack;
  }

  /** A client of a server, at an address of its own. */
  client(server: ServerId, options: ClientOptions = {}): SipClient {
    const port = 20_000 + this.#clients.size;
    const transport = options.transport ?? "UDP";
    const connection = transport === "UDP" ? undefined : `connection-${port}`;
    const flow: SocketFlow = {
      transport,
      address: options.address ?? "127.0.0.1",
      port,
      ...(connection === undefined ? {} : { connection }),
    };
    const client = new SipClient(this, server, flow, options);
    this.#clients.set(keyOf(flow), client);
    return client;
  }

  /** The server's process is gone: links to it break at once. */
  kill(id: ServerId): void {
    const stack = this.#servers.get(id);
    if (stack !== undefined) stack.state = "gone";
    this.links.broken(id);
  }

  /** What is sent to the server arrives nowhere, and nobody says so. */
  freeze(id: ServerId): void {
    const stack = this.#servers.get(id);
    if (stack !== undefined) stack.state = "frozen";
  }

  endpoint(flow: Flow): Endpoint | undefined {
    return flow.transport === "MESH" ? this.#servers.get(flow.server) : this.#clients.get(keyOf(flow));
  }

  serverEndpoint(id: ServerId): ServerStack | undefined {
    return this.#servers.get(id);
  }

  /** The links between servers break, and are up again at once: who waits for an answer gets none. */
  breakLinks(): void {
    this.links.breakAll();
  }

  /** One client transaction. */
  transact(from: Endpoint, request: SipRequest, to: Endpoint | undefined, withinMs = TIMER_F_MS): Promise<SipResponse> {
    const sent = { ...request, headers: request.headers.clone() };
    sent.headers.prepend("Via", `SIP/2.0/${from.viaTransport} ${from.sentBy};branch=${randomBranch(request.loopPart)}`);
    if (!sent.headers.has("Max-Forwards")) sent.headers.set("Max-Forwards", "70");
    const { promise, resolve } = Promise.withResolvers<SipResponse>();
    // What of a dead process still runs in the test sends nothing, and hears nothing.
    if (from.state === "gone") return promise;
    const fail = (status: 408 | 503, mark = "1"): void =>
      resolve(createResponse(request, status, { headers: [[AORTA_LOCAL, mark]] }));
    if (to !== undefined) this.onSend({ from: from.name, to: to.name, request: sent });
    const isOverLink = from.viaTransport === "MESH" && to?.viaTransport === "MESH";
    if (isOverLink) void promise.then(this.links.awaitAnswer(from.name, to.name, () => fail(503, LOCAL_CUT_OFF)));
    const isBroken = isOverLink && !this.links.isUp(from.name, to.name);
    if (to === undefined || isBroken || (to.state === "gone" && to.viaTransport !== "UDP")) {
      this.time.after(0, () => fail(503));
      return promise;
    }
    const carry = (sender: string, receiver: string, deliver: () => void): void =>
      isOverLink ? this.links.carry(sender, receiver, deliver) : void this.time.after(this.latencyMs, deliver);
    const cancelTimeout = this.time.after(Math.min(withinMs, TIMER_F_MS), () => fail(408));
    carry(from.name, to.name, () => {
      if (to.state !== "up") return;
      const delivered = copy(sent) as SipRequest;
      const passage = { from: from.name, to: to.name, request: delivered };
      this.log.push(passage);
      this.onReceived(passage);
      const answer = (response: SipResponse): void => {
        if (to.state !== "up") return;
        carry(to.name, from.name, () => {
          if (from.state !== "up") return;
          const received = copy(response) as SipResponse;
          received.headers.shift("Via");
          cancelTimeout();
          resolve(received);
        });
      };
      const problem = problemOf(delivered);
      if (problem === undefined) to.receive(delivered, to.flowFrom(from), answer);
      else answer(createResponse(delivered, problem.status));
    });
    return promise;
  }
}

export interface ClientOptions {
  /** @default "UDP" */
  readonly transport?: SocketTransport;
  /** What it writes into Via. @default address and port of its socket */
  readonly sentBy?: string | undefined;
  /** From where servers see it send. */
  readonly address?: string;
  /** @default where servers see it send from */
  readonly contact?: string;
}

/** One request on its way from one endpoint to another. */
export interface Passage {
  readonly from: string;
  readonly to: string;
  readonly request: SipRequest;
}

interface Endpoint {
  readonly name: string;
  readonly sentBy: string;
  readonly viaTransport: string;
  state: "up" | "gone" | "frozen";
  /** The flow by which requests of another endpoint arrive here. */
  flowFrom(other: Endpoint): Flow;
  /** How this endpoint is reached from a server. */
  readonly flow: Flow;
  receive(request: SipRequest, flow: Flow, answer: (response: SipResponse) => void): void;
}

function copy(message: SipRequest | SipResponse): SipRequest | SipResponse {
  return parseMessage(serializeMessage(message));
}

/** What the real stack answers by itself. */
function problemOf(request: SipRequest): SipParseError | undefined {
  try {
    validateRequest(request);
    return undefined;
  } catch (error) {
    if (error instanceof SipParseError) return error;
    throw error;
  }
}

function keyOf(flow: SocketFlow): string {
  return `${flow.transport} ${flow.address}:${flow.port}`;
}

function incomingOf(request: SipRequest, flow: Flow, answer: (response: SipResponse) => void): IncomingRequest {
  let isAnswered = false;
  return {
    request,
    flow,
    respond(response) {
      if (response.status < 200 || isAnswered) return;
      isAnswered = true;
      const completed = { ...response, headers: response.headers.clone() };
      for (const name of ["CSeq", "Call-ID", "To", "From"]) {
        const value = request.headers.get(name);
        if (!completed.headers.has(name) && value !== undefined) completed.headers.prepend(name, value);
      }
      if (!completed.headers.has("Via"))
        for (const via of request.headers.all("Via")) completed.headers.append("Via", via);
      if (!hasTag(completed.headers.get("To") ?? "")) addToTag(completed.headers, randomTag());
      answer(completed);
    },
    onCancel() {},
  };
}

/** A server's stack in a {@link SipNetwork}. */
export class ServerStack implements SipStack, Endpoint {
  readonly name: string;
  readonly sentBy: string;
  readonly viaTransport = "MESH";
  readonly flow: Flow;
  state: "up" | "gone" | "frozen" = "up";
  /** Those whose clients have shown who they are. */
  readonly knownFlows: SocketFlow[] = [];
  readonly #network: SipNetwork;
  readonly #port: number;
  #handler: RequestHandler = () => {};
  readonly #flowHandlers = new Set<(flow: Flow) => void>();

  constructor(network: SipNetwork, id: ServerId, port: number) {
    this.#network = network;
    this.#port = port;
    this.name = id;
    this.sentBy = `${id}.invalid`;
    this.flow = { transport: "MESH", server: id };
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.state = "gone";
    return Promise.resolve();
  }

  listening(): readonly ListenAddress[] {
    return [this.ownEnd()];
  }

  ownEnd(): ListenAddress {
    return { transport: "UDP", address: "127.0.0.1", port: this.#port };
  }

  onRequest(handler: RequestHandler): void {
    this.#handler = handler;
  }

  known(flow: SocketFlow): void {
    this.knownFlows.push(flow);
  }

  close(flow: Flow): void {
    const other = this.#network.endpoint(flow);
    if (other instanceof SipClient) other.close();
  }

  onFlowClosed(handler: (flow: Flow) => void): void {
    this.#flowHandlers.add(handler);
  }

  send(request: SipRequest, to: Flow, options: RequestOptions = {}): Promise<SipResponse> {
    const other = this.hasClosed(to) ? undefined : this.#network.endpoint(to);
    return this.#network.transact(this, request, other, options.withinMs);
  }

  hasClosed(flow: Flow): boolean {
    if (flow.transport === "MESH" || flow.connection === undefined) return false;
    const other = this.#network.endpoint(flow);
    return other === undefined || other.state === "gone" || (other.flow as SocketFlow).connection !== flow.connection;
  }

  flowFrom(other: Endpoint): Flow {
    return other.flow;
  }

  receive(request: SipRequest, flow: Flow, answer: (response: SipResponse) => void): void {
    this.#handler(incomingOf(request, flow, answer));
  }

  flowClosed(flow: Flow): void {
    for (const handler of this.#flowHandlers) handler(flow);
  }
}

/** A client of one server in a {@link SipNetwork}. Answers 200 to every request unless told otherwise. */
export class SipClient implements Endpoint {
  readonly name: string;
  readonly sentBy: string;
  readonly viaTransport: string;
  readonly flow: SocketFlow;
  /** Where requests to this client ought to go. */
  readonly contact: string;
  state: "up" | "gone" | "frozen" = "up";
  /** What arrived, in order. */
  readonly received: SipRequest[] = [];
  readonly #network: SipNetwork;
  readonly #server: ServerId;
  #handler: RequestHandler = (incoming) => incoming.respond(createResponse(incoming.request, 200));

  constructor(network: SipNetwork, server: ServerId, flow: SocketFlow, { sentBy, contact }: ClientOptions) {
    this.#network = network;
    this.#server = server;
    this.flow = flow;
    this.name = `${flow.address}:${flow.port}`;
    this.sentBy = sentBy ?? this.name;
    this.viaTransport = flow.transport;
    this.contact = contact ?? `sip:device@${this.name};transport=${flow.transport.toLowerCase()}`;
  }

  onRequest(handler: RequestHandler): void {
    this.#handler = handler;
  }

  /** Sends a request to the client's server. */
  send(request: SipRequest): Promise<SipResponse> {
    return this.#network.transact(this, request, this.#network.serverEndpoint(this.#server));
  }

  /** The client goes away; its server notices if it was a stream connection. */
  close(): void {
    this.state = "gone";
    if (this.flow.transport !== "UDP") this.#network.serverEndpoint(this.#server)?.flowClosed(this.flow);
  }

  flowFrom(other: Endpoint): Flow {
    return other.flow;
  }

  receive(request: SipRequest, flow: Flow, answer: (response: SipResponse) => void): void {
    this.received.push(request);
    this.#handler(incomingOf(request, flow, answer));
  }
}
