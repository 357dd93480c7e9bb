import { createSocket } from "node:dgram";
import { once } from "node:events";
import { expect } from "chai";
import { ownPorts } from "../../node/demo/ports.ts";
import { ConfigurationError, OperationalError } from "../../node/runtime/errors.ts";
import type { Logger } from "../../node/runtime/logger.ts";
import { silentLogger } from "../../node/runtime/logger.ts";
import { createCounters } from "../../node/runtime/metrics.ts";
import { createSipStack } from "../../node/sip/sip-stack.ts";
import { createResponse } from "../../node/sip/message/build.ts";
import { parseMessage } from "../../node/sip/message/parse-message.ts";
import type { SipRequest } from "../../node/sip/message/message.ts";
import { topVia } from "../../node/sip/message/validate-request.ts";
import type { Flow, ListenAddress } from "../../node/sip/stack.ts";
import { MachineAddresses } from "../../node/sip/transport/machine-addresses.ts";
import { eventually } from "../helpers/eventually.ts";
import { TestMachine } from "../helpers/machines.ts";
import type { TestStack } from "./harness.ts";
import { Inbox, outgoing, rawClient, rawRequest, startStack } from "./harness.ts";

const WILDCARD = { address: "0.0.0.0", port: 0 };
const OWN = ["127.0.0.1", "127.0.0.2"];

describe("a SIP stack on a wildcard of a machine with two addresses", () => {
  let machine: TestMachine;
  let server: TestStack;
  let log: { text: string; address?: string }[];
  const cleanups: (() => unknown)[] = [];

  beforeEach(async () => {
    log = [];
    machine = new TestMachine("127.0.0.1/32", "127.0.0.2/32");
    server = await startServer(WILDCARD);
  });

  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  const note = (fields: object, text?: string) => void log.push({ ...fields, text: text ?? "" });
  const logger: Logger = { ...silentLogger, info: note, warn: note, child: () => logger };
  const logged = (text: string, address: string) => () =>
    log.some((line) => line.text.includes(text) && line.address === address);

  async function startServer(listen: { address: string; port: number }): Promise<TestStack> {
    const started = await startStack(
      (["UDP", "TCP", "TLS", "WS", "WSS"] as const).map((transport) => ({ transport, ...listen })),
      { machine: machine.addresses, logger },
    );
    cleanups.push(() => started.stack.stop());
    return started;
  }

  /** A client at 127.0.0.3 that hears from where datagrams come. */
  async function udpClient() {
    const socket = createSocket("udp4");
    cleanups.push(() => socket.close());
    const received = new Inbox<{ text: string; from: string; port: number }>();
    socket.on("message", (bytes, { address, port }) => received.put({ text: bytes.toString(), from: address, port }));
    socket.bind(0, "127.0.0.3");
    await once(socket, "listening");
    const { port } = server.address("UDP");
    return { received, send: (text: string, to: string) => socket.send(text, port, to) };
  }

  it("answers over UDP from where the request was received (RFC 3581 §4), and so go later requests, which name it in Via", async () => {
    const client = await udpClient();
    const { port } = server.address("UDP");
    for (const own of OWN) {
      client.send(rawRequest({ branch: `z9hG4bK${own}` }), own);
      const { flow, request, respond } = await server.requests.next();
      expect(flow).to.include({ listener: `${own}:${port}`, address: "127.0.0.3" });
      respond(createResponse(request, 200));
      expect(await client.received.next()).to.include({ from: own, port });
      void server.stack.send(outgoing(), flow);
      const { text, ...from } = await client.received.next();
      expect(from).to.deep.equal({ from: own, port });
      expect(topVia(parseMessage(Buffer.from(text)) as SipRequest)).to.include({ host: own, port });
    }
  });

  for (const transport of ["TCP", "TLS", "WS", "WSS"] as const) {
    it(`names towards a client over ${transport} the address that it connected to`, async () => {
      // The certificate is for 127.0.0.1 alone.
      for (const own of transport === "TCP" || transport === "WS" ? OWN : OWN.slice(0, 1)) {
        const { port } = server.address(transport);
        const client = await rawClient({ transport, address: own, port });
        cleanups.push(() => client.close());
        client.send(rawRequest({ via: `SIP/2.0/${transport} client.invalid`, branch: `z9hG4bK${own}` }));
        const { flow } = await server.requests.next();
        expect(flow).to.include({ listener: `${own}:${port}` });
        expect(server.stack.ownEnd(flow as Flow & ListenAddress)).to.deep.equal({ transport, address: own, port });
        void server.stack.send(outgoing(), flow);
        expect(topVia(parseMessage(Buffer.from(await client.received.next())) as SipRequest)).to.include({ host: own });
      }
    });
  }

  it("says where it listens as it was told, and to a peer by the address that the peer knows", () => {
    const from: Flow = { transport: "UDP", address: "127.0.0.3", port: 5060, listener: "127.0.0.2:1" };
    expect(new Set(server.stack.listening().map(({ address }) => address))).to.deep.equal(new Set(["0.0.0.0"]));
    expect(new Set(server.stack.listening(from).map(({ address }) => address))).to.deep.equal(new Set(["127.0.0.2"]));
  });

  it("listens on addresses that appear, and closes those that are gone, whose flows go on from another", async () => {
    const client = await udpClient();
    const { port } = server.address("UDP");
    const flow = { transport: "UDP", address: "127.0.0.3", port: 9, listener: `127.0.0.2:${port}` } as const;
    await machine.become("127.0.0.1/32", "127.0.0.4/32");
    await eventually(logged("no longer on this address", "127.0.0.2"), "the one is closed");
    await eventually(logged("on this address, too", "127.0.0.4"), "the other is listened on");
    expect(await canBind("127.0.0.2", port)).to.equal(true);
    client.send(rawRequest(), "127.0.0.4");
    const incoming = await server.requests.next();
    expect(incoming.flow).to.include({ listener: `127.0.0.4:${port}` });
    expect(server.stack.ownEnd(flow)).to.deep.equal({ transport: "UDP", address: "127.0.0.1", port });
    void server.stack.send(outgoing(), { ...incoming.flow, listener: flow.listener } as Flow);
    expect(await client.received.next()).to.include({ from: "127.0.0.1", port });
  });

  it("serves the flows of a run before, when it listened elsewhere or on a wildcard by name", async () => {
    const client = await udpClient();
    const { port } = server.address("UDP");
    client.send(rawRequest(), "127.0.0.2");
    const { flow } = await server.requests.next();
    for (const listener of ["192.0.2.1:5060", `0.0.0.0:${port}`]) {
      void server.stack.send(outgoing(), { ...flow, listener } as Flow);
      expect(await client.received.next()).to.include({ from: "127.0.0.1", port });
    }
  });

  it("tries again where the port of an address that appeared is taken", async () => {
    const { port } = server.address("UDP");
    const other = await bound("127.0.0.4", port);
    for (let look = 0; look < 3; look++) await machine.become("127.0.0.1/32", "127.0.0.4/32");
    await eventually(logged("no SIP over UDP on this address", "127.0.0.4"), "said");
    other.close();
    await once(other, "close");
    await machine.become("127.0.0.1/32", "127.0.0.4/32");
    await eventually(logged("on this address, too", "127.0.0.4"), "listened on");
    expect(
      log.filter(({ text }) => text.startsWith("no SIP")),
      "said once",
    ).to.have.length(1);
    expect(await canBind("127.0.0.4", port)).to.equal(false);
  });

  it("does not start where the port of one address is taken, and leaves nothing open", async () => {
    const [port] = (await ownPorts(1)) as [number];
    const other = await bound("127.0.0.2", port);
    const error = await startServer({ ...WILDCARD, port }).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(OperationalError).that.includes({ code: "PORT_IN_USE" });
    expect((error as Error).message).to.include(`127.0.0.2:${port}`);
    expect(await canBind("127.0.0.1", port)).to.equal(true);
    other.close();
  });

  it("takes another free port where the first one is taken on the second address", async () => {
    const others: ReturnType<typeof createSocket>[] = [];
    cleanups.push(() => others.map((socket) => socket.close()));
    // Takes the port in the moment between the two.
    class Addresses extends Set<string> {
      override *[Symbol.iterator](): Generator<string, undefined> {
        yield "127.0.0.1";
        if (others.length < 2) {
          const other = createSocket({ type: "udp4", lookup: (host, _options, answer) => answer(null, host, 4) });
          other.bind({ address: "127.0.0.2", port: stack.listening()[0]?.port ?? 0, exclusive: true });
          others.push(other);
        }
        yield "127.0.0.2";
        return undefined;
      }
    }
    machine.addresses.behind = () => new Addresses();
    const listen = [{ transport: "UDP" as const, ...WILDCARD }];
    const stack = createSipStack({ listen, machine: machine.addresses, logger, counters: createCounters() });
    await stack.start();
    cleanups.push(() => stack.stop());
    const { port } = stack.listening()[0]!;
    expect(others.map((socket) => socket.address().port))
      .to.have.length(2)
      .that.does.not.include(port);
    expect(await Promise.all(OWN.map((address) => canBind(address, port)))).to.deep.equal([false, false]);
  });

  it("starts without an address that is not there yet, and not without any", async () => {
    // Listed, but none of this machine: as an IPv6 address is while it is looked for duplicates.
    machine.up = ["127.0.0.1/32", "192.0.2.1/32"];
    await machine.addresses.look();
    await (await startServer(WILDCARD)).stack.stop();
    await machine.become("192.0.2.1/32");
    expect(await startServer(WILDCARD).catch((thrown: unknown) => thrown)).to.include({
      code: "ADDRESS_NOT_AVAILABLE",
    });
  });
});

describe("a SIP stack on a machine that does not say which addresses it has", () => {
  const machine = new MachineAddresses({
    list() {
      throw new Error("address family not supported");
    },
    has: () => Promise.resolve(false),
  });

  it("starts on those that it is given", async () => {
    const { stack } = await startStack(["UDP", "TCP"], { machine });
    expect(stack.listening().map(({ address }) => address)).to.deep.equal(["127.0.0.1", "127.0.0.1"]);
    await stack.stop();
  });

  it("does not start on a wildcard, and says why", async () => {
    for (const transport of ["UDP", "TCP"] as const) {
      const started = startStack([{ transport, ...WILDCARD }], { machine });
      const error = await started.catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(ConfigurationError).that.includes({ code: "ADDRESSES_UNKNOWN" });
      expect((error as Error).message).to.include("address family not supported");
    }
  });
});

async function bound(address: string, port: number) {
  const socket = createSocket("udp4");
  const listening = once(socket, "listening");
  socket.bind({ address, port, exclusive: true });
  await listening;
  return socket;
}

async function canBind(address: string, port: number): Promise<boolean> {
  try {
    (await bound(address, port)).close();
    return true;
  } catch {
    return false;
  }
}
