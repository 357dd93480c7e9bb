import { expect } from "chai";
import { epochIn, notOwnerIn } from "../../../node/federation/aorta-headers.ts";
import { fromDevice, localFailure, maxForwardsOf, toDevice, toServer } from "../../../node/federation/forward.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import { request } from "./requests.ts";

const BOB = "sip:bob@example.com";
const epoch = { version: 1, counter: 2, member: 3 };

describe("the copy of a request that goes on", () => {
  it("has one hop less, the epoch, and all else as it was", () => {
    const original = request("MESSAGE", BOB, {
      headers: [
        ["Max-Forwards", "10"],
        ["Call-Info", "<x:y>"],
      ],
      body: "hi",
    });
    const before = [...original.headers.entries()];
    const copy = toServer(original, epoch);
    expect(copy.headers.get("Max-Forwards")).to.equal("9");
    expect(epochIn(copy.headers)).to.deep.equal(epoch);
    for (const name of ["Via", "From", "To", "Call-ID", "CSeq", "Call-Info"]) {
      expect(copy.headers.all(name)).to.deep.equal(original.headers.all(name));
    }
    expect([copy.uri, copy.body]).to.deep.equal([original.uri, original.body]);
    expect([...original.headers.entries()]).to.deep.equal(before);
  });

  it("counts from 70 where the field is absent", () => {
    expect(toServer(request("MESSAGE", BOB), epoch).headers.get("Max-Forwards")).to.equal("69");
  });

  it("to a device has its Contact as Request-URI, without what only servers may see", () => {
    const copy = toDevice(request("MESSAGE", BOB, { headers: [["Aorta-Epoch", "1.2.3"]] }), {
      uri: "sip:bob@127.0.0.1:7;method=X;ob?Subject=z",
    });
    expect(copy.uri).to.equal("sip:bob@127.0.0.1:7;ob");
    expect(copy.headers.has("Aorta-Epoch")).to.equal(false);
  });

  it("to a device takes the way that the device registered by (RFC 3327 §5.3)", () => {
    const path = ["<sip:edge1.example.com;lr>", "<sip:edge2.example.com;lr>"];
    const copy = toDevice(request("MESSAGE", BOB, { headers: [["Route", "<sip:example.com;lr>"]] }), {
      uri: "sip:b@10.0.0.1",
      path,
    });
    expect(copy.headers.all("Route")).to.deep.equal(path);
  });

  it("to a device names the sender, unless the sender asked for privacy", () => {
    const paid: [string, string] = ["P-Asserted-Identity", "<sip:alice@example.com>"];
    const has = (...headers: [string, string][]) =>
      toDevice(request("MESSAGE", BOB, { headers: [paid, ...headers] }), { uri: "sip:b@127.0.0.1" }).headers.has(
        paid[0],
      );
    expect([has(), has(["Privacy", "none"]), has(["Privacy", "header;id"])]).to.deep.equal([true, true, false]);
    expect(has(["Privacy", "header"], ["Privacy", "id"]), "in two fields").to.equal(false);
    const isNamed = (from: string) => {
      const unsigned = request("MESSAGE", BOB, { headers: [paid] });
      unsigned.headers.set("From", from);
      return toDevice(unsigned, { uri: "sip:b@127.0.0.1" }).headers.has(paid[0]);
    };
    for (const nobody of [
      "anonymous@anonymous.invalid",
      "anonymous@ANONYMOUS.Invalid:5060",
      "%61nonymous@anonymous.invalid.",
    ])
      expect(isNamed(`"Anonymous" <sip:${nobody}>;tag=1`), nobody).to.equal(false);
    expect(isNamed("sips:anonymous@anonymous.INVALID;tag=1"), "without brackets").to.equal(false);
    expect(isNamed('"x@anonymous.invalid" <sip:alice@example.com>;tag=1'), "only in the name for people").to.equal(
      true,
    );
  });
});

describe("the answer of a device", () => {
  it("cannot pass for the word of a server", () => {
    const forged = createResponse(request("MESSAGE", BOB), 404, {
      headers: [
        ["Aorta-Epoch", "9.9.9"],
        ["Aorta-Owner", "evil"],
      ],
    });
    expect(notOwnerIn(forged.status, forged.headers)).to.deep.equal({ epoch: { version: 9, counter: 9, member: 9 } });
    const answer = fromDevice(forged);
    expect(notOwnerIn(answer.status, answer.headers)).to.equal(undefined);
  });

  it("does not say that this server is overloaded: clients would leave it (RFC 3261 §16.7 step 6)", () => {
    const busy = createResponse(request("INVITE", BOB), 503, { headers: [["Retry-After", "7"]] });
    const answer = fromDevice(busy);
    expect([answer.status, answer.headers.get("Retry-After")]).to.deep.equal([500, "7"]);
    const other = createResponse(request("INVITE", BOB), 486, { reason: "On The Other Line" });
    expect([fromDevice(other).status, fromDevice(other).reason]).to.deep.equal([486, "On The Other Line"]);
  });
});

describe("what can be read of an answer", () => {
  it("is whether it was made up here, and why", () => {
    const failure = (status: number, headers: [string, string][]) =>
      localFailure(createResponse(request("MESSAGE", BOB), status, { headers }));
    expect(failure(408, [["Aorta-Local", "1"]])).to.equal("timed-out");
    expect(failure(503, [["Aorta-Local", "1"]])).to.equal("not-sent");
    expect(failure(503, [["Aorta-Local", "cut-off"]])).to.equal("cut-off");
    expect(failure(503, [])).to.equal(undefined);
  });

  it("is how many hops are left", () => {
    const hops = (text: string) => maxForwardsOf(request("MESSAGE", BOB, { headers: [["Max-Forwards", text]] }));
    expect([hops(" 7 "), hops("0068"), hops("0"), hops("256"), hops("-1"), hops("")]).to.deep.equal([
      7,
      68,
      0,
      undefined,
      undefined,
      undefined,
    ]);
  });
});
