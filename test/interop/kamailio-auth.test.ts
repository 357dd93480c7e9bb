import { expect } from "chai";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestSecrets } from "../../node/cli/commands/user/digest-secrets.ts";
import type { ImSession } from "../../node/softphone/im-session.ts";
import type { SipOutcome } from "../../node/softphone/outcome.ts";
import type { PresenceNotification } from "../../node/softphone/presence-subscription.ts";
import { digestResponse } from "../../node/sip/auth/digest-response.ts";
import { formatCredentials, parseCredentials } from "../../node/sip/message/credentials.ts";
import { Softphone } from "../../node/softphone/softphone.ts";
import { eventually } from "../helpers/eventually.ts";
import { Agent, DOMAIN, PASSWORD, SessionWorld } from "../scenario/session/session-world.ts";
import { Kamailio } from "./kamailio.ts";
import { findProgram, freeUdpPort } from "./programs.ts";

const aorOf = (user: string) => `sip:${user}@${DOMAIN}`;
const ha1Of = (user: string) => digestSecrets(user, DOMAIN, PASSWORD).ha1Md5;

/** Kamailio's table of users as text, in a folder of its own. */
function writeUsers(folder: string, users: readonly string[]): void {
  const rows = users.map((user) => `${user}:${DOMAIN}:${ha1Of(user)}\n`);
  writeFileSync(join(folder, "subscriber"), `username(string) domain(string) ha1(string)\n${rows.join("")}`);
  writeFileSync(join(folder, "version"), "table_name(string) table_version(int)\nsubscriber:7\n");
}

describe("Kamailio that asks its users for passwords, beside a node", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  let kamailio: Kamailio;
  let nodePort: number;
  let folder: string;
  const agents: Agent[] = [];
  const phones: Softphone[] = [];

  before(async function () {
    const program = findProgram("kamailio");
    // Debian: kamailio, kamailio-presence-modules
    if (program === undefined) return this.skip();
    folder = mkdtempSync(join(tmpdir(), "aorta-kamailio-users-"));
    writeUsers(folder, ["kate", "karl"]);
    const port = await freeUdpPort();
    world = await SessionWorld.of(1, [{ address: "127.0.0.1", port }]);
    nodePort = world.sides[0]!.stack.listening().find(({ transport }) => transport === "UDP")!.port;
    kamailio = await Kamailio.start(program, port, nodePort, { defines: ["WITH_AUTH", `USERS="text://${folder}"`] });
  });
  afterEach(async () => {
    for (const phone of phones.splice(0)) await phone.close();
    for (const agent of agents.splice(0)) await agent.stop();
    await world?.endAgents();
  });
  after(async () => {
    await kamailio?.stop();
    await world?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  async function agent(user: string): Promise<Agent> {
    const made = new Agent(user, { transport: "UDP", address: "127.0.0.1", port: kamailio.port });
    agents.push(made);
    await made.start();
    return made;
  }

  async function phone(user: string): Promise<Softphone> {
    const made = await Softphone.open({
      aor: aorOf(user),
      server: { transport: "UDP", host: "127.0.0.1", port: kamailio.port },
      credentials: { username: user, password: PASSWORD },
    });
    phones.push(made);
    return made;
  }

  it("registers, publishes, watches, writes and talks for who has the password", async () => {
    const [kate, karl] = [await phone("kate"), await phone("karl")];
    for (const each of [kate, karl]) expect((await each.register()).status).to.equal(200);
    const seen: PresenceNotification[] = [];
    await karl.subscribePresence(kate.aor, (notification) => seen.push(notification));
    expect((await kate.publishPresence({ basic: "open", note: "in" })).status).to.equal(200);
    await eventually(() => seen.at(-1)?.presence?.note === "in", "kate's presence");
    const texts: string[] = [];
    karl.onMessage(({ text }) => texts.push(text));
    expect((await kate.sendMessage(karl.aor, "hello")).status).to.equal(200);
    expect(texts).to.deep.equal(["hello"]);
    karl.onInvitation((invitation) => void invitation.accept());
    const session = await kate.openSession(karl.aor);
    if ("status" in session) throw new Error(`refused with ${session.status}`);
    expect(await session.send("hello")).to.equal(200);
    await session.close();
    await session.ended;
  });

  it("has one of its users transferred to the device of another (RFC 5589 §7)", async () => {
    const server = { transport: "UDP", host: "127.0.0.1", port: nodePort } as const;
    const anna = await Softphone.open({ aor: aorOf("anna"), server });
    phones.push(anna);
    const [kate, karl] = [await phone("kate"), await phone("karl")];
    for (const each of [anna, kate, karl]) expect((await each.register()).status).to.equal(200);
    const taken = new Map<Softphone, ImSession[]>([kate, karl].map((each) => [each, []]));
    for (const [each, sessions] of taken)
      each.onInvitation((invitation) => void invitation.accept().then((session) => sessions.push(session)));
    const [withKarl, withKate] = [await anna.openSession(karl.aor), await anna.openSession(kate.aor)];
    if ("status" in withKarl || "status" in withKate) throw new Error("no sessions to begin with");
    await eventually(() => [...taken.values()].every(({ length }) => length === 1), "both to have answered");
    const transferred = Promise.withResolvers<ImSession | SipOutcome>();
    taken.get(karl)![0]!.onTransferred(transferred.resolve);
    expect(await withKarl.transferTo(withKate)).to.equal(200);
    const session = await transferred.promise;
    if ("status" in session) throw new Error(`refused with ${session.status}`);
    await withKate.ended;
    expect(await session.send("it is me now")).to.equal(200);
    await session.close();
    await withKarl.close();
    await Promise.all([...taken.values()].flat().map(({ ended }) => ended));
  });

  it("hides credentials from the node and from devices", async () => {
    const [kate, karl] = [await agent("kate"), await agent("karl")];
    expect((await karl.register()).status).to.equal(200);
    expect((await kate.call(kate.outside("MESSAGE", karl.aor))).status).to.equal(200);
    expect(karl.methods()).to.deep.equal(["MESSAGE"]);
    expect(karl.received[0]!.request.headers.all("Proxy-Authorization")).to.deep.equal([]);
  });

  for (const [method, status] of [
    ["REGISTER", 401],
    ["PUBLISH", 407],
    ["MESSAGE", 407],
    ["SUBSCRIBE", 407],
    ["INVITE", 407],
  ] as const)
    it(`challenges ${method} and takes none of it in another's name`, async () => {
      const kate = await agent("kate");
      const about = method === "REGISTER" ? `sip:${DOMAIN}` : aorOf("karl");
      const requestOf = (name: string) => {
        const request = kate.outside(method, about, [["Contact", `<${kate.contact}>`]]);
        request.headers.set("From", `<${aorOf(name)}>;tag=1`);
        if (method === "REGISTER") request.headers.set("To", `<${aorOf("karl")}>`);
        return request;
      };
      expect((await kate.send(requestOf("kate"))).status).to.equal(status);
      expect((await kate.call(requestOf("karl"))).status).to.equal(403);
    });

  it("challenges within dialogs, and sends nothing by a Route that is made up", async () => {
    const [kate, bystander] = [await agent("kate"), await agent("karl")];
    const request = kate.outside("OPTIONS", bystander.contact, [["Route", `<sip:127.0.0.1:${kamailio.port};lr>`]]);
    request.headers.set("To", `<${aorOf("karl")}>;tag=1`);
    expect((await kate.send(request)).status).to.equal(407);
    expect(bystander.methods()).to.deep.equal([]);
  });

  it("takes credentials of a client that counts them once", async () => {
    const [kate, karl] = [await agent("kate"), await agent("karl")];
    expect((await karl.register()).status).to.equal(200);
    const request = kate.outside("MESSAGE", karl.aor);
    const challenge = (await kate.send(request)).headers.get("Proxy-Authenticate");
    const nonce = parseCredentials(challenge!).params.get("nonce")!;
    const [nc, cnonce] = ["00000001", "abc"];
    const asked = { algorithm: "MD5", nonce, method: "MESSAGE", uri: karl.aor, qop: { nc, cnonce } } as const;
    const response = digestResponse(ha1Of("kate"), asked);
    const params = { username: "kate", realm: DOMAIN, nonce, uri: karl.aor, response, qop: "auth", nc, cnonce };
    const credentials = formatCredentials({ scheme: "Digest", params: new Map(Object.entries(params)) });
    const answers: number[] = [];
    for (const sequence of [2, 3]) {
      const headers = request.headers.clone().append("Proxy-Authorization", credentials);
      headers.set("CSeq", `${sequence} MESSAGE`);
      answers.push((await kate.send({ ...request, headers })).status);
    }
    expect(answers).to.deep.equal([200, 407]);
  });
});
