import { expect } from "chai";
import fc from "fast-check";
import { ForkAnswer } from "../../../node/federation/fork-answer.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import { parseCredentials } from "../../../node/sip/message/credentials.ts";
import { parseMessage } from "../../../node/sip/message/parse-message.ts";
import { serializeMessage } from "../../../node/sip/message/serialize-message.ts";
import { request } from "./requests.ts";

const INVITE = request("INVITE", "sip:bob@example.com");

function answersOf(statuses: readonly number[]): (number | undefined)[] {
  const fork = new ForkAnswer(statuses.length);
  return statuses.map((status) => fork.received(createResponse(INVITE, status))?.status);
}
const finalOf = (...statuses: number[]) => answersOf(statuses).findLast((status) => status !== undefined);

describe("the answer to a forked request (RFC 3261 §16.7)", () => {
  it("is the first success, at once, and only once", () => {
    expect(answersOf([404, 202, 200, 603])).to.deep.equal([undefined, 202, undefined, undefined]);
  });

  it("waits for all devices while none has accepted", () => {
    expect(answersOf([486, 480])).to.deep.equal([undefined, 486]);
  });

  it("is a refusal of the user before one of a device", () => {
    expect([finalOf(404, 603, 480), finalOf(302, 600)]).to.deep.equal([603, 600]);
  });

  it("is of the lowest class otherwise", () => {
    expect([finalOf(503, 404), finalOf(500, 302, 486)]).to.deep.equal([404, 302]);
  });

  it("tells the sender how to do better rather than that it failed", () => {
    expect([finalOf(480, 415, 404), finalOf(420, 401, 415)]).to.deep.equal([415, 401]);
  });

  it("asks for all credentials that any device asks for, as they asked, where it asks for any", () => {
    const asks = (status: number, ...challenges: [string, string][]) =>
      createResponse(INVITE, status, { headers: challenges });
    const [www, proxy] = ["WWW-Authenticate", "Proxy-Authenticate"];
    const [a, b, c] = ['Digest realm="a", nonce="1"', 'Digest realm="b", nonce="2"', 'Digest realm="c", nonce="3"'];
    const finalOfAll = (...answers: ReturnType<typeof asks>[]) => {
      const fork = new ForkAnswer(answers.length);
      return answers.map((answer) => fork.received(answer)).at(-1);
    };
    const first = asks(407, [proxy!, a!]);
    const all = finalOfAll(first, asks(486), asks(401, [www!, b!], [www!, c!]), asks(407, [proxy!, c!]));
    expect(all?.status).to.equal(401);
    expect(all?.headers.all(www!)).to.deep.equal([b, c]);
    expect(all?.headers.all(proxy!)).to.deep.equal([a, c]);
    expect(first.headers.all(www!), "the answer of a device is left as it was").to.deep.equal([]);

    expect(finalOfAll(asks(401, [www!, a!]), asks(486))?.headers.all(www!)).to.deep.equal([a]);
    for (const better of [302, 603]) {
      const other = finalOfAll(asks(401, [www!, a!]), asks(better));
      expect([other?.status, other?.headers.has(www!)]).to.deep.equal([better, false]);
    }
  });

  it("asks for no more than fits into one message, whatever devices ask for", () => {
    const asks = (realm: string, count: number) =>
      createResponse(INVITE, 401, {
        headers: Array.from({ length: count }, (_, at): [string, string] => [
          "WWW-Authenticate",
          `Digest realm="${realm}", nonce="${at}"`,
        ]),
      });
    const joined = (...answers: ReturnType<typeof asks>[]) => {
      const fork = new ForkAnswer(answers.length);
      return answers.map((answer) => fork.received(answer)).at(-1)!;
    };
    for (const other of [asks("b", 200), asks("b".repeat(7000), 30)]) {
      const message = serializeMessage(joined(asks("a", 1), other, other, other));
      const { headers } = parseMessage(message);
      const realms = headers.all("WWW-Authenticate").map((value) => parseCredentials(value).params.get("realm")![0]);
      expect([realms[0], realms[1]]).to.deep.equal(["a", "b"]);
      expect(message.length).to.be.below(limits.sip.messageBytes / 2);
    }
  });

  it("says that this server is overloaded only when nothing else can be said", () => {
    expect([finalOf(503, 500), finalOf(503, 503)]).to.deep.equal([500, 503]);
  });

  it("says that there is no such event package only where every device does: another may have it", () => {
    expect([finalOf(489, 480), finalOf(480, 489), finalOf(489, 489)]).to.deep.equal([480, 480, 489]);
  });

  it("is given exactly once, and with a success if there is any", () => {
    const statuses = fc.constantFrom(200, 202, 302, 401, 404, 408, 415, 480, 486, 500, 503, 600, 603);
    fc.assert(
      fc.property(fc.array(statuses, { minLength: 1, maxLength: 8 }), (list) => {
        const given = answersOf(list).filter((status) => status !== undefined);
        expect(given).to.have.length(1);
        expect((given[0] ?? 0) < 300 && (given[0] ?? 0) >= 200).to.equal(list.some((status) => status < 300));
      }),
    );
  });
});
