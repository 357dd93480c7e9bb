import { expect } from "chai";
import { createHeaders } from "../../../../node/sip/message/headers.ts";

describe("SIP header fields", () => {
  it("are found in any case and in compact form", () => {
    const headers = createHeaders([
      ["v", "SIP/2.0/UDP a"],
      ["FROM", "<sip:a@b>"],
      ["X-Own", "1"],
    ]);
    expect(headers.get("Via")).to.equal("SIP/2.0/UDP a");
    expect(headers.get("f")).to.equal("<sip:a@b>");
    expect(headers.get("x-own")).to.equal("1");
    expect(headers.get("To")).to.equal(undefined);
    expect(headers.has("VIA")).to.equal(true);
  });

  it("split lists at commas, but not in quotes or angle brackets", () => {
    const headers = createHeaders([
      ["Contact", '"Joe, \\"the, one\\"" <sip:a,b@c>;q=1, <sip:d@e>'],
      ["m", "<sip:f@g>"],
    ]);
    expect(headers.all("contact")).to.deep.equal(['"Joe, \\"the, one\\"" <sip:a,b@c>;q=1', "<sip:d@e>", "<sip:f@g>"]);
  });

  it("do not split fields that are no lists", () => {
    const date = "Sat, 13 Nov 2010 23:29:00 GMT";
    const challenge = 'Digest realm="a", nonce="b"';
    const headers = createHeaders([
      ["Date", date],
      ["WWW-Authenticate", challenge],
    ]);
    expect(headers.all("Date")).to.deep.equal([date]);
    expect(headers.all("WWW-Authenticate")).to.deep.equal([challenge]);
  });

  it("keep their place when set, and lose their doubles", () => {
    const headers = createHeaders([
      ["A", "1"],
      ["B", "2"],
      ["a", "3"],
    ]);
    headers.set("A", "4").set("C", "5");
    expect([...headers.entries()]).to.deep.equal([
      ["A", "4"],
      ["B", "2"],
      ["C", "5"],
    ]);
  });

  it("are added before or after those of the same name", () => {
    const headers = createHeaders([
      ["To", "x"],
      ["Via", "1"],
      ["From", "y"],
    ]);
    headers.prepend("Via", "0").append("Via", "2");
    expect(headers.all("Via")).to.deep.equal(["0", "1", "2"]);
    expect([...headers.entries()].map(([name]) => name)).to.deep.equal(["To", "Via", "Via", "Via", "From"]);
  });

  it("give up their first value, out of a joined field too", () => {
    const headers = createHeaders([
      ["Via", " 1 , 2"],
      ["Via", "3"],
    ]);
    expect(headers.shift("v")).to.equal("1");
    expect(headers.shift("v")).to.equal("2");
    expect(headers.shift("v")).to.equal("3");
    expect(headers.shift("v")).to.equal(undefined);
    expect(headers.has("Via")).to.equal(false);
  });

  it("are read once by a parser, their clones' too, until they are replaced", () => {
    const read: string[] = [];
    const parse = (value: string) => {
      read.push(value);
      if (value === "bad") throw new Error("malformed");
      return value.length;
    };
    const headers = createHeaders([
      ["From", "one"],
      ["From", "other"],
    ]);
    expect(headers.read("to", parse)).to.equal(undefined);
    expect([headers.read("from", parse), headers.clone().read("f", parse)]).to.deep.equal([3, 3]);
    expect(headers.read("from", (value) => value.toUpperCase())).to.equal("ONE");
    headers.set("From", "again");
    expect(headers.read("from", parse)).to.equal(5);
    expect(read).to.deep.equal(["one", "again"]);
    headers.set("From", "bad");
    expect(() => headers.read("from", parse)).to.throw("malformed");
    expect(() => headers.read("from", parse)).to.throw("malformed");
  });

  it("are independent of their clone", () => {
    const headers = createHeaders([["A", "1"]]);
    const clone = headers.clone();
    clone.set("A", "2").append("B", "3");
    expect([...headers.entries()]).to.deep.equal([["A", "1"]]);
  });

  it("refuse a value that would become another field", () => {
    expect(() => createHeaders([["Subject", "a\r\nVia: b"]])).to.throw("would break the message");
    expect(() => createHeaders().set("Subject", "a\nb")).to.throw("would break the message");
  });
});
