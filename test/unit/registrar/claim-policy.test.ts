import { expect } from "chai";
import type { RegistrationPolicy } from "../../../node/registrar/claim-policy.ts";
import { admit, judgeClaim } from "../../../node/registrar/claim-policy.ts";
import type { RegisterOrder } from "../../../node/registrar/binding.ts";
import { bindOrder, contact } from "./bindings.ts";

const bind = bindOrder([contact()]);
const unbind = bindOrder([contact({ expiresSeconds: 0 })]);
const query: RegisterOrder = { kind: "query", callId: "call-1", cseq: 1 };
const removeAll: RegisterOrder = { kind: "remove-all", callId: "call-1", cseq: 1 };
const POLICIES: RegistrationPolicy[] = ["takeover", "redirect", "reject"];

describe("how a REGISTER is admitted", () => {
  for (const policy of POLICIES) {
    it(`applies everything for a user who is owned (${policy})`, () => {
      for (const order of [bind, unbind, query, removeAll]) {
        expect(admit(order, { owned: true, shed: true, policy })).to.deep.equal({ kind: "apply" });
      }
    });

    it(`never claims a user for a removal or a query (${policy})`, () => {
      expect(admit(unbind, { owned: false, shed: false, policy })).to.deep.equal({ kind: "apply" });
      expect(admit(removeAll, { owned: false, shed: false, policy })).to.deep.equal({ kind: "apply" });
      expect(admit(query, { owned: false, shed: false, policy })).to.deep.equal({ kind: "locate" });
    });

    it(`lets the refresh of a shed registration claim only a user whom nobody owns (${policy})`, () => {
      expect(admit(bind, { owned: false, shed: true, policy })).to.deep.equal({ kind: "claim", mode: "if-free" });
    });
  }

  it("takes a user over for a new registration only under the policy takeover", () => {
    const modes = POLICIES.map((policy) => admit(bind, { owned: false, shed: false, policy }));
    expect(modes).to.deep.equal([
      { kind: "claim", mode: "take-over" },
      { kind: "claim", mode: "if-free" },
      { kind: "claim", mode: "if-free" },
    ]);
  });
});

describe("what follows from a claim", () => {
  it("applies the order only if the user is owned at this instant, not because the claim once succeeded", () => {
    expect(judgeClaim("owned", { owned: true, handedOver: false, policy: "takeover" })).to.deep.equal({
      kind: "apply",
    });
    expect(judgeClaim("owned", { owned: false, handedOver: false, policy: "takeover" })).to.deep.equal({
      kind: "retry-later",
    });
  });

  it("treats a user who was taken away again as owned elsewhere, so that the loser does not try again at once", () => {
    expect(judgeClaim("owned", { owned: false, handedOver: true, policy: "takeover" })).to.deep.equal({
      kind: "forbid",
    });
  });

  it("redirects only under the policy redirect", () => {
    const verdicts = POLICIES.map(
      (policy) => judgeClaim("owned-elsewhere", { owned: false, handedOver: false, policy }).kind,
    );
    expect(verdicts).to.deep.equal(["forbid", "redirect", "forbid"]);
  });

  it("asks to come again when no majority answered", () => {
    expect(judgeClaim("unavailable", { owned: false, handedOver: false, policy: "reject" })).to.deep.equal({
      kind: "retry-later",
    });
  });
});
