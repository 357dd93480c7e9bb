import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import type { EdgeComponents, EdgeServices } from "../../../node/federation/edge.ts";
import { createEdge } from "../../../node/federation/edge.ts";
import { UserTimes } from "../../../node/federation/user-times.ts";
import type { MonotonicMs } from "../../../node/runtime/clock.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import type { SipResponse } from "../../../node/sip/message/message.ts";
import { parseNameAddr } from "../../../node/sip/message/name-addr.ts";
import type { Flow, IncomingRequest } from "../../../node/sip/stack.ts";
import { request } from "./requests.ts";

const ALICE = "sip:alice@example.com";
const FLOW = { transport: "UDP", address: "192.0.2.1", port: 5060 } as const;

/** Of a server without a node. */
const TRUSTED = { transport: "UDP", address: "192.0.2.2", port: 5060 } as const;

/** An edge of a loop that is always busy: each SUBSCRIBE takes a tenth of the window, each MESSAGE a millisecond. */
function busyEdge(authentication: "digest" | "none" = "digest") {
  let nowMs = 0;
  const taking =
    (ms: number) =>
    ({ request: asked, respond }: IncomingRequest) => {
      nowMs += ms;
      respond(createResponse(asked, 200));
    };
  /** While other processes of the machine had the CPU. */
  let awayMs = 0;
  const clock = { monotonicMs: () => nowMs as MonotonicMs };
  const times = new UserTimes(clock, { idleMs: () => 0, cpuMs: () => nowMs - awayMs });
  const services: Partial<EdgeServices> = {
    subscribe: taking(limits.federation.time.windowMs / 10),
    message: taking(1),
    resume: taking(1),
    follow: () => false,
    asked: () => false,
  };
  let receive: (incoming: IncomingRequest) => void = () => {};
  const counters = createCounters();
  createEdge({
    services: services as EdgeServices,
    stack: { onRequest: (handler) => (receive = handler), listening: () => [], known() {} },
    machine: { all: new Set() },
    self: "one" as ServerId,
    domain: "example.com",
    authenticator:
      authentication === "none"
        ? "none"
        : {
            authenticate: ({ headers }) => ({
              kind: "user",
              aor: parseAor(parseNameAddr(headers.get("From") ?? "").uri),
            }),
          },
    isTrusted: (flow) => flow === TRUSTED,
    isList: () => false,
    times,
    logger: silentLogger,
    counters,
  } satisfies EdgeComponents);
  let number = 0;
  const ask = (from: string, method: "SUBSCRIBE" | "MESSAGE", flow: Flow = FLOW, tag = "", isRelayed = false) => {
    const asked = request(method, "sip:bob@example.com");
    asked.headers.set("From", `<sip:${from}@example.com>;tag=1`).set("Call-ID", String(number++));
    asked.headers.set("To", `<sip:bob@example.com>${tag}`);
    if (flow.transport === "MESH" || isRelayed) asked.headers.set("P-Asserted-Identity", `<sip:${from}@example.com>`);
    const answers: SipResponse[] = [];
    receive({ request: asked, flow, respond: (response) => void answers.push(response), onCancel() {} });
    return answers[0];
  };
  /** In a call of which the server by which its way leads is gone. */
  const hangUp = (from: string) => {
    const bye = request("BYE", "sip:bob@192.0.2.7:5070");
    bye.headers.set("From", `<sip:${from}@example.com>;tag=1`).set("To", "<sip:bob@example.com>;tag=2");
    bye.headers.set("Route", "<sip:gone@192.0.2.8;lr>");
    const answers: SipResponse[] = [];
    receive({ request: bye, flow: FLOW, respond: (response) => void answers.push(response), onCancel() {} });
    return answers[0];
  };
  /** What is done for a user after their request has been handed on. */
  const later = (user: string, ms: number) =>
    times.during(parseAor(`sip:${user}@example.com`), () => times.during(parseAor(ALICE), () => (nowMs += ms)));
  /** The process has no CPU for a while as it serves a user. */
  const interrupted = (user: string, ms: number) =>
    times.during(parseAor(`sip:${user}@example.com`), () => {
      nowMs += ms;
      awayMs += ms;
    });
  return { ask, hangUp, counters, later, interrupted };
}

describe("a user who takes the time of a busy server", () => {
  it("is told to come back later, and nobody else is", () => {
    const { ask, counters } = busyEdge();
    const statuses = Array.from({ length: 20 }, () => ask("eve", "SUBSCRIBE")?.status);
    expect(statuses.slice(-10)).to.deep.equal(Array.from({ length: 10 }, () => 480));
    const refused = ask("eve", "MESSAGE");
    expect([refused?.status, Number(refused?.headers.get("Retry-After"))]).to.deep.equal([
      480,
      limits.sip.retryAfterSeconds,
    ]);
    for (let i = 0; i < 5; i++) expect(ask("joe", "MESSAGE")?.status).to.equal(200);
    expect(counters.get("federation.over_time")).to.equal(statuses.filter((status) => status === 480).length + 1);
  });

  it("is who is the cause of what is done later, and nobody else", () => {
    const { ask, later } = busyEdge();
    expect(ask("eve", "MESSAGE")?.status).to.equal(200);
    later("eve", 0.6 * limits.federation.time.windowMs);
    expect([ask("eve", "MESSAGE"), ask("alice", "MESSAGE")].map((answer) => answer?.status)).to.deep.equal([480, 200]);
  });

  it("is nobody who was served as other processes had the CPU", () => {
    const { ask, interrupted } = busyEdge();
    for (let i = 0; i < 20; i++) {
      interrupted("joe", limits.federation.time.windowMs);
      expect(ask("joe", "MESSAGE")?.status).to.equal(200);
    }
  });

  it("keeps the subscription that is refreshed", () => {
    const { ask } = busyEdge();
    while (ask("eve", "SUBSCRIBE")?.status === 200);
    const refused = ask("eve", "SUBSCRIBE", FLOW, ";tag=2");
    // RFC 5057 §5.1: by 480 it would end.
    expect([refused?.status, refused?.headers.has("Retry-After")]).to.deep.equal([500, true]);
  });

  it("can hang up: by a refusal the call would be over here, and the other end would stay in it", () => {
    const { ask, hangUp } = busyEdge();
    while (ask("eve", "SUBSCRIBE")?.status === 200);
    expect(hangUp("eve")?.status).to.equal(200);
    expect(ask("eve", "MESSAGE")?.status).to.equal(480);
  });

  it("does not keep other servers from asking in that user's name", () => {
    const { ask } = busyEdge();
    while (ask("eve", "SUBSCRIBE")?.status === 200);
    expect(ask("eve", "SUBSCRIBE", { transport: "MESH", server: "two" as ServerId })?.status).to.equal(200);
  });

  it("is whom a trusted server names, and not that server where it speaks for itself", () => {
    const { ask } = busyEdge();
    for (let i = 0; i < 50; i++) expect(ask("server", "SUBSCRIBE", TRUSTED)?.status).to.equal(200);
    while (ask("eve", "SUBSCRIBE", TRUSTED, "", true)?.status === 200);
    expect(ask("eve", "MESSAGE")?.status).to.equal(480);
    expect(ask("joe", "MESSAGE", TRUSTED, "", true)?.status).to.equal(200);
  });

  it("is nobody where anybody can say to be that user", () => {
    const { ask } = busyEdge("none");
    for (let i = 0; i < 50; i++) expect(ask("eve", "SUBSCRIBE")?.status).to.equal(200);
  });
});
