import { expect } from "chai";
import { createRequest, tagOf } from "../../../node/sip/message/build.ts";
import { parseSubscriptionState } from "../../../node/sip/message/event.ts";
import { randomCallId } from "../../../node/sip/message/tags.ts";
import { eventually } from "../../helpers/eventually.ts";
import { readReginfo } from "../../helpers/reginfo.ts";
import type { Agent, SessionWorld } from "../session/session-world.ts";
import type { OtherServer } from "./other-server.ts";
import { worldWithOther } from "./other-server.ts";

const ALICE = "sip:alice@example.com";

describe("a server without a node that asks for the registrations of its user (RFC 3680)", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  let other: OtherServer;

  beforeEach(async () => ({ world, other } = await worldWithOther(2)));
  afterEach(() => world.stop());

  const contact = () => other.agent.contact;

  it("is told when the user goes to another server of the mesh, and when she comes back", async () => {
    await other.register("alice");
    const watch = new RegWatch(other.agent);
    expect(await watch.subscribe()).to.equal(200);
    await watch.hears(`0 full active, ${contact()} active registered`);

    const elsewhere = await world.agent("alice", 1);
    expect((await elsewhere.register()).status).to.equal(200);
    await watch.hears(`1 partial terminated, ${contact()} terminated deactivated`);
    expect(watch.state, "she may come back").to.equal("active");
    expect((await other.register("alice")).status, "a refresh does not bring her back").to.equal(403);

    expect((await other.register("alice", { callId: randomCallId() })).status).to.equal(200);
    await watch.hears(`2 partial active, ${contact()} active registered`);
    expect((await other.register("alice", { callId: randomCallId(), expires: 0 })).status).to.equal(200);
    await watch.hears(`3 partial terminated, ${contact()} terminated unregistered`);
    expect(await watch.subscribe(0)).to.equal(200);
    await eventually(() => watch.state === "terminated", "the end of the subscription");
  });

  it("is told when the user goes to a client of the very node, and of no contact that is not there", async () => {
    await other.register("alice");
    const watch = new RegWatch(other.agent);
    await watch.subscribe();
    await watch.hears(`0 full active, ${contact()} active registered`);
    const here = await world.agent("alice", 0, "TCP");
    expect((await here.register()).status).to.equal(200);
    await watch.hears(`1 partial terminated, ${contact()} terminated deactivated`);
    await watch.hears(`2 partial active, ${here.contact} active registered`);
    await here.register(0);
    await watch.hears(`3 partial terminated, ${here.contact} terminated unregistered`);
  });

  it("may ask when the user has left already: nothing is registered, and she may come", async () => {
    await other.register("alice");
    const elsewhere = await world.agent("alice", 1);
    await elsewhere.register();
    const watch = new RegWatch(other.agent);
    expect(await watch.subscribe()).to.equal(200);
    await watch.hears("0 full init");
    expect(watch.state).to.equal("active");
    expect((await other.register("alice", { callId: randomCallId() })).status).to.equal(200);
    await watch.hears(`1 partial active, ${contact()} active registered`);
  });

  it("is told after a restart of the node that the user has gone meanwhile", async () => {
    await other.register("alice");
    const watch = new RegWatch(other.agent);
    await watch.subscribe();
    await watch.hears(`0 full active, ${contact()} active registered`);
    const elsewhere = await world.agent("alice", 1);
    await world.restart(0, () => elsewhere.register());
    await eventually(
      () => watch.told.at(-1)?.endsWith("terminated deactivated") === true,
      "the end of the registration",
    );
    expect(await watch.subscribe(), "a refresh").to.equal(200);
  });

  it("speaks for itself, which nobody else may: others get 401, or 403 for anybody but themselves", async () => {
    const joe = await world.agent("joe", 0);
    const watch = new RegWatch(joe);
    expect(await watch.subscribe()).to.equal(401);
    const headers: [string, string][] = [
      ["Event", "reg"],
      ["Contact", `<${joe.contact}>`],
    ];
    expect((await joe.call(joe.outside("SUBSCRIBE", ALICE, headers))).status).to.equal(403);
    const presence = new RegWatch(other.agent, "presence");
    expect(await presence.subscribe(), "presence is for users").to.equal(403);
  });
});

/** A subscription of a server in its own name, which is no user's. */
class RegWatch {
  readonly #agent: Agent;
  readonly #event: string;
  readonly #callId = randomCallId();
  #remoteTag: string | undefined;
  #cseq = 0;

  constructor(agent: Agent, event = "reg") {
    this.#agent = agent;
    this.#event = event;
  }

  async subscribe(expires = 600): Promise<number> {
    const tag = this.#remoteTag === undefined ? "" : `;tag=${this.#remoteTag}`;
    const headers: [string, string][] = [
      ["Event", this.#event],
      ["Contact", `<${this.#agent.contact}>`],
      ["Expires", String(expires)],
    ];
    const from = "<sip:registrar@192.0.2.7>;tag=watch";
    const init = { method: "SUBSCRIBE", uri: ALICE, from, to: `<${ALICE}>${tag}`, callId: this.#callId };
    const response = await this.#agent.send(createRequest({ ...init, cseq: ++this.#cseq, headers }));
    this.#remoteTag ??= tagOf(response.headers.get("To") ?? "");
    return response.status;
  }

  /** What its NOTIFYs said. */
  get told(): string[] {
    return this.#notifies().map(({ request }) => readReginfo(request.body));
  }

  /** In the last one. */
  get state(): string | undefined {
    const last = this.#notifies().at(-1);
    return last && parseSubscriptionState(last.request.headers.get("Subscription-State") ?? "").state;
  }

  hears(what: string): Promise<void> {
    return eventually(() => this.told.includes(what), `"${what}"`);
  }

  #notifies() {
    return this.#agent.received.filter(
      ({ request: { method, headers } }) => method === "NOTIFY" && headers.get("Call-ID") === this.#callId,
    );
  }
}
