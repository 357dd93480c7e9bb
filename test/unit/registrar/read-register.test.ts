import { expect } from "chai";
import { readRegister } from "../../../node/registrar/read-register.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { createRequest } from "../../../node/sip/message/build.ts";
import type { Flow } from "../../../node/sip/stack.ts";
import { FLOW } from "./bindings.ts";

const RULES = { minSeconds: 60, defaultSeconds: 3600, maxSeconds: 7200 };

function read(...headers: [string, string][]): ReturnType<typeof readRegister> {
  const alice = "<sip:alice@example.com>";
  const request = createRequest({
    method: "REGISTER",
    uri: "sip:example.com",
    from: alice,
    to: alice,
    callId: "c",
    cseq: 7,
    headers,
  });
  return readRegister(request, FLOW, RULES);
}

describe("reading a REGISTER", () => {
  it("takes a REGISTER without Contact for a query", () => {
    expect(read()).to.deep.equal({ kind: "query", callId: "c", cseq: 7 });
  });

  it("reads several contacts with their expiry, preference and instance", () => {
    const order = read(
      ["User-Agent", "phone/1"],
      ["Expires", "1200"],
      ["Contact", '<sip:a@127.0.0.1:1>;q=0.5;+sip.instance="<urn:uuid:1>", <sip:b@127.0.0.1:2>;expires=90'],
      ["Contact", "<sip:c@127.0.0.1:3>;expires=0"],
    );
    expect(order).to.deep.equal({
      kind: "bind",
      callId: "c",
      cseq: 7,
      firstCSeq: 7,
      flow: FLOW,
      path: [],
      outbound: false,
      userAgent: "phone/1",
      contacts: [
        { uri: "sip:a@127.0.0.1:1", expiresSeconds: 1200, q: 500, instance: "urn:uuid:1", regId: 0 },
        { uri: "sip:b@127.0.0.1:2", expiresSeconds: 90, q: 1000, instance: "", regId: 0 },
        { uri: "sip:c@127.0.0.1:3", expiresSeconds: 0, q: 1000, instance: "", regId: 0 },
      ],
    });
  });

  it("takes a contact that SIP cannot reach", () => {
    expect(read(["Contact", "<tel:+49301234>;q=0.1"])).to.deep.include({
      contacts: [{ uri: "tel:+49301234", expiresSeconds: 3600, q: 100, instance: "", regId: 0 }],
    });
  });

  it("knows that a client that was challenged came first with the CSeq before", () => {
    const request = createRequest({
      ...{ method: "REGISTER", uri: "sip:b", from: "<sip:a@b>", to: "<sip:a@b>", cseq: 7 },
      headers: [["Contact", "<sip:a@c>"]],
    });
    expect(readRegister(request, FLOW, RULES, { wasChallenged: true })).to.include({ cseq: 7, firstCSeq: 6 });
  });

  it("reads the path to the device, and whether the device knows RFC 5626 and nobody is on the way to it", () => {
    const flow: [string, string][] = [
      ["Contact", '<sip:a@127.0.0.1:1>;reg-id=2;+sip.instance="<urn:uuid:1>"'],
      ["Supported", "gruu, Outbound"],
    ];
    const via: [string, string] = ["Via", "SIP/2.0/TCP a"];
    expect(read(via, ...flow)).to.deep.include({ outbound: true, path: [] });
    expect(read(via, ...flow)).to.have.nested.property("contacts[0].regId", 2);
    expect(read(via, via, ["Path", "<sip:p@b;lr>, <sip:c;lr>"], ...flow)).to.deep.include({
      outbound: false,
      path: ["<sip:p@b;lr>", "<sip:c;lr>"],
    });
    // RFC 5626 §4.2: without an instance the number says nothing.
    const alone = read(via, ["Contact", "<sip:a@127.0.0.1:1>;reg-id=2"], ["Supported", "outbound"]);
    expect(alone).to.deep.include({ outbound: false }).and.to.have.nested.property("contacts[0].regId", 0);
  });

  for (const [what, header] of [
    ["a reg-id of 0", ["Contact", '<sip:a@b>;reg-id=0;+sip.instance="<urn:uuid:1>"']],
    ["a reg-id that is no number", ["Contact", '<sip:a@b>;reg-id=x;+sip.instance="<urn:uuid:1>"']],
    ["a path that is none", ["Path", "<sip:p"]],
    ["a path through too many", ["Path", Array(11).fill("<sip:p;lr>").join(",")]],
  ] as const) {
    it(`refuses ${what} with 400`, () => {
      expect(read(["Contact", "<sip:c@d>"], [header[0], header[1]])).to.include({ status: 400 });
    });
  }

  it("takes a SIPS contact over TLS, and refuses it where anybody could listen (RFC 5630)", () => {
    const read = (flow: Flow) =>
      readRegister(
        createRequest({
          method: "REGISTER",
          uri: "sips:example.com",
          from: "<sips:alice@example.com>;tag=1",
          to: "<sips:alice@example.com>",
          headers: [["Contact", "<sips:alice@127.0.0.1:5061>"]],
        }),
        flow,
        RULES,
      );
    expect(read({ transport: "TLS", address: "127.0.0.1", port: 1, connection: "c" })).to.include({ kind: "bind" });
    expect(read(FLOW)).to.include({ status: 400 });
  });

  const expiries: [string, [string, string][], number][] = [
    ["the default where nothing is asked", [], 3600],
    ["the default for an Expires that cannot be read", [["Expires", "soon"]], 3600],
    ["no more than the maximum", [["Expires", "999999999999"]], 7200],
    ["the least that is allowed", [["Expires", "60"]], 60],
  ];
  for (const [what, headers, expected] of expiries) {
    it(`grants ${what}`, () => {
      const order = read(["Contact", "<sip:a@127.0.0.1>"], ...headers);
      expect(order).to.have.nested.property("contacts[0].expiresSeconds", expected);
    });
  }

  it("refuses an interval that is too brief, and says what is not", () => {
    const refusal = read(["Contact", "<sip:a@127.0.0.1>;expires=59"]);
    expect(refusal).to.deep.equal({ status: 423, reason: "Interval Too Brief", headers: [["Min-Expires", "60"]] });
  });

  it("reads * with expiry 0 as the removal of everything", () => {
    expect(read(["Contact", "*"], ["Expires", "0"])).to.deep.equal({ kind: "remove-all", callId: "c", cseq: 7 });
  });

  const malformed: [string, [string, string][]][] = [
    ["* without Expires", [["Contact", "*"]]],
    [
      "* with another Expires than 0",
      [
        ["Contact", "*"],
        ["Expires", "60"],
      ],
    ],
    [
      "* beside another contact",
      [
        ["Contact", "*, <sip:a@127.0.0.1>"],
        ["Expires", "0"],
      ],
    ],
    ["a broken contact", [["Contact", "<sip:a@127.0.0.1"]]],
    ["a q above 1", [["Contact", "<sip:a@127.0.0.1>;q=7"]]],
    ["a contact of another scheme that is too long", [["Contact", `<tel:${"1".repeat(limits.sip.uriBytes)}>`]]],
  ];
  for (const [what, headers] of malformed) {
    it(`refuses ${what} with 400`, () => {
      expect(read(...headers)).to.have.property("status", 400);
    });
  }
});
