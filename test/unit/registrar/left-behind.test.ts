import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import type { Binding, RegisterOrder } from "../../../node/registrar/binding.ts";
import { leftBehind } from "../../../node/registrar/left-behind.ts";
import type { SocketFlow } from "../../../node/sip/stack.ts";

const by = (connection: string): SocketFlow => ({ transport: "TCP", address: "192.0.2.1", port: 40_000, connection });
const binding = (fields: Partial<Binding> = {}): Binding => ({
  uri: "sip:alice@10.0.0.1;transport=tcp",
  flow: by("before"),
  callId: "call",
  cseq: 1,
  expiresAtMs: 60_000,
  q: 1000,
  userAgent: "",
  instance: "",
  epoch: undefined,
  origin: { name: "192.0.2.1 10.0.0.1 5060", isRelayed: false },
  ...fields,
});
const nobodys = { aorsOn: () => [] };
const order = (fields: { callId?: string; flow?: SocketFlow; expiresSeconds?: number; regId?: number } = {}) => {
  const { callId = "call", flow = by("now"), expiresSeconds = 600, regId = 0 } = fields;
  const contacts = [{ uri: "sip:alice@10.0.0.1;transport=tcp", expiresSeconds, q: 1000, instance: "", regId }];
  return {
    kind: "bind",
    callId,
    cseq: 2,
    firstCSeq: 2,
    flow,
    path: [],
    outbound: false,
    userAgent: "",
    contacts,
  } as RegisterOrder;
};

describe("the connections that a REGISTER leaves behind", () => {
  it("are those by which the same client had registered", () => {
    expect(leftBehind([binding()], order(), nobodys)).to.deep.equal([by("before")]);
  });

  const udp: SocketFlow = { transport: "UDP", address: "192.0.2.1", port: 5060 };
  for (const [what, before, register] of [
    ["of another client", binding({ callId: "another" }), order()],
    ["by which it comes", binding(), order({ flow: by("before") })],
    ["of a proxy that a Path names", binding({ path: ["<sip:edge.example.com;lr>"] }), order()],
    ["of a proxy that a second Via tells of", binding({ origin: { name: "", isRelayed: true } }), order()],
    ["of which an earlier release did not say whose it is", binding({ origin: undefined }), order()],
    ["of another flow of the device", binding({ regId: 1 }), order({ regId: 2 })],
    ["where it comes by UDP", binding(), order({ flow: udp })],
    ["where it only signs off", binding(), order({ expiresSeconds: 0 })],
  ] as const)
    it(`are not those ${what}`, () => {
      expect(leftBehind([before], register, nobodys)).to.deep.equal([]);
    });

  it("are not those by which somebody is registered still", () => {
    const aorsOn = () => [parseAor("sip:ann@example.com")];
    expect(leftBehind([binding()], order(), { aorsOn })).to.deep.equal([]);
  });
});
