import { expect } from "chai";
import type { ServerId } from "../../../dht-schema/roster.ts";
import type { EdgeComponents, EdgeServices } from "../../../node/federation/edge.ts";
import { createEdge } from "../../../node/federation/edge.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import { parseNameAddr } from "../../../node/sip/message/name-addr.ts";
import type { Flow, IncomingRequest } from "../../../node/sip/stack.ts";
import { request } from "./requests.ts";

const AT_ONCE = 4;
/** On a look it has a tag; whoever reads it finds that it ends within quotes. */
const UNREADABLE = '<sip:bob@example.com>;x=";tag=2';
const FLOW = { transport: "UDP", address: "192.0.2.1", port: 5060 } as const;

const PROXY = { ...FLOW, address: "192.0.2.3" } as const;

/** An edge behind which all devices are silent, until they are told to answer. */
function silentEdge(underWay = AT_ONCE) {
  const silent: IncomingRequest[] = [];
  const wait = (incoming: IncomingRequest) => void silent.push(incoming);
  const services: Partial<EdgeServices> = {
    message: wait,
    invite: wait,
    proxy: wait,
    resume: wait,
    register: ({ request: asked, respond }) => respond(createResponse(asked, 200)),
    follow(incoming) {
      const { headers } = incoming.request;
      return (
        parseNameAddr(headers.get("To") ?? "").params.has("tag") && headers.has("Route") && silent.push(incoming) > 0
      );
    },
    asked: () => false,
  };
  let receive: (incoming: IncomingRequest) => void = () => {};
  createEdge({
    services: services as EdgeServices,
    stack: { onRequest: (handler) => (receive = handler), listening: () => [], known() {} },
    machine: { all: new Set() },
    self: "one" as ServerId,
    domain: "example.com",
    authenticator: "none",
    isTrusted: () => false,
    isProxy: (address) => address === PROXY.address,
    isList: () => false,
    underWay,
    logger: silentLogger,
    counters: createCounters(),
  } satisfies EdgeComponents);
  let number = 0;
  const ask = (
    from: string,
    {
      method = "MESSAGE",
      flow = FLOW,
      isOfSession = false,
      to = `<sip:${method === "REGISTER" ? from : "bob"}@example.com>${isOfSession ? ";tag=2" : ""}`,
    }: { method?: string; flow?: Flow; isOfSession?: boolean; to?: string } = {},
  ) => {
    const asked = request(method, method === "REGISTER" ? "sip:example.com" : "sip:bob@example.com");
    asked.headers.set("From", `<sip:${from}@example.com>;tag=1`).set("Call-ID", String(number++));
    asked.headers.set("To", to);
    if (flow.transport === "MESH") asked.headers.set("P-Asserted-Identity", `<sip:${from}@example.com>`);
    if (isOfSession) asked.headers.set("Route", "<sip:token@192.0.2.9;lr>");
    const answers: number[] = [];
    receive({ request: asked, flow, respond: ({ status }) => void answers.push(status), onCancel() {} });
    return answers;
  };
  const answerAll = () => {
    for (const { request: asked, respond } of silent.splice(0)) {
      respond(createResponse(asked, 180));
      respond(createResponse(asked, 200));
    }
  };
  return { ask, answerAll };
}

describe("requests that wait for devices", () => {
  it("are never all of one user: others find room, and so do those that are answered here", () => {
    const { ask } = silentEdge();
    const [first, second, third] = [ask("eve"), ask("eve", { method: "INVITE" }), ask("eve", { method: "OPTIONS" })];
    expect([first, second, third]).to.deep.equal([[], [], [480]]);
    expect(ask("joe")).to.deep.equal([]);
    expect(ask("eve", { method: "REGISTER" })).to.deep.equal([200]);
  });

  it("leave room again when they are answered", () => {
    const { ask, answerAll } = silentEdge();
    for (let round = 0; round < 3; round++) {
      expect([ask("eve"), ask("eve"), ask("eve")]).to.deep.equal([[], [], [480]]);
      answerAll();
    }
  });

  it("take no room when they cannot be read", () => {
    const { ask } = silentEdge();
    for (let count = 0; count < AT_ONCE; count++)
      expect(ask("eve", { method: "INFO", isOfSession: true, to: UNREADABLE })).to.deep.equal([400]);
    expect([ask("eve"), ask("eve", { method: "INFO", isOfSession: true })]).to.deep.equal([[], []]);
  });

  it("are not all of one client within its sessions, whatever it calls itself there, nor of one server", () => {
    const info = { method: "INFO", isOfSession: true };
    const of = (server: string) => ({ ...info, flow: { transport: "MESH", server: server as ServerId } as const });
    const one = silentEdge();
    expect(["a", "b", "c"].map((name) => one.ask(name, info))).to.deep.equal([[], [], [480]]);
    expect(one.ask("joe", { ...info, flow: { ...FLOW, address: "192.0.2.2" } })).to.deep.equal([]);
    const other = silentEdge();
    expect(["a", "b", "c"].map((name) => other.ask(name, of("two")))).to.deep.equal([[], [], [480]]);
    expect(other.ask("a", of("three"))).to.deep.equal([]);
  });

  it("are few of one address within sessions", () => {
    const { ask } = silentEdge(limits.federation.underWay);
    const answers = Array.from({ length: limits.federation.underWayOfSource + 1 }, () =>
      ask("eve", { method: "INFO", isOfSession: true }),
    );
    expect(answers.slice(-2)).to.deep.equal([[], [480]]);
  });

  it("are as many of a proxy as are free: all its clients come from one address", () => {
    const { ask } = silentEdge(limits.federation.underWay);
    const answers = Array.from({ length: limits.federation.underWay / 2 + 1 }, () =>
      ask("eve", { method: "INFO", isOfSession: true, flow: PROXY }),
    );
    expect(answers.slice(-2)).to.deep.equal([[], [480]]);
  });

  it("are of their user, by whichever server they come", () => {
    const { ask } = silentEdge();
    const by = { flow: { transport: "MESH", server: "two" as ServerId } as const };
    expect([ask("eve", by), ask("eve", by), ask("eve", by), ask("joe", by)]).to.deep.equal([[], [], [480], []]);
  });
});
