import { expect } from "chai";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { isLoop } from "../../../node/federation/loops.ts";
import { ownAddresses } from "../../../node/federation/own-addresses.ts";
import { createHeaders } from "../../../node/sip/message/headers.ts";

const own = ownAddresses("12D3KooWServer" as ServerId, [{ transport: "UDP", address: "127.0.0.1", port: 5060 }], []);
const looks = (...vias: string[]) => isLoop(createHeaders(vias.map((via) => ["Via", via])), own);

describe("a loop (RFC 3261 §16.3)", () => {
  const [mesh, socket] = [
    "SIP/2.0/MESH 12D3KooWServer.invalid;branch=z9hG4bKa",
    "SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKb",
  ];
  const other = "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKc";

  it("is a request that has passed here twice; one that comes a second time may follow a user who moved back", () => {
    expect(looks(other, mesh, other)).to.equal(false);
    expect(looks(other, mesh, other, mesh)).to.equal(true);
    expect(looks(`${mesh}, ${mesh}`)).to.equal(true);
  });

  it("is found by whatever this server is called in Via, and not by what others are called", () => {
    expect(looks(other, mesh, other, socket)).to.equal(true);
    expect(looks(other, other, other, socket)).to.equal(false);
    expect(looks()).to.equal(false);
  });
});
