import { expect } from "chai";
import fc from "fast-check";
import type { SocketFlow } from "../../../node/sip/stack.ts";
import { createFlowTokens } from "../../../node/sip/flow-tokens.ts";
import { parseUri } from "../../../node/sip/message/uri.ts";

const KEY = new Uint8Array(32).fill(7);

/** As long as a host's name can be. */
const HOST = `${"long-label.".repeat(22)}example.com`;

const flows: fc.Arbitrary<SocketFlow> = fc
  .record(
    {
      transport: fc.constantFrom("UDP", "TCP", "WS"),
      address: fc.oneof(fc.ipV4(), fc.ipV6()),
      port: fc.integer({ min: 1, max: 65_535 }),
      listener: fc.constantFrom("127.0.0.1:5060", "[::1]:5060"),
      connection: fc.stringMatching(/^[a-z0-9]{1,22}$/),
      calledAt: fc.constantFrom({ port: 5061 }, { port: 5062, host: HOST }),
      mark: fc.constantFrom<Partial<SocketFlow>>(
        { listensElsewhere: true },
        { trusted: true },
        { trusted: true, host: HOST },
      ),
    },
    { requiredKeys: ["transport", "address", "port"] },
  )
  .map(({ mark, ...flow }) => ({ ...flow, ...mark }));

describe("a flow token", () => {
  it("names the flow that it was made of, to the node that made it, also after a restart", () => {
    fc.assert(
      fc.property(flows, (flow) => {
        const token = createFlowTokens(KEY).tokenOf(flow, "dialog 1");
        expect(createFlowTokens(KEY).flowOf(token, "dialog 1")).to.deep.equal(flow);
        expect(parseUri(`sip:${token}@127.0.0.1;lr`).user).to.equal(token);
      }),
    );
  });

  it("says nothing to another node", () => {
    const token = createFlowTokens(KEY).tokenOf({ transport: "UDP", address: "192.0.2.1", port: 5060 }, "dialog 1");
    expect(createFlowTokens(new Uint8Array(32)).flowOf(token, "dialog 1")).to.equal(undefined);
  });

  it("is good for nothing but what it was made for", () => {
    const tokens = createFlowTokens(KEY);
    const token = tokens.tokenOf({ transport: "UDP", address: "192.0.2.1", port: 5060 }, "dialog 1");
    for (const scope of ["", "dialog 2", "dialog 1 "]) expect(tokens.flowOf(token, scope)).to.equal(undefined);
  });

  it("cannot be changed or made up", () => {
    const tokens = createFlowTokens(KEY);
    const token = tokens.tokenOf({ transport: "UDP", address: "192.0.2.1", port: 5060 }, "dialog 1");
    for (let at = 0; at < token.length; at++) {
      const other = token[at] === "A" ? "B" : "A";
      const flow = tokens.flowOf(token.slice(0, at) + other + token.slice(at + 1), "dialog 1");
      // The last character may hold bits that encode nothing.
      if (at < token.length - 1) expect(flow, `character ${at}`).to.equal(undefined);
    }
    for (const text of ["", "alice", "AAAA", "é", "a b", "A".repeat(10_000)])
      expect(tokens.flowOf(text, "dialog 1"), text.slice(0, 10)).to.equal(undefined);
  });
});
