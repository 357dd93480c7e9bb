import { expect } from "chai";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { isLoop, loopPartOf } from "../../../node/federation/loops.ts";
import { ownAddresses } from "../../../node/federation/own-addresses.ts";
import { createHeaders } from "../../../node/sip/message/headers.ts";
import { randomBranch } from "../../../node/sip/message/tags.ts";

const own = ownAddresses("12D3KooWServer" as ServerId, [{ transport: "UDP", address: "127.0.0.1", port: 5060 }], []);
const BOB = "sip:bob@example.com";
const [MESH, SOCKET, OTHER] = ["SIP/2.0/MESH 12D3KooWServer.invalid", "SIP/2.0/UDP 127.0.0.1", "SIP/2.0/UDP 192.0.2.1"];

function partOf(uri: string, headers: readonly [string, string][] = []): string {
  return loopPartOf({ uri, headers: createHeaders(headers) });
}

/** The Via of a server that has sent a request on. */
function left(server: string, loopPart?: string): string {
  return `${server};branch=${randomBranch(loopPart)}`;
}

const looks = (...vias: string[]) => isLoop(createHeaders(vias.map((via) => ["Via", via])), partOf(BOB), own);

describe("a loop (RFC 5393 §4.2)", () => {
  it("is a request that has left here for the same reasons, under whatever name this server has in Via", () => {
    expect(looks(left(OTHER), left(MESH, partOf(BOB)))).to.equal(true);
    expect(looks(left(OTHER), left(SOCKET, partOf(BOB)), left(OTHER))).to.equal(true);
    expect(looks(`${left(OTHER)}, ${left(SOCKET, partOf(BOB))}`)).to.equal(true);
  });

  it("is none that left for another address, however often: that is a spiral", () => {
    const others = ["sip:ann@example.com", "sip:ben@example.com", `${BOB};cause=302`, "sips:bob@example.com"];
    expect(looks(...others.map((uri) => left(SOCKET, partOf(uri))))).to.equal(false);
  });

  it("is none that another server sent on for these reasons, nor one that this server asked for itself", () => {
    expect(looks(left(OTHER, partOf(BOB)))).to.equal(false);
    expect(looks(left(SOCKET))).to.equal(false);
    expect(looks()).to.equal(false);
  });

  it("is none that comes back under another epoch: its user has moved back", () => {
    const under = (epoch: string) => partOf(BOB, [["Aorta-Epoch", epoch]]);
    expect(under("1.1.1")).to.equal(under("1.1.1"));
    expect(new Set([under("1.1.1"), under("1.2.1"), partOf(BOB)]).size).to.equal(3);
  });

  it("is a way that is shorter each time and leads nowhere new; one that has passed a name is another", () => {
    const by = (...routes: string[]) => partOf(BOB, [["Route", routes.map((name) => `<sip:${name}@h;lr>`).join(", ")]]);
    expect(by("a", "b", "a", "b", "c")).to.equal(by("a", "b", "c"));
    expect(partOf(BOB, [["Route", '<sip:a@h;lr;x=1>, "A" <sip:a@H>']]), "however it is spelt").to.equal(by("a"));
    expect(by("b", "c")).not.to.equal(by("a", "b", "c"));
  });
});
