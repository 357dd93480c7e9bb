import { expect } from "chai";
import type { PresentContact } from "../../../../node/presence/publication/publishing-devices.ts";
import { publishingDevices } from "../../../../node/presence/publication/publishing-devices.ts";

const HOME = "192.0.2.7 10.0.0.5 5060";
const contact = (device: string, path?: string, origin?: string): PresentContact => ({
  ...{ uri: `sip:${device}@h`, device },
  ...{ path, origin },
});
const publication = (devices: readonly string[] = []) => ({ path: "socket", origin: HOME, devices });

describe("whose publication it is", () => {
  it("is of all that are registered over its socket, whatever was thought before", () => {
    const contacts = [contact("a", "socket"), contact("b", "socket"), contact("c", "other", HOME)];
    expect(publishingDevices(publication(["c"]), contacts)).to.deep.equal(["a", "b"]);
  });

  it("is of the device it was of, where that is registered over another socket", () => {
    const contacts = [contact("a", "other"), contact("b", undefined, HOME)];
    expect(publishingDevices(publication(["a"]), contacts)).to.deep.equal(["a"]);
  });

  it("is of the one that is where the publisher says to be", () => {
    expect(publishingDevices(publication(), [contact("a", "x", HOME), contact("b", "y")])).to.deep.equal(["a"]);
  });

  it("is of nobody known where two are there, or where the publisher says nothing", () => {
    const contacts = [contact("a", "x", HOME), contact("b", "y", HOME), contact("c")];
    expect(publishingDevices(publication(), contacts)).to.deep.equal([]);
    expect(publishingDevices({ path: "socket", origin: undefined, devices: [] }, contacts)).to.deep.equal([]);
  });

  it("is of what a server without a node has registered for others, where that server says it", () => {
    const contacts = [{ ...contact("a", undefined, HOME), relayedBy: "socket" }, contact("b", "other")];
    expect(publishingDevices({ path: "socket", origin: undefined, devices: [] }, contacts)).to.deep.equal(["a"]);
    const ofDevice = { path: "socket", origin: "192.0.2.8 10.0.0.6 5060", devices: [] };
    expect(publishingDevices(ofDevice, contacts), "a device behind a proxy").to.deep.equal([]);
  });

  it("stays what it was while no device is registered", () => {
    const known = publication(["a"]);
    expect(publishingDevices(known, [])).to.equal(known.devices);
    expect(publishingDevices(known, [contact("a", "socket")])).to.equal(known.devices);
  });
});
