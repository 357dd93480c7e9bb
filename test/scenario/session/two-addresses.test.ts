import { createSocket } from "node:dgram";
import { once } from "node:events";
import { expect } from "chai";
import { createResponse } from "../../../node/sip/message/build.ts";
import type { SipMessage } from "../../../node/sip/message/message.ts";
import { parseMessage } from "../../../node/sip/message/parse-message.ts";
import { serializeMessage } from "../../../node/sip/message/serialize-message.ts";
import { EdgeNode } from "../../helpers/edge-node.ts";
import { TestMachine } from "../../helpers/machines.ts";
import { Inbox } from "../../sip/harness.ts";

describe("a node on 0.0.0.0 of a machine with two addresses, as its clients see it over UDP", () => {
  let node: EdgeNode;
  let port: number;
  const clients: Client[] = [];

  before(async () => {
    node = await EdgeNode.start("none", new TestMachine("127.0.0.1/32", "127.0.0.2/32").addresses);
    ({ port } = node.listener("UDP"));
  });

  after(async () => {
    for (const client of clients) client.close();
    await node.stop();
  });

  /** A client at 127.0.0.3 that has one address of the node, and reads only what comes from there, as a NAT lets it. */
  async function client(user: string, server: string): Promise<Client> {
    const made = new Client(user, { address: server, port });
    await made.open();
    clients.push(made);
    return made;
  }

  for (const own of ["127.0.0.1", "127.0.0.2"]) {
    it(`is at ${own} for who sends there: in its answers, Contact and Via, and in what it sends later`, async () => {
      const joe = await client(`joe${own}`, own);
      joe.send("OPTIONS", "sip:example.com");
      expect((await joe.next()).headers.all("Contact")).to.include(`<sip:${own}:${port}>`);
      const events = "Event: presence\r\nExpires: 600\r\n";
      joe.send("SUBSCRIBE", "sip:alice@example.com", events);
      expect((await joe.next()).headers.get("Contact")).to.equal(`<sip:${own}:${port}>`);
      const notify = await joe.next();
      expect(notify).to.include({ kind: "request", method: "NOTIFY" });
      expect(notify.headers.get("Contact")).to.equal(`<sip:${own}:${port}>`);
      expect(notify.headers.get("Via")).to.include(`SIP/2.0/UDP ${own}:${port};`);
    });
  }

  it("records two ways of a session whose ends know it by different addresses", async () => {
    const alice = await client("alice", "127.0.0.1");
    alice.send("REGISTER", "sip:example.com", "Expires: 600\r\n");
    expect(await alice.next()).to.include({ status: 200 });
    const joe = await client("joe", "127.0.0.2");
    joe.send("INVITE", "sip:alice@example.com");
    const invite = await alice.next();
    expect(invite).to.include({ kind: "request", method: "INVITE" });
    expect(invite.headers.get("Via")).to.include(`SIP/2.0/UDP 127.0.0.1:${port};`);
    const hosts = invite.headers.all("Record-Route").map((each) => /@([^;>]+)/.exec(each)?.[1]);
    expect(hosts).to.deep.equal([`127.0.0.1:${port}`, `127.0.0.2:${port}`]);
    if (invite.kind === "request") alice.answer(serializeMessage(createResponse(invite, 486)));
    let answer = await joe.next();
    while (answer.kind === "response" && answer.status < 200) answer = await joe.next();
    expect(answer).to.include({ status: 486 });
  });
});

class Client {
  readonly #user: string;
  readonly #server: { readonly address: string; readonly port: number };
  readonly #socket = createSocket("udp4");
  readonly #received = new Inbox<SipMessage>();
  #sent = 0;

  constructor(user: string, server: { readonly address: string; readonly port: number }) {
    this.#user = user;
    this.#server = server;
  }

  async open(): Promise<void> {
    this.#socket.bind(0, "127.0.0.3");
    await once(this.#socket, "listening");
    this.#socket.on("message", (bytes) => this.#received.put(parseMessage(bytes)));
    this.#socket.connect(this.#server.port, this.#server.address);
    await once(this.#socket, "connect");
  }

  send(method: string, uri: string, headers = ""): void {
    const own = `127.0.0.3:${this.#socket.address().port}`;
    const cseq = ++this.#sent;
    this.answer(
      `${method} ${uri} SIP/2.0\r\nVia: SIP/2.0/UDP ${own};rport;branch=z9hG4bK${this.#user}${cseq}\r\n` +
        `From: <sip:${this.#user}@example.com>;tag=t\r\nTo: <${method === "REGISTER" ? `sip:${this.#user}@example.com` : uri}>\r\n` +
        `Call-ID: ${this.#user}-${cseq}\r\nCSeq: ${cseq} ${method}\r\nMax-Forwards: 70\r\n` +
        `Contact: <sip:${this.#user}@${own}>\r\n${headers}Content-Length: 0\r\n\r\n`,
    );
  }

  answer(octets: string | Uint8Array): void {
    this.#socket.send(octets);
  }

  next(): Promise<SipMessage> {
    return this.#received.next();
  }

  close(): void {
    this.#socket.close();
  }
}
