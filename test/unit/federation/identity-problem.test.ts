import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { Examined } from "../../../node/federation/examine-request.ts";
import { identityProblem } from "../../../node/federation/identity-problem.ts";

const ALICE = "sip:alice@example.com" as Aor;
const BOB = "sip:bob@example.com" as Aor;

describe("what an authenticated user may do", () => {
  const examined = (fields: Partial<Examined>): Examined => ({
    kind: "examined",
    method: "MESSAGE",
    target: { kind: "node" },
    from: ALICE,
    to: BOB,
    ...fields,
  });
  const statusOf = (fields: Partial<Examined>) => identityProblem(examined(fields), ALICE, "example.com")?.status;

  it("is to write to anybody under their own name", () => {
    expect(statusOf({})).to.equal(undefined);
    expect(statusOf({ from: BOB })).to.equal(403);
    expect(statusOf({ from: undefined })).to.equal(403);
  });

  it("is to send to others in nobody's name, but not to register, publish or watch", () => {
    const from = "sip:anonymous@anonymous.invalid" as Aor;
    for (const method of ["MESSAGE", "INVITE", "OPTIONS", "other"] as const)
      expect(statusOf({ method, from }), method).to.equal(undefined);
    for (const method of ["REGISTER", "PUBLISH", "SUBSCRIBE"] as const)
      expect(statusOf({ method, from, to: ALICE }), method).to.equal(403);
    expect(statusOf({ from: "sip:anonymous@example.com" as Aor }), "who may be a user").to.equal(403);
  });

  it("is to register their own address only", () => {
    expect(statusOf({ method: "REGISTER", to: ALICE })).to.equal(undefined);
    expect(statusOf({ method: "REGISTER", to: BOB })).to.equal(403);
    expect(statusOf({ method: "REGISTER", from: BOB, to: ALICE })).to.equal(403);
    expect(statusOf({ method: "REGISTER", to: "sip:alice@elsewhere.org" as Aor })).to.equal(404);
  });
});
