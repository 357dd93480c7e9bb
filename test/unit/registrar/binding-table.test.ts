import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { BindingTable } from "../../../node/registrar/binding-table.ts";
import { binding } from "./bindings.ts";

const ALICE = "sip:alice@example.com" as Aor;
const BOB = "sip:bob@example.com" as Aor;

describe("table of bindings", () => {
  it("never shows an expired binding, swept or not", () => {
    const table = new BindingTable();
    table.set(ALICE, [binding({ expiresAtMs: 5000 }), binding({ uri: "sip:b@127.0.0.1", expiresAtMs: 9000 })]);
    expect(table.get(ALICE, 4999)).to.have.length(2);
    expect(table.get(ALICE, 5000).map(({ uri }) => uri)).to.deep.equal(["sip:b@127.0.0.1"]);
    expect(table.get(ALICE, 9000)).to.deep.equal([]);
  });

  it("tells each expired binding once", () => {
    const table = new BindingTable();
    table.set(ALICE, [binding({ expiresAtMs: 5000 }), binding({ uri: "sip:b@127.0.0.1", expiresAtMs: 9000 })]);
    expect([...table.expire(4999)]).to.deep.equal([]);
    expect(
      table
        .expire(5000)
        .get(ALICE)
        ?.map(({ expiresAtMs }) => expiresAtMs),
    ).to.deep.equal([5000]);
    expect([...table.expire(6000)]).to.deep.equal([]);
    expect(
      table
        .expire(60_000)
        .get(ALICE)
        ?.map(({ expiresAtMs }) => expiresAtMs),
    ).to.deep.equal([9000]);
    expect(table.has(ALICE)).to.equal(false);
  });

  it("forgets any number that expire in one second, so many at a time", () => {
    const table = new BindingTable();
    const users = 200_000;
    for (let i = 0; i < users; i++) table.set(`sip:u${i}@example.com` as Aor, [binding({ expiresAtMs: 5000 })]);
    expect(table.expire(5000, 3)).to.have.lengthOf(3);
    expect(table.aors).to.equal(users - 3);
    expect(table.expire(5000)).to.have.lengthOf(users - 3);
    expect(table.aors).to.equal(0);
  });

  it("follows a refresh: what was to expire does not", () => {
    const table = new BindingTable();
    table.set(ALICE, [binding({ expiresAtMs: 5000 })]);
    table.set(ALICE, [binding({ expiresAtMs: 50_000 })]);
    expect([...table.expire(6000)]).to.deep.equal([]);
    expect(table.get(ALICE, 6000)).to.have.length(1);
  });

  it("counts users and contacts", () => {
    const table = new BindingTable();
    table.set(ALICE, [binding(), binding({ uri: "sip:b@127.0.0.1" })]);
    table.set(BOB, [binding()]);
    table.set(ALICE, [binding()]);
    expect([table.aors, table.contacts]).to.deep.equal([2, 2]);
    table.set(BOB, []);
    expect([table.aors, table.contacts]).to.deep.equal([1, 1]);
  });

  it("finds the users of a connection, for as long as they use it", () => {
    const table = new BindingTable();
    const flow = { transport: "WS", address: "127.0.0.1", port: 1, connection: "c1" } as const;
    table.set(ALICE, [binding({ flow })]);
    table.set(BOB, [binding({ flow }), binding({ uri: "sip:b@127.0.0.1", flow })]);
    expect(table.aorsOn("c1")).to.have.members([ALICE, BOB]);
    table.set(ALICE, [binding()]);
    expect(table.aorsOn("c1")).to.deep.equal([BOB]);
    table.set(BOB, []);
    expect(table.aorsOn("c1")).to.deep.equal([]);
  });

  it("finds the users of a Contact, for as long as they have it", () => {
    const table = new BindingTable();
    const [desk, mobile] = [binding(), binding({ uri: "sip:b@127.0.0.1", expiresAtMs: 5000 })];
    table.set(ALICE, [desk, mobile]);
    table.set(BOB, [mobile]);
    table.set(ALICE, [desk, { ...mobile, expiresAtMs: 9000 }]);
    expect([...table.aorsNear("sip:b@127.0.0.1")]).to.have.members([ALICE, BOB]);
    table.expire(6000);
    expect([...table.aorsNear("sip:b@127.0.0.1")]).to.deep.equal([ALICE]);
    table.set(ALICE, []);
    expect([...table.aorsNear("sip:b@127.0.0.1"), ...table.aorsNear(desk.uri)]).to.deep.equal([]);
  });
});
