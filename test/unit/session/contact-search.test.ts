import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import { ContactSearch } from "../../../node/session/contact-search.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import type { SipRequest, SipResponse } from "../../../node/sip/message/message.ts";
import type { Flow } from "../../../node/sip/stack.ts";
import { settle, VirtualTime } from "../../helpers/virtual-time.ts";
import { request } from "../federation/requests.ts";

const PHONE = "sip:phone@192.0.2.1:5062";
const [ALICE, BOB, CAROL] = ["alice", "bob", "carol"].map((user) => `sip:${user}@example.com` as Aor) as [
  Aor,
  Aor,
  Aor,
];
const { perUser, atOnce, inVainMs } = limits.session.contactSearches;

/** A search at a server with two others, which answer when the test lets them. */
function searching(here: readonly Aor[] = [], near: readonly Aor[] = [], unsure?: true) {
  const time = new VirtualTime();
  const counters = createCounters();
  const asked: { server: string; request: SipRequest; answer(users?: readonly string[]): void }[] = [];
  const registers = Promise.withResolvers<void>();
  const search = new ContactSearch({
    contacts: {
      registering: (aor) => (aor === CAROL ? registers.promise : undefined),
      usersAt: (uri) => (uri === PHONE ? { same: here, near, ...(unsure && { unsure }) } : { same: [], near: [] }),
    },
    others: () => ["one", "two"] as ServerId[],
    domain: "example.com",
    timers: time,
    counters,
    stack: {
      send(question: SipRequest, to: Flow) {
        const { promise, resolve } = Promise.withResolvers<SipResponse>();
        const server = (to as { server: string }).server;
        const answer = (users?: readonly string[]) => {
          const headers = (users ?? []).map((user) => ["Aorta-User", user] as const);
          resolve(createResponse(question, users === undefined ? 405 : 200, { headers }));
        };
        asked.push({ server, request: question, answer });
        return promise;
      },
    },
  });
  return { search, asked, counters, time, registers };
}

describe("search for a Contact", () => {
  it("asks nobody as long as those here are enough", async () => {
    const { search, asked } = searching([ALICE]);
    expect(await search.find(PHONE, BOB).next()).to.deep.equal({ done: false, value: ALICE });
    expect(asked).to.have.length(0);
  });

  it("asks all other servers at once, and waits for none when one knows", async () => {
    const { search, asked } = searching();
    const found = search.find(PHONE, BOB);
    const first = found.next();
    await settle();
    expect(asked.map(({ server }) => server)).to.deep.equal(["one", "two"]);
    expect(asked[0]!.request.headers.get("Aorta-Contact")).to.equal(PHONE);
    asked[1]!.answer([CAROL]);
    expect(await first).to.deep.equal({ done: false, value: CAROL });
    const second = found.next();
    asked[0]!.answer([CAROL, ALICE, "not an address", "sip:eve@elsewhere.example"]);
    expect(await second).to.deep.equal({ done: false, value: ALICE });
    expect(await found.next()).to.deep.include({ done: true });
  });

  it("asks one server whether a user has it there, who may be registering", async () => {
    const { search, asked, registers } = searching([CAROL]);
    for (const [users, isThere] of [
      [[ALICE, CAROL], true],
      [[ALICE], false],
      [undefined, false],
    ] as const) {
      const isAt = search.isAt("two" as ServerId, PHONE, CAROL);
      const { server, request: question, answer } = asked.pop()!;
      expect([server, question.headers.get("Aorta-User")]).to.deep.equal(["two", CAROL]);
      answer(users);
      expect(await isAt).to.equal(isThere);
    }
    const answers: (string | undefined)[] = [];
    const headers: [string, string][] = [
      ["Aorta-Contact", PHONE],
      ["Aorta-User", CAROL],
    ];
    const question = request("AORTA-CONTACTS", "sip:example.com", { headers });
    const respond = (answer: SipResponse) => void answers.push(answer.headers.get("Aorta-User"));
    search.handleQuestion({
      request: question,
      flow: { transport: "MESH", server: "one" as ServerId },
      respond,
      onCancel() {},
    });
    await settle();
    expect(answers).to.deep.equal([]);
    registers.resolve();
    await settle();
    expect(answers).to.deep.equal([CAROL]);
  });

  it("does not say that nobody has it where that is still to be found out, here or elsewhere", async () => {
    const { search, asked } = searching([], [], true);
    const found = search.find(PHONE, BOB).next();
    await settle();
    for (const { answer } of asked) answer([]);
    expect(await found).to.have.nested.property("value.status", 480);
    const { search: other } = searching([], [], true);
    const answers: number[] = [];
    const question = request("AORTA-CONTACTS", "sip:example.com", { headers: [["Aorta-Contact", PHONE]] });
    const flow = { transport: "MESH", server: "one" as ServerId } as const;
    other.handleQuestion({ request: question, flow, respond: ({ status }) => answers.push(status), onCancel() {} });
    expect(answers).to.deep.equal([480]);
    const { search: certain } = searching([ALICE], [], true);
    certain.handleQuestion({ request: question, flow, respond: ({ status }) => answers.push(status), onCancel() {} });
    expect(answers).to.deep.equal([480, 200]);
  });

  it("comes last to those whose Contact differs by its port, wherever they are", async () => {
    const { search, asked, counters } = searching([], [BOB]);
    const found = search.find(PHONE, BOB);
    const first = found.next();
    await settle();
    asked[0]!.answer([`${ALICE};near`]);
    await settle();
    asked[1]!.answer([CAROL]);
    const users = [await first, await found.next(), await found.next()].map(({ value }) => value as Aor);
    expect(users).to.deep.equal([CAROL, BOB, ALICE]);
    expect((await found.next()).value).to.deep.include({ status: 404 });
    expect(counters.get("session.contacts_unknown")).to.equal(0);
  });

  it("says whether nobody knows, or whether somebody did not say", async () => {
    for (const [answers, status] of [
      [[[], []], 404],
      [[[], undefined], 480],
    ] as const) {
      const { search, asked, counters } = searching();
      const end = search.find(PHONE, BOB).next();
      await settle();
      asked.forEach(({ answer }, at) => answer(answers[at]));
      expect((await end).value).to.deep.include({ status });
      expect(counters.get("session.contacts_unknown")).to.equal(1);
    }
  });

  it("tells no more users than are tried, of what one server says or all together", async () => {
    const { search, asked } = searching();
    const crowd = Array.from({ length: 20 }, (_, at) => `sip:user${at}@example.com`);
    const found = search.find(PHONE, BOB);
    const first = found.next();
    await settle();
    for (const { answer } of asked) answer(crowd);
    await first;
    for (let at = 1; at < limits.registrar.usersAtContact; at++) expect((await found.next()).done).to.equal(false);
    expect(await found.next()).to.deep.include({ done: true });
  });

  it("lets one user, and all together, have so many servers asked at a time, and no more often where it is in vain", async () => {
    const { search, asked, time, counters } = searching();
    const ask = (asker: Aor) => search.find(PHONE, asker).next();
    const searches = Array.from({ length: perUser }, () => ask(BOB));
    await settle();
    const refused = async (asker: Aor) => {
      const before = asked.length;
      const end = ask(asker);
      await settle();
      if (asked.length > before) return false;
      expect((await end).value).to.deep.include({ status: 480 });
      return true;
    };
    expect(await refused(BOB)).to.equal(true);
    for (const { answer } of asked) answer([]);
    await Promise.all(searches);
    await time.advance(inVainMs - 1);
    expect(await refused(BOB)).to.equal(true);
    expect(counters.get("session.contact_searches_refused")).to.equal(2);
    await time.advance(1);
    expect(await refused(BOB)).to.equal(false);
    for (let at = 1; at < atOnce; at++) void ask(`sip:user${at}@example.com` as Aor);
    await settle();
    expect(await refused(CAROL)).to.equal(true);
    // A search that has found somebody makes room at once.
    for (const { answer } of asked.slice(2 * perUser)) answer([ALICE]);
    await settle();
    expect(await refused(CAROL)).to.equal(false);
  });

  it("answers another server with the users who have it here", () => {
    const { search } = searching([ALICE, CAROL], [BOB]);
    const answerTo = (headers: [string, string][]) => {
      let answer: SipResponse | undefined;
      search.handleQuestion({
        request: request("AORTA-CONTACTS", "sip:example.com", { headers }),
        flow: { transport: "MESH", server: "one" as ServerId },
        respond: (response) => (answer = response),
        onCancel() {},
      });
      return answer!;
    };
    expect(answerTo([["Aorta-Contact", PHONE]]).headers.all("Aorta-User")).to.deep.equal([ALICE, CAROL, `${BOB};near`]);
    const none = answerTo([["Aorta-Contact", "sip:nobody@192.0.2.9"]]);
    expect([none.status, none.headers.has("Aorta-User")]).to.deep.equal([200, false]);
    expect(answerTo([]).status).to.equal(400);
  });
});
