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
const { ringMs } = limits.session;
const flowOf = (port: number): Flow => ({ transport: "UDP", address: "192.0.2.1", port });

/** A call to devices that ring, each again after such a time, and answer 487 when they are cancelled. */
function ringing(...everyMs: readonly number[]) {
  const time = new VirtualTime();
  const cancelled: unknown[] = [];
  const fork = createInviteFork({
    contacts: { contactsOf: () => everyMs.map((_, at) => ({ uri: `sip:bob@192.0.2.1:${at}`, flow: flowOf(at) })) },
    isTrusted: () => false,
    counters: createCounters(),
    timers: time,
    invite(invite, to, _from, { signal, onProvisional }) {
      const { promise, resolve } = Promise.withResolvers<SipResponse>();
      const ring = (): void => {
        if (signal.aborted) return;
        onProvisional(createResponse(invite, 180));
        time.after(everyMs[(to as { port: number }).port]!, ring);
      };
      ring();
      signal.addEventListener("abort", () => {
        cancelled.push(signal.reason);
        resolve(createResponse(invite, 487));
      });
      return promise;
    },
  });
  const call = (progress?: InviteProgress) => fork(request("INVITE", BOB), BOB, flowOf(9), progress);
  return { time, cancelled, call };
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
