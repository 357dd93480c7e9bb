import { expect } from "chai";
import fc from "fast-check";
import { Publications } from "../../../../node/presence/publication/publications.ts";
import type { PublishEvent, PublishOutcome } from "../../../../node/presence/publication/publications.ts";
import { limits } from "../../../../node/runtime/limits.ts";
import { pidfDocument } from "../documents.ts";

const EXPIRY = { minSeconds: 60, defaultSeconds: 3600, maxSeconds: 7200 };
const busy = pidfDocument("busy");
const away = pidfDocument("away");

function compositor(fits = () => true) {
  const publications = new Publications({ expiry: EXPIRY, fits });
  let tag = 0;
  const publish = (event: Partial<PublishEvent>, nowMs = 0): PublishOutcome =>
    publications.publish({ path: "p", freshTag: `tag${(tag += 1)}`, ...event }, nowMs);
  return { publications, publish };
}

function tagOf(outcome: PublishOutcome): string {
  if (outcome.kind !== "accepted") throw new Error(`refused with ${outcome.answer.status}`);
  return outcome.entityTag;
}

const statusOf = (outcome: PublishOutcome) => (outcome.kind === "refused" ? outcome.answer.status : 200);

describe("the publications of a user", () => {
  it("go through initial, refresh, modify and remove, each under a new entity-tag", () => {
    const { publications, publish } = compositor();
    const initial = publish({ document: busy });
    expect(initial).to.include({ expiresSeconds: 3600, changed: true });
    const refresh = publish({ ifMatch: tagOf(initial), expiresSeconds: 100 }, 10);
    expect(refresh).to.include({ expiresSeconds: 100, changed: false });
    const modify = publish({ ifMatch: tagOf(refresh), document: away }, 20);
    expect(modify).to.include({ changed: true });
    expect(publications.all()).to.deep.equal([
      {
        key: `00000001.${tagOf(initial)}`,
        entityTag: tagOf(modify),
        document: away,
        path: "p",
        origin: undefined,
        devices: [],
        expiresAtMs: 3_600_020,
      },
    ]);
    expect(publish({ ifMatch: tagOf(modify), expiresSeconds: 0 }, 30)).to.include({ expiresSeconds: 0, changed: true });
    expect(publications.size).to.equal(0);
  });

  it("answer 412 to a tag that was replaced, has expired, or never was", () => {
    const { publish } = compositor();
    const first = tagOf(publish({ document: busy, expiresSeconds: 60 }));
    const second = tagOf(publish({ ifMatch: first, expiresSeconds: 60 }, 1));
    expect(statusOf(publish({ ifMatch: first }, 2))).to.equal(412);
    expect(statusOf(publish({ ifMatch: "other" }, 2))).to.equal(412);
    expect(statusOf(publish({ ifMatch: second }, 60_001))).to.equal(412);
  });

  it("tell by a refused request, too, that something has expired", () => {
    const { publish } = compositor();
    const tag = tagOf(publish({ document: busy, expiresSeconds: 60 }));
    expect(publish({ ifMatch: tag }, 60_000)).to.include({ kind: "refused", changed: true });
  });

  it("answer 423 to an interval below the minimum, and shorten one above the maximum", () => {
    const { publish } = compositor();
    const brief = publish({ document: busy, expiresSeconds: 59 });
    expect(brief).to.deep.include({
      answer: { status: 423, reason: "Interval Too Brief", headers: [["Min-Expires", "60"]] },
    });
    expect(publish({ document: busy, expiresSeconds: 60 })).to.include({ expiresSeconds: 60 });
    expect(publish({ document: busy, expiresSeconds: 99_999 })).to.include({ expiresSeconds: 7200 });
  });

  it("answer 400 to a PUBLISH with neither tag nor body", () => {
    expect(statusOf(compositor().publish({}))).to.equal(400);
  });

  it("store nothing of an initial PUBLISH that expires at once", () => {
    const { publications, publish } = compositor();
    expect(publish({ document: busy, expiresSeconds: 0 })).to.include({
      kind: "accepted",
      expiresSeconds: 0,
      changed: false,
    });
    expect(publications.size).to.equal(0);
  });

  it("change the state when a refresh comes over another path, because that decides which contact it speaks for", () => {
    const { publish } = compositor();
    const tag = tagOf(publish({ document: busy }));
    expect(publish({ ifMatch: tag, path: "q" })).to.include({ changed: true });
  });

  it("are bounded: for one more the one makes room that has not been spoken of for longest, and its device publishes anew", () => {
    const { publications, publish } = compositor();
    const bound = limits.presence.publicationsPerUser;
    const [first, second, ...rest] = Array.from({ length: bound }, () => tagOf(publish({ document: busy })));
    const refreshed = tagOf(publish({ ifMatch: first! }, 1000));
    const newest = publish({ document: away }, 2000);
    expect(newest).to.include({ kind: "accepted", changed: true });
    expect(publications.all().map(({ entityTag }) => entityTag)).to.deep.equal([...rest, refreshed, tagOf(newest)]);
    expect(statusOf(publish({ ifMatch: second! }, 3000))).to.equal(412);
    expect(statusOf(publish({ ifMatch: refreshed, document: away }, 3000))).to.equal(200);
    expect(publications.size).to.equal(bound);
  });

  it("lose none to one that is refused", () => {
    let room = true;
    const { publications, publish } = compositor(() => room);
    for (let count = 0; count < limits.presence.publicationsPerUser; count++) publish({ document: busy });
    const before = publications.all();
    room = false;
    expect(statusOf(publish({ document: away }))).to.equal(413);
    expect(statusOf(publish({ document: away, expiresSeconds: 1 }))).to.equal(423);
    expect(publications.all()).to.deep.equal(before);
  });

  it("answer 413, and stay as they were, to one that would be too large alone", () => {
    let room = true;
    const { publications, publish } = compositor(() => room);
    const tag = tagOf(publish({ document: busy }));
    room = false;
    const before = publications.all();
    expect(statusOf(publish({ document: away }))).to.equal(413);
    expect(statusOf(publish({ ifMatch: tag, document: away }))).to.equal(413);
    expect(publications.all()).to.deep.equal(before);
    expect(statusOf(publish({ ifMatch: tag }))).to.equal(200);
  });

  it("behave as a plain list of (tag, text, end) does, whatever the order of requests", () => {
    interface Entry {
      readonly tag: string;
      readonly text: string;
      readonly endMs: number;
    }
    const commandArb = fc.record({
      which: fc.nat(20),
      known: fc.boolean(),
      body: fc.option(fc.constantFrom("busy", "away"), { nil: undefined }),
      expires: fc.option(fc.constantFrom(0, 1, 60, 300, 90_000), { nil: undefined }),
      waitMs: fc.constantFrom(0, 1, 59_999, 60_000, 400_000),
    });
    const texts = new Map([
      ["busy", busy],
      ["away", away],
    ]);
    fc.assert(
      fc.property(fc.array(commandArb, { maxLength: 40 }), (commands) => {
        const { publications, publish } = compositor();
        let model: Entry[] = [];
        let nowMs = 0;
        for (const { which, known, body, expires, waitMs } of commands) {
          nowMs += waitMs;
          model = model.filter(({ endMs }) => endMs > nowMs);
          const target = known ? model[which % Math.max(1, model.length)] : undefined;
          const ifMatch = known ? (target?.tag ?? "gone") : undefined;
          const document = body === undefined ? undefined : texts.get(body);
          const outcome = publish(
            {
              ...(ifMatch === undefined ? {} : { ifMatch }),
              ...(document === undefined ? {} : { document }),
              ...(expires === undefined ? {} : { expiresSeconds: expires }),
            },
            nowMs,
          );

          const text = body ?? target?.text;
          const seconds = Math.min(expires ?? 3600, 7200);
          let expected = 200;
          if (known && target === undefined) expected = 412;
          else if (seconds > 0 && seconds < 60) expected = 423;
          else if (seconds > 0 && text === undefined) expected = 400;
          expect(statusOf(outcome)).to.equal(expected);
          if (expected === 200) {
            model = model.filter((entry) => entry !== target);
            if (seconds > 0) model = model.slice(-limits.presence.publicationsPerUser + 1);
            if (seconds > 0) model.push({ tag: tagOf(outcome), text: text as string, endMs: nowMs + seconds * 1000 });
          }
          expect(publications.all().map((one) => [one.entityTag, one.document, one.expiresAtMs])).to.have.deep.members(
            model.map(({ tag, text: content, endMs }) => [tag, texts.get(content), endMs]),
          );
          expect(publications.nextExpiryMs()).to.equal(
            model.length === 0 ? undefined : Math.min(...model.map(({ endMs }) => endMs)),
          );
        }
      }),
    );
  });
});
