import { expect } from "chai";
import type { ServerId } from "../../../../dht-schema/roster.ts";
import { limits } from "../../../../node/runtime/limits.ts";
import { createResponse } from "../../../../node/sip/message/build.ts";
import type { Flow, IncomingRequest } from "../../../../node/sip/stack.ts";
import { pair, request } from "./pair.ts";

describe("an INVITE to another server, whose link breaks while it rings", () => {
  const SERVER: Flow = { transport: "MESH", server: "two" as ServerId };

  /** @param caller gives up */
  async function ringing(caller = new AbortController()) {
    const link = { isUp: true, again: Promise.withResolvers<Flow | undefined>() };
    const world = pair([], SERVER, undefined, () => link.isUp);
    const { time, clients, servers, handled } = world;
    const provisional: number[] = [];
    const answer = clients.send(request("INVITE"), SERVER, {
      signal: caller.signal,
      onProvisional: ({ status }) => void provisional.push(status),
      reachedAgain: () => link.again.promise,
    });
    await time.advance(5);
    const [{ request: invite, respond, onCancel }] = handled as [IncomingRequest];
    let isCancelled = false;
    onCancel(() => {
      isCancelled = true;
      respond(createResponse(invite, 487));
    });
    respond(createResponse(invite, 180));
    await time.advance(5);
    const breaks = (): void => {
      link.isUp = false;
      for (const end of [clients, servers]) end.flowClosed(SERVER);
    };
    const isUpAgain = (): void => {
      link.isUp = true;
      link.again.resolve(SERVER);
    };
    const says = (status: number) => respond(createResponse(invite, status));
    const isOver = () => [clients.size, servers.pending];
    return {
      ...world,
      link,
      caller,
      answer,
      provisional,
      breaks,
      isUpAgain,
      says,
      isOver,
      isCancelled: () => isCancelled,
    };
  }

  it("goes on ringing when there is a link again", async () => {
    const { time, breaks, isUpAgain, says, answer, provisional, handled, isCancelled } = await ringing();
    breaks();
    await time.advance(5000);
    isUpAgain();
    await time.advance(60_000);
    expect([isCancelled(), handled.length, provisional]).to.deep.equal([false, 1, [180, 180]]);
    says(486);
    expect((await time.until(answer)).status).to.equal(486);
  });

  it("hears what was said meanwhile", async () => {
    for (const status of [180, 486]) {
      const { time, breaks, isUpAgain, says, answer, isCancelled } = await ringing();
      breaks();
      says(status);
      await time.advance(5000);
      isUpAgain();
      await time.advance(10);
      if (status === 180) says(486);
      expect((await time.until(answer)).status).to.equal(486);
      expect(isCancelled()).to.equal(false);
    }
  });

  it("hears that it was accepted meanwhile when the device repeats that, as it does until the ACK (RFC 3261 §13.3.1.4)", async () => {
    const { time, breaks, isUpAgain, says, answer, isCancelled } = await ringing();
    breaks();
    says(200);
    await time.advance(5000);
    isUpAgain();
    await time.advance(limits.sip.repeatedWithinMs);
    says(200);
    expect((await time.until(answer)).status).to.equal(200);
    expect(isCancelled()).to.equal(false);
  });

  it("is cancelled where it is not repeated: its server is gone, and nobody would hear the answer", async () => {
    const { time, breaks, isCancelled, isOver, isUpAgain, caller, answer } = await ringing();
    breaks();
    await time.advance(limits.sip.repeatedWithinMs - 1);
    expect(isCancelled()).to.equal(false);
    await time.advance(1);
    expect(isCancelled()).to.equal(true);
    isUpAgain();
    caller.abort();
    expect((await time.until(answer)).status).to.equal(487);
    await time.advance(40_000);
    expect(isOver()).to.deep.equal([0, 0]);
  });

  it("is answered 487 at once where its caller gives up meanwhile, and cancelled when there is a link again", async () => {
    const { time, breaks, isUpAgain, caller, answer, isCancelled, isOver } = await ringing();
    breaks();
    caller.abort();
    expect((await answer).status).to.equal(487);
    await time.advance(5000);
    expect(isCancelled()).to.equal(false);
    isUpAgain();
    await time.advance(10);
    expect(isCancelled()).to.equal(true);
    await time.advance(40_000);
    expect(isOver()).to.deep.equal([0, 0]);
  });

  it("is given up where the link is there again and takes nothing", async () => {
    const { clients, time, answer, isOver, breaks, link } = await ringing();
    breaks();
    link.again.resolve(SERVER);
    expect((await time.until(answer)).status).to.equal(503);
    expect(clients.size).to.equal(0);
    await time.advance(limits.sip.repeatedWithinMs);
    expect(isOver()).to.deep.equal([0, 0]);
  });
});
