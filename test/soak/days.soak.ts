import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect } from "chai";
import { createRequest } from "../../node/sip/message/build.ts";
import { randomTag } from "../../node/sip/message/tags.ts";
import { eventually } from "../helpers/eventually.ts";
import type { Agent } from "../scenario/session/session-world.ts";
import { SessionWorld } from "../scenario/session/session-world.ts";

const USERS = 12;
const SERVERS = 3;
/** After so many days all code is compiled, and tables have grown to what they need. */
const WARM_DAYS = 12;
const DAYS = Number(process.env["AORTA_SOAK_DAYS"] ?? 24);
/** Of some 200 requests a day; what is remembered of each message to tell it from its repetition takes 0.1 kB. */
const KILOBYTES_A_DAY = 12;
/** Longer than an INVITE that was answered is remembered (RFC 6026 §8.7, 64·T1), and a user who has moved. */
const SETTLE_MS = 35_000;

/**
 * A day: everybody comes to some server, another one than the day before, says that they are there, watches their neighbours, writes to them,
 * calls one, and goes home. When all have gone, nothing of the day is to be left.
 */
describe("many days of the same", function () {
  this.timeout(2 * SETTLE_MS + (WARM_DAYS + DAYS) * 10_000);
  let world: SessionWorld;

  before(async () => {
    world = await SessionWorld.of(SERVERS);
  });
  after(() => world.stop());

  it("leave no memory, no timers and no sockets behind", async () => {
    for (let day = 0; day < WARM_DAYS; day++) await live(world, day);
    const before = await settled(world);
    for (let day = WARM_DAYS; day < WARM_DAYS + DAYS; day++) await live(world, day);
    const after = await settled(world);
    expect(after.resources, "sockets and timers").to.deep.equal(before.resources);
    const perDay = (after.heapBytes - before.heapBytes) / 1024 / DAYS;
    process.stdout.write(`    ${perDay.toFixed(1)} kB of heap a day, over ${DAYS} days\n`);
    expect(perDay, "kB of heap a day").to.be.below(KILOBYTES_A_DAY);
  });
});

async function live(world: SessionWorld, day: number): Promise<void> {
  const people = await Promise.all(
    Array.from({ length: USERS }, (_, i) => world.agent(`user${i}`, (i + day) % SERVERS, "TCP")),
  );
  const neighbour = (i: number) => people[(i + 1) % USERS]!;
  const each = (act: (agent: Agent, i: number) => Promise<void>) => Promise.all(people.map(act));
  await each(async (agent) => expectOk(await agent.register(), 200));
  const tags = await Promise.all(
    people.map(async (agent) => (await agent.send(publication(agent))).headers.get("SIP-ETag")!),
  );
  await each(async (agent, i) => {
    const subscription = subscriptionTo(agent, neighbour(i));
    const accepted = await agent.send(subscription);
    expectOk(accepted, 200);
    for (let n = 0; n < 3; n++) expectOk(await agent.send(messageTo(agent, neighbour(i), `${day}.${n}`)), 200);
    const invite = agent.invitation(neighbour(i).aor);
    const answer = await agent.call(invite);
    expectOk(answer, 200);
    const call = agent.dialogOf(invite, answer);
    call.ack();
    expectOk(await call.send("BYE"), 200);
    const ending: [string, string][] = [EVENT, ["Expires", "0"]];
    expectOk(await agent.send(agent.dialogOf(subscription, accepted).request("SUBSCRIBE", { headers: ending })), 200);
  });
  await each(async (agent, i) => expectOk(await agent.send(removal(agent, tags[i]!)), 200));
  await each(async (agent) => expectOk(await agent.register(0), 200));
  await world.endAgents();
}

function expectOk({ status }: { readonly status: number }, wanted: number): void {
  expect(status).to.equal(wanted);
}

interface Level {
  readonly heapBytes: number;
  /** How many of each kind are open. */
  readonly resources: Readonly<Record<string, number>>;
}

/** What there is when nothing is going on any more. */
async function settled({ sides }: SessionWorld): Promise<Level> {
  const left = () =>
    sides.map(({ presence, registrar, held }) => {
      const { views, ...counts } = presence.status();
      return [registrar.status().contacts, held.status.messages, ...Object.values(counts), ...Object.values(views)];
    });
  await eventually(
    () =>
      left()
        .flat()
        .every((count) => count === 0),
    "everybody to have gone",
    20_000,
  );
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  collectGarbage();
  return { heapBytes: process.memoryUsage().heapUsed, resources: countBy(process.getActiveResourcesInfo()) };
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names.toSorted()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  for (let i = 0; i < 3; i++) gc();
}

/** A request of one person about another, or about themselves. */
function requestOf(agent: Agent, method: string, to: Agent, headers: [string, string][], body = "") {
  const from = `<${agent.aor}>;tag=${randomTag()}`;
  return createRequest({ method, uri: to.aor, from, to: `<${to.aor}>`, headers, body });
}

const EVENT: [string, string] = ["Event", "presence"];

function publication(agent: Agent) {
  const body =
    `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${agent.aor}">` +
    `<tuple id="phone"><status><basic>open</basic></status></tuple></presence>`;
  const headers: [string, string][] = [EVENT, ["Expires", "60"], ["Content-Type", "application/pidf+xml"]];
  return requestOf(agent, "PUBLISH", agent, headers, body);
}

function removal(agent: Agent, tag: string) {
  return requestOf(agent, "PUBLISH", agent, [EVENT, ["Expires", "0"], ["SIP-If-Match", tag]]);
}

function subscriptionTo(agent: Agent, other: Agent) {
  return requestOf(agent, "SUBSCRIBE", other, [EVENT, ["Contact", `<${agent.contact}>`]]);
}

function messageTo(agent: Agent, other: Agent, body: string) {
  return requestOf(agent, "MESSAGE", other, [["Content-Type", "text/plain"]], body);
}
