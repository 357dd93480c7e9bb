import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import { createInviteFork } from "../../../node/session/invite-fork.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import type { SipResponse } from "../../../node/sip/message/message.ts";
import type { Flow, InviteProgress } from "../../../node/sip/stack.ts";
import { VirtualTime } from "../../helpers/virtual-time.ts";
import { request } from "../federation/requests.ts";

const BOB = "sip:bob@example.com" as Aor;
const { ringMs, cancelMs } = limits.session;
const NEVER = Number.MAX_SAFE_INTEGER;
const flowOf = (port: number): Flow => ({ transport: "UDP", address: "192.0.2.1", port });

/** A call to devices that ring, each again after such a time, and answer 487 when they are cancelled; those that never ring again do not. */
function ringing(...everyMs: readonly number[]) {
  const time = new VirtualTime();
  const cancelled: unknown[] = [];
  const answers: ((status: number) => void)[] = [];
  const fork = createInviteFork({
    contacts: {
      contactsOf: () => everyMs.map((_, at) => ({ uri: `sip:bob@192.0.2.1:${at}`, flow: flowOf(at) })),
      onRegistration: () => () => {},
    },
    stack: { hasClosed: () => false },
    isTrusted: () => false,
    counters: createCounters(),
    timers: time,
    invite({ request: invite, device }, _from, { signal, onProvisional }) {
      const ringsMs = everyMs[(device.flow as { port: number }).port]!;
      const { promise, resolve } = Promise.withResolvers<SipResponse>();
      answers.push((status) => resolve(createResponse(invite, status)));
      const ring = (): void => {
        if (signal.aborted) return;
        onProvisional(createResponse(invite, 180));
        time.after(ringsMs, ring);
      };
      ring();
      signal.addEventListener("abort", () => {
        cancelled.push(signal.reason);
        if (ringsMs !== NEVER) resolve(createResponse(invite, 487));
      });
      return promise;
    },
  });
  const call = (progress?: InviteProgress) => fork(request("INVITE", BOB), BOB, flowOf(9), progress);
  return { time, cancelled, answers, call };
}

describe("a call that nobody answers", () => {
  it("is given up after Timer C, as one that was not answered and not as one that its caller gave up (RFC 3261 §16.8)", async () => {
    const { time, cancelled, call } = ringing(10 * ringMs, 10 * ringMs);
    const answer = call();
    await time.advance(ringMs - 1);
    expect(cancelled).to.have.lengthOf(0);
    await time.advance(2);
    expect((await answer).status).to.equal(408);
    expect(cancelled).to.have.lengthOf(2);
  });

  it("is answered 480 where the proxy of a device has lost its connection, which is no word of the device", async () => {
    for (const status of [430, 477]) {
      const { answers, call } = ringing(NEVER);
      const answer = call();
      answers[0]!(status);
      expect((await answer).status).to.equal(480);
    }
  });

  it("goes on as long as a device says that it rings", async () => {
    const { time, cancelled, call } = ringing(ringMs / 2);
    const controller = new AbortController();
    const answer = call({ signal: controller.signal });
    await time.advance(5 * ringMs);
    expect(cancelled).to.have.lengthOf(0);
    controller.abort();
    expect((await answer).status, "its caller has given up").to.equal(487);
  });
});

describe("a call that its caller gives up", () => {
  it("is answered so, whatever a device has said before that was not the answer to it", async () => {
    const { time, answers, call } = ringing(NEVER, 10);
    const controller = new AbortController();
    const answer = call({ signal: controller.signal });
    await time.advance(20);
    answers[0]!(480);
    await time.advance(20);
    controller.abort();
    expect((await time.until(answer, cancelMs)).status).to.equal(487);
  });
});

describe("a device that says nothing when it is cancelled", () => {
  it("is not waited for by a caller who has given up", async () => {
    const { time, call } = ringing(NEVER, 10);
    const controller = new AbortController();
    const answer = call({ signal: controller.signal });
    await time.advance(20);
    controller.abort();
    expect((await time.until(answer, cancelMs)).status).to.equal(487);
  });

  it("is not waited for where another one has declined for all", async () => {
    const { time, answers, call } = ringing(NEVER, 10);
    const answer = call();
    await time.advance(20);
    answers[1]!(603);
    expect((await time.until(answer, cancelMs)).status).to.equal(603);
  });

  it("has its 2xx passed on all the same, where somebody has answered there as well as elsewhere (RFC 3261 §16.7 step 5)", async () => {
    const { time, answers, call } = ringing(NEVER, 10);
    const successes: number[] = [];
    const answer = call({ onSuccess: ({ status }) => successes.push(status) });
    await time.advance(20);
    answers[1]!(200);
    expect((await answer).status).to.equal(200);
    await time.advance(2 * cancelMs);
    answers[0]!(200);
    await time.advance(0);
    expect(successes).to.deep.equal([200]);
  });

  it("is not waited for where Timer C ends what rings", async () => {
    const { time, call } = ringing(NEVER);
    expect((await time.until(call(), ringMs + cancelMs)).status).to.equal(408);
  });
});
