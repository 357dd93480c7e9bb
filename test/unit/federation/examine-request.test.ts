import { expect } from "chai";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { ALLOW, examineRequest } from "../../../node/federation/examine-request.ts";
import { ownAddresses } from "../../../node/federation/own-addresses.ts";
import type { SipRequest } from "../../../node/sip/message/message.ts";
import { parseUri } from "../../../node/sip/message/uri.ts";
import { parseVia } from "../../../node/sip/message/via.ts";
import { request } from "./requests.ts";

const BOB = "sip:bob@example.com";
const own = ownAddresses("12D3KooWServer" as ServerId, [{ transport: "UDP", address: "127.0.0.1", port: 5060 }], []);
const examine = (message: SipRequest, { secure = false, fromServer = false } = {}) =>
  examineRequest(message, { domain: "example.com", own, secure, fromServer });
const statusOf = (message: SipRequest): unknown => {
  const result = examine(message);
  return result.kind === "refused" ? result.status : result.target;
};

describe("examination of a request at the edge", () => {
  it("finds the user whom a request is for", () => {
    expect(examine(request("MESSAGE", "sip:%62ob@EXAMPLE.com:5060;transport=tcp"))).to.deep.equal({
      kind: "examined",
      method: "MESSAGE",
      target: { kind: "user", aor: BOB },
      from: "sip:alice@example.com",
      to: BOB,
    });
  });

  it("takes REGISTER to be for the domain, under its name or this node's address", () => {
    expect(statusOf(request("REGISTER", "sip:example.com"))).to.deep.equal({ kind: "node" });
    expect(statusOf(request("REGISTER", "sip:127.0.0.1:5060"))).to.deep.equal({ kind: "node" });
  });

  it("tells OPTIONS for the node from OPTIONS for a user", () => {
    expect(statusOf(request("OPTIONS", "sip:127.0.0.1"))).to.deep.equal({ kind: "node" });
    expect(statusOf(request("OPTIONS", BOB))).to.deep.equal({ kind: "user", aor: BOB });
  });

  it("leaves requests within a subscription to their dialog", () => {
    const refresh = request("SUBSCRIBE", "sip:127.0.0.1:5060", { to: `<${BOB}>;tag=2` });
    expect(statusOf(refresh)).to.deep.equal({ kind: "dialog" });
    expect(statusOf(request("NOTIFY", "sip:anything@10.0.0.1"))).to.deep.equal({ kind: "dialog" });
  });

  it("knows what is of a session whose way another server has recorded, and where its device is meant", () => {
    const within = (method: string, { uri = "sip:bob@192.0.2.1:5070", to = `<${BOB}>;tag=2`, route = "" } = {}) =>
      request(method, uri, { to, headers: [["Route", route || "<sip:TOKEN@192.0.2.9;lr>"]] });
    for (const method of ["INVITE", "BYE", "INFO", "UPDATE", "REFER", "MESSAGE", "OPTIONS"])
      expect(examine(within(method)), method).to.deep.include({ method: "other", target: { kind: "session" } });
    for (const [why, message] of [
      ["of no session", within("PUBLISH")],
      ["by a way of this node's, which did not lead anywhere", within("BYE", { route: "<sip:T@127.0.0.1;lr>" })],
      ["by the mesh, from without", within("BYE", { route: "<sip:12D3@mesh.invalid;lr>" })],
      ["to this node itself", within("BYE", { uri: "sip:127.0.0.1" })],
      ["without any way", request("BYE", "sip:bob@192.0.2.1:5070", { to: `<${BOB}>;tag=2` })],
    ] as const)
      expect(statusOf(message), why).to.be.oneOf([403, 481]);
    expect(statusOf(within("INVITE", { to: `<${BOB}>` })), "outside of sessions").to.equal(403);
    expect(examine(within("BYE"), { fromServer: true }), "of a server").to.deep.include({ status: 481 });
  });

  it("believes in a SIPS address only what came by a secure transport (RFC 3261 §26.2.2)", () => {
    const message = request("MESSAGE", "sips:bob@example.com");
    expect(examine(message)).to.deep.include({ kind: "refused", status: 403 });
    expect(examine(message, { secure: true })).to.deep.include({
      kind: "examined",
      target: { kind: "user", aor: BOB },
    });
  });

  it("passes on what it does not know, where it is for a user (RFC 3261 §16.3)", () => {
    for (const method of ["REFER", "LATEST-NEWS", "refer"]) {
      expect(examine(request(method, BOB))).to.deep.include({ method: "other", target: { kind: "user", aor: BOB } });
      expect(statusOf(request(method, "sip:example.com"))).to.deep.equal({ kind: "node" });
    }
    expect(statusOf(request("INVITE", BOB))).to.deep.include({ kind: "user" });
  });

  it("answers with the methods that it serves what belongs to a session, and what only servers of the mesh ask each other", () => {
    for (const method of ["INFO", "BYE", "UPDATE", "PRACK", "AORTA-HISTORY"])
      expect(examine(request(method, BOB))).to.deep.include({ status: 405, headers: [["Allow", ALLOW]] });
  });

  it("passes on nothing that a careless device would take for what the node serves or refuses", () => {
    for (const method of ["notify", "Message", "invite", "bYE", "cancel", "aorta-history"])
      expect(examine(request(method, BOB)), method).to.deep.include({ status: 405, headers: [["Allow", ALLOW]] });
  });

  it("takes a NOTIFY of no subscription to be for a user's devices where a server sends it, and for a dialog otherwise", () => {
    const notify = request("NOTIFY", BOB);
    expect(statusOf(notify)).to.deep.equal({ kind: "dialog" });
    const ofServer = (message: SipRequest) => examine(message, { fromServer: true });
    expect(ofServer(notify)).to.deep.include({ method: "NOTIFY", target: { kind: "user", aor: BOB } });
    for (const dialog of [request("NOTIFY", BOB, { to: `<${BOB}>;tag=2` }), request("NOTIFY", "sip:aorta@127.0.0.1")])
      expect(ofServer(dialog)).to.deep.include({ target: { kind: "dialog" } });
  });

  it("sees the tag of a session wherever it stands in To, as every device does", () => {
    for (const to of [`<${BOB}>;tag=2;x=">"`, `"Bob \\">" <${BOB}> ; x=">" ; TAG = 2`, `${BOB};tag=2;x=">"`]) {
      for (const method of ["REFER", "LATEST-NEWS", "OPTIONS", "INVITE"])
        expect(statusOf(request(method, BOB, { to })), `${method} ${to}`).to.equal(481);
      const notify = examine(request("NOTIFY", BOB, { to }), { fromServer: true });
      expect(notify, to).to.deep.include({ target: { kind: "dialog" } });
    }
  });

  it("knows nothing of a session whose way does not lead here", () => {
    for (const uri of [BOB, "sip:device@10.0.0.1"])
      expect(statusOf(request("OPTIONS", uri, { to: `<${BOB}>;tag=2` })), uri).to.equal(481);
    expect(statusOf(request("OPTIONS", "sip:127.0.0.1", { to: `<${BOB}>;tag=2` }))).to.deep.equal({ kind: "node" });
    for (const method of ["INVITE", "BYE", "INFO"])
      expect(statusOf(request(method, BOB, { to: `<${BOB}>;tag=2` }))).to.equal(481);
  });

  const refusals: [string, SipRequest, number][] = [
    [
      "binds no contact that is the node itself, which would make it send to itself",
      request("REGISTER", "sip:example.com", {
        headers: [["Contact", "<sip:c@127.0.0.1:5062>, <sip:alice@127.0.0.1>"]],
      }),
      403,
    ],
    ["relays to no other domain", request("MESSAGE", "sip:bob@elsewhere.org"), 403],
    ["relays to no other host", request("REGISTER", "sip:127.0.0.1:5099"), 403],
    ["knows no user by its own address", request("MESSAGE", "sip:bob@127.0.0.1:5060"), 404],
    ["knows no user without a name", request("PUBLISH", "sip:example.com"), 404],
    ["knows no scheme but SIP's", request("MESSAGE", "tel:+123"), 416],
    ["reads no malformed Request-URI", request("MESSAGE", "sip:bob@exa mple.com"), 400],
    ["reads no malformed From", request("MESSAGE", BOB, { from: "<sip:alice" }), 400],
    ["reads no malformed To", request("MESSAGE", BOB, { to: '"Bob <sip:bob@example.com>' }), 400],
    [
      "reads no malformed Max-Forwards",
      request("REGISTER", "sip:example.com", { headers: [["Max-Forwards", "many"]] }),
      400,
    ],
    ["sends nothing on that has no hop left", request("MESSAGE", BOB, { headers: [["Max-Forwards", "0"]] }), 483],
    ["follows no Route to others", request("MESSAGE", BOB, { headers: [["Route", "<sip:10.0.0.9;lr>"]] }), 403],
  ];
  for (const [what, message, status] of refusals) {
    it(`${what} (${status})`, () => {
      expect(statusOf(message)).to.equal(status);
    });
  }

  it("takes an INVITE with Replaces to elsewhere to be for the device at that Contact, and nothing else (RFC 5589 §7)", () => {
    const replaces: [string, string] = ["Replaces", "a;to-tag=b;from-tag=c"];
    const contacts = ["sip:carol@192.0.2.7:5062;transport=udp", "sip:192.0.2.7", "sip:a1b2@xyz.invalid;transport=ws"];
    for (const contact of contacts) {
      const to = (method: string, ...headers: [string, string][]) => statusOf(request(method, contact, { headers }));
      expect(to("INVITE", replaces), contact).to.deep.equal({ kind: "contact" });
      expect(to("INVITE"), contact).to.equal(403);
      for (const method of ["MESSAGE", "OPTIONS", "REFER"]) expect(to(method, replaces), contact).to.equal(403);
      expect(to("INVITE", replaces, ["Max-Forwards", "0"])).to.equal(483);
      expect(to("INVITE", replaces, ["Route", "<sip:10.0.0.9;lr>"])).to.equal(403);
      expect(to("INVITE", replaces, ["Require", "replaces"])).to.deep.equal({ kind: "contact" });
    }
    expect(statusOf(request("INVITE", BOB, { headers: [replaces] }))).to.deep.include({ kind: "user" });
    expect(statusOf(request("INVITE", "sip:bob@127.0.0.1:5060", { headers: [replaces] }))).to.equal(404);
  });

  it("serves a request without a hop left that needs none", () => {
    expect(statusOf(request("REGISTER", "sip:example.com", { headers: [["Max-Forwards", "0"]] }))).to.deep.equal({
      kind: "node",
    });
  });

  it("accepts a Route that led here", () => {
    const routed = request("MESSAGE", BOB, { headers: [["Route", "<sip:127.0.0.1:5060;lr>"]] });
    expect(statusOf(routed)).to.deep.equal({ kind: "user", aor: BOB });
  });

  it("names the extensions that it lacks, and leaves to devices what is theirs", () => {
    const register = request("REGISTER", "sip:example.com", { headers: [["Require", "path, gruu, Outbound, x"]] });
    expect(examine(register)).to.deep.include({ status: 420, headers: [["Unsupported", "gruu, x"]] });
    expect(statusOf(request("MESSAGE", BOB, { headers: [["Require", "x"]] }))).to.deep.equal({
      kind: "user",
      aor: BOB,
    });
    expect(statusOf(request("MESSAGE", BOB, { headers: [["Proxy-Require", "x"]] }))).to.equal(420);
  });
});

describe("what names this node", () => {
  it("is, behind a wildcard listener, every address of the machine at that port", () => {
    const wild = ownAddresses(
      "s" as ServerId,
      [{ transport: "TCP", address: "0.0.0.0", port: 5080 }],
      ["127.0.0.1", "10.1.1.1"],
    );
    const isOwn = (host: string, port?: number) =>
      wild.isOwnUri({ scheme: "sip", host, ...(port === undefined ? {} : { port }), params: new Map(), headers: [] });
    expect([isOwn("10.1.1.1", 5080), isOwn("localhost", 5080)]).to.deep.equal([true, true]);
    expect([isOwn("10.1.1.2", 5080), isOwn("10.1.1.1"), isOwn("10.1.1.1", 5060)]).to.deep.equal([false, false, false]);
  });

  it("is a name that clients know it by, at its own ports and at the usual ones, or at the name's port alone", () => {
    const named = ownAddresses(
      "s" as ServerId,
      [
        { transport: "UDP", address: "10.1.1.1", port: 5080 },
        { transport: "TLS", address: "10.1.1.1", port: 5081 },
      ],
      [],
      [{ host: "sip1.example.com" }, { host: "203.0.113.5", port: 5070 }, { host: "2001:db8::1" }],
    );
    const isOwn = (uri: string) => named.isOwnUri(parseUri(uri));
    for (const uri of [
      "sip:sip1.example.com",
      "sips:SIP1.example.com",
      "sip:sip1.example.com;transport=tls",
      "sip:sip1.example.com:5080",
      "sip:sip1.example.com:5081;transport=tls",
      "sip:203.0.113.5:5070",
      "sip:[2001:DB8:0::1]",
    ])
      expect(isOwn(uri), uri).to.equal(true);
    for (const uri of ["sip:sip1.example.com:9", "sip:sip2.example.com", "sip:203.0.113.5", "sip:203.0.113.5:5080"])
      expect(isOwn(uri), uri).to.equal(false);
    expect(named.isOwnVia(parseVia("SIP/2.0/UDP sip1.example.com:5080;branch=z9hG4bKa"))).to.equal(true);
    expect(named.isOwnVia(parseVia("SIP/2.0/UDP sip2.example.com:5080;branch=z9hG4bKa"))).to.equal(false);
  });

  it("is an address however it is written, IPv4 within IPv6 too", () => {
    const own = ownAddresses(
      "s" as ServerId,
      [
        { transport: "UDP", address: "::1", port: 5060 },
        { transport: "UDP", address: "127.0.0.1", port: 5060 },
      ],
      [],
    );
    const isOwn = (host: string) => own.isOwnUri({ scheme: "sip", host, params: new Map(), headers: [] });
    for (const host of ["::1", "0:0:0:0:0:0:0:1", "::0001", "::ffff:127.0.0.1", "::ffff:7f00:1"])
      expect(isOwn(host), host).to.equal(true);
    for (const host of ["::2", "::ffff:127.0.0.2"]) expect(isOwn(host), host).to.equal(false);
  });
});
