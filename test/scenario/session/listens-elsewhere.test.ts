import { expect } from "chai";
import { createRequest, tagOf } from "../../../node/sip/message/build.ts";
import type { SipRequest } from "../../../node/sip/message/message.ts";
import { serializeMessage } from "../../../node/sip/message/serialize-message.ts";
import { randomBranch } from "../../../node/sip/message/tags.ts";
import { parseUri } from "../../../node/sip/message/uri.ts";
import { eventually } from "../../helpers/eventually.ts";
import type { RawClient } from "../../sip/harness.ts";
import { rawClient } from "../../sip/harness.ts";
import type { Agent } from "./session-world.ts";
import { SessionWorld } from "./session-world.ts";

const ALICE = "sip:alice@example.com";

describe("a UDP phone that sends from another port than it listens on", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  let sending: RawClient;
  let [desk, newDesk]: Agent[] = [];

  before(async () => {
    world = await SessionWorld.of(1);
  });
  beforeEach(async () => {
    sending = await rawClient(world.sides[0]!.stack.listening().find(({ transport }) => transport === "UDP")!);
    [desk, newDesk] = [await world.agent("alice", 0), await world.agent("alice", 0)];
  });
  afterEach(async () => {
    sending.close();
    await world.endAgents();
  });
  after(() => world.stop());

  /** Sends it without rport from a port at which nobody listens; answers go to the phone, which does not wait for them. */
  function send(request: SipRequest, { contact } = desk!): void {
    const headers = request.headers.clone();
    const { host, port } = parseUri(contact);
    headers.prepend("Via", `SIP/2.0/UDP ${host}:${port};branch=${randomBranch()}`);
    headers.set("Contact", `<${contact}>`);
    headers.set("Max-Forwards", "70");
    sending.send(serializeMessage({ ...request, headers }));
  }

  async function register(): Promise<void> {
    const address = `<${ALICE}>`;
    const { registrar } = world.sides[0]!;
    const init = { method: "REGISTER", uri: "sip:example.com", from: `${address};tag=r`, to: address };
    const before = registrar.status().contacts;
    send(createRequest({ ...init, headers: [["Expires", "600"]] }));
    await eventually(() => registrar.status().contacts > before, "a contact");
  }

  it("gets messages and calls where it listens, and after a restart of the server too", async () => {
    await register();
    const joe = await world.agent("joe", 0);
    expect((await joe.call(joe.outside("MESSAGE", ALICE))).status).to.equal(200);
    await world.restart(0);
    const invite = joe.invitation(ALICE);
    const session = joe.dialogOf(invite, await joe.call(invite));
    session.ack();
    expect((await session.send("BYE")).status).to.equal(200);
    expect(desk!.methods()).to.deep.equal(["MESSAGE", "INVITE", "ACK", "BYE"]);
    expect(sending.received.unread).to.equal(0);
  });

  /** Sends requests to the phone within a session, as if it listened elsewhere. They come to where it listens, and nowhere else. */
  async function misdirect(joe: Agent, request: (target: string, routes: string[]) => SipRequest): Promise<void> {
    const other = newDesk!.contact;
    const before = desk!.methods().length;
    // A new Contact would have to be the phone's word, which nothing proves within a session.
    for (const [target, ...routes] of [[desk!.contact], [other], [desk!.contact, `<${other};lr>`]] as const)
      expect((await joe.send(request(target, routes))).status).to.equal(200);
    expect(desk!.methods().slice(before)).to.deep.equal(["INFO", "INFO", "INFO"]);
    expect(newDesk!.methods()).to.deep.equal([]);
    expect(sending.received.unread).to.equal(0);
  }

  it("gets what belongs to a session that it began where it listened then, whatever the request says", async () => {
    const joe = await world.agent("joe", 0);
    await joe.register();
    const invite = desk!.invitation(joe.aor);
    send(invite);
    await eventually(() => joe.methods().includes("INVITE"), "the INVITE");
    const { headers } = joe.received[0]!.request;
    await misdirect(joe, (target, routes) =>
      createRequest({
        method: "INFO",
        uri: target,
        from: `${headers.get("To")};tag=joe`,
        to: headers.get("From")!,
        callId: headers.get("Call-ID")!,
        headers: [...headers.all("Record-Route"), ...routes].map((route): [string, string] => ["Route", route]),
      }),
    );
  });

  it("gets what belongs to a session that it was called to where it has registered, whatever the request says", async () => {
    await register();
    const joe = await world.agent("joe", 0);
    const invite = joe.invitation(ALICE);
    const session = joe.dialogOf(invite, await joe.call(invite));
    session.ack();
    await eventually(() => desk!.methods().includes("ACK"), "the ACK");
    await misdirect(joe, (target, routes) =>
      session.request("INFO", { target, routes: [...session.routes, ...routes] }),
    );
  });

  it("gets NOTIFYs there, and where the Contact of a refresh says from then on", async () => {
    const joe = await world.agent("joe", 0);
    const subscribe = (cseq: number, phone: Agent, tag = ""): void =>
      send(
        createRequest({
          method: "SUBSCRIBE",
          uri: joe.aor,
          from: `<${ALICE}>;tag=w`,
          to: `<${joe.aor}>${tag}`,
          callId: "watch",
          cseq,
          headers: [
            ["Event", "presence"],
            ["Expires", "600"],
          ],
        }),
        phone,
      );
    subscribe(1, desk!);
    await eventually(() => desk!.methods().includes("NOTIFY"), "a NOTIFY");
    const tag = tagOf(desk!.received[0]!.request.headers.get("From")!);
    subscribe(2, newDesk!, `;tag=${tag}`);
    await eventually(() => newDesk!.methods().includes("NOTIFY"), "a NOTIFY at the new Contact");
    expect(sending.received.unread).to.equal(0);
  });
});
