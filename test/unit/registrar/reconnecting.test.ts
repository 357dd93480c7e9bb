import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import type { Binding } from "../../../node/registrar/binding.ts";
import { Reconnecting } from "../../../node/registrar/reconnecting.ts";

const ALICE = parseAor("sip:alice@example.com");
const BOB = parseAor("sip:bob@example.com");
const lost = (name: string, instance = ""): Binding =>
  ({ uri: `sip:${name}@x.invalid;transport=ws`, instance }) as Partial<Binding> as Binding;

describe("clients that have lost their connection", () => {
  it("are waited for each for its time, whatever others of their user do", () => {
    const reconnecting = new Reconnecting(16);
    reconnecting.add(ALICE, [lost("desk")], 1000);
    reconnecting.add(ALICE, [lost("mobile")], 1500);
    reconnecting.add(BOB, [lost("bobs")], 2000);
    expect(reconnecting.expire(999)).to.deep.equal([]);
    expect(reconnecting.expire(1000)).to.deep.equal([ALICE]);
    expect(reconnecting.of(ALICE)).to.deep.equal([lost("mobile")]);
    expect(reconnecting.expire(2000)).to.deep.equal([ALICE, BOB]);
    expect([reconnecting.has(ALICE), reconnecting.has(BOB)]).to.deep.equal([false, false]);
  });

  it("are not waited for when they are there again, by Contact or by instance", () => {
    const reconnecting = new Reconnecting(16);
    reconnecting.add(ALICE, [lost("a"), lost("b", "<urn:uuid:1>"), lost("c")], 1000);
    reconnecting.back(ALICE, [lost("a"), lost("new", "<urn:uuid:1>")]);
    expect(reconnecting.of(ALICE)).to.deep.equal([lost("c")]);
    reconnecting.back(ALICE, [lost("c")]);
    expect(reconnecting.has(ALICE)).to.equal(false);
  });

  it("are the latest of their user, as many as devices may be registered", () => {
    const reconnecting = new Reconnecting(2);
    for (const name of ["one", "two", "three"]) reconnecting.add(ALICE, [lost(name)], 1000);
    expect(reconnecting.of(ALICE)).to.deep.equal([lost("two"), lost("three")]);
    reconnecting.forget(ALICE);
    expect(reconnecting.of(ALICE)).to.deep.equal([]);
  });
});
