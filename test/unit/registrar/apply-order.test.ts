import { expect } from "chai";
import { applyOrder } from "../../../node/registrar/apply-order.ts";
import type { Binding, RegisterOrder } from "../../../node/registrar/binding.ts";
import { bindOrder, binding, contact } from "./bindings.ts";

const OTHER = "sip:alice@127.0.0.1:5071";

function applied(bindings: readonly Binding[], order: RegisterOrder, nowMs = 0): readonly Binding[] {
  const result = applyOrder(bindings, order, nowMs, 3);
  expect(result.kind).to.equal("applied");
  return result.kind === "applied" ? result.bindings : [];
}

describe("what a REGISTER does to the bindings (RFC 3261 §10.3)", () => {
  it("binds a flow of a device once, however its Contact and Call-ID change, and another flow of it beside it (RFC 5626 §6)", () => {
    const instance = "urn:uuid:1";
    const first = binding({ uri: "sip:a@1.invalid", callId: "c", instance, regId: 1 });
    const again = bindOrder([contact({ uri: "sip:a@2.invalid", instance, regId: 1 })], { callId: "c", cseq: 2 });
    const other = bindOrder([contact({ uri: "sip:a@3.invalid", instance, regId: 2 })], { callId: "d" });
    const urisAfter = (order: RegisterOrder) => {
      const result = applyOrder([first], order, 0, 5);
      return result.kind === "applied" && result.bindings.map(({ uri }) => uri);
    };
    expect(urisAfter(again)).to.deep.equal(["sip:a@2.invalid"]);
    expect(urisAfter(other)).to.deep.equal(["sip:a@1.invalid", "sip:a@3.invalid"]);
  });

  it("adds a contact that expires when the order says", () => {
    const [added] = applied([], bindOrder([contact({ expiresSeconds: 60, q: 500 })]), 1000);
    expect(added).to.include({ uri: "sip:alice@127.0.0.1:5070", expiresAtMs: 61_000, q: 500, cseq: 1 });
  });

  it("shows the bindings to a query and changes nothing", () => {
    const bindings = [binding(), binding({ uri: OTHER })];
    expect(applied(bindings, { kind: "query", callId: "call-1", cseq: 1 })).to.equal(bindings);
  });

  it("refreshes a contact under a higher CSeq of the same Call-ID", () => {
    const after = applied([binding()], bindOrder([contact()], { cseq: 2 }), 5000);
    expect(after).to.have.length(1);
    expect(after[0]).to.include({ cseq: 2, expiresAtMs: 3_605_000 });
  });

  it("knows a contact again by the rules of URI comparison", () => {
    const after = applied([binding()], bindOrder([contact({ uri: "sip:%61lice@127.0.0.1:5070" })], { cseq: 2 }));
    expect(after.map(({ uri }) => uri)).to.deep.equal(["sip:%61lice@127.0.0.1:5070"]);
  });

  for (const cseq of [0, 1]) {
    it(`refuses CSeq ${cseq} after CSeq 1 of the same Call-ID`, () => {
      expect(applyOrder([binding()], bindOrder([contact()], { cseq }), 0, 3).kind).to.equal("out-of-order");
    });
  }

  it("accepts any CSeq of another Call-ID: the client has restarted", () => {
    const after = applied([binding({ cseq: 9 })], bindOrder([contact()], { callId: "call-2", cseq: 1 }));
    expect(after[0]).to.include({ callId: "call-2", cseq: 1 });
  });

  it("applies all contacts or none", () => {
    const order = bindOrder([contact({ uri: OTHER }), contact()]);
    expect(applyOrder([binding()], order, 0, 3).kind).to.equal("out-of-order");
  });

  it("removes a contact with expiry 0, and not the others", () => {
    const bindings = [binding(), binding({ uri: OTHER })];
    const after = applied(bindings, bindOrder([contact({ expiresSeconds: 0 })], { cseq: 2 }));
    expect(after.map(({ uri }) => uri)).to.deep.equal([OTHER]);
  });

  it("finds nothing to do where a contact to be removed is not bound", () => {
    expect(applied([], bindOrder([contact({ expiresSeconds: 0 })]))).to.deep.equal([]);
  });

  it("removes everything with *", () => {
    const bindings = [binding(), binding({ uri: OTHER, callId: "call-2", cseq: 7 })];
    expect(applied(bindings, { kind: "remove-all", callId: "call-1", cseq: 2 })).to.deep.equal([]);
  });

  it("refuses * when it comes after a later REGISTER of the same Call-ID", () => {
    const order: RegisterOrder = { kind: "remove-all", callId: "call-1", cseq: 5 };
    expect(applyOrder([binding({ cseq: 5 })], order, 0, 3).kind).to.equal("out-of-order");
  });

  it("refuses more contacts than a user may have", () => {
    const uris = ["a", "b", "c", "d"].map((name) => contact({ uri: `sip:${name}@127.0.0.1` }));
    expect(applyOrder([], bindOrder(uris), 0, 3).kind).to.equal("too-many-contacts");
  });

  it("replaces the contact that the same device left behind before it restarted", () => {
    const old = binding({ instance: "urn:uuid:1" });
    const order = bindOrder([contact({ uri: OTHER, instance: "urn:uuid:1" })], { callId: "call-2" });
    expect(applied([old], order).map(({ uri }) => uri)).to.deep.equal([OTHER]);
  });

  it("keeps two contacts that one device registers together", () => {
    const both = [contact({ instance: "urn:uuid:1" }), contact({ uri: OTHER, instance: "urn:uuid:1" })];
    expect(applied([], bindOrder(both))).to.have.length(2);
  });
});
