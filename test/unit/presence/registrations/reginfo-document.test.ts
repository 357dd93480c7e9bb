import { expect } from "chai";
import { parseXml } from "../../../../node/presence/pidf/parse-xml.ts";
import { attributeOf, childElements } from "../../../../node/presence/pidf/xml-tree.ts";
import type { ReginfoContact } from "../../../../node/presence/registrations/reginfo-document.ts";
import { bytesOfContact, serializeReginfo } from "../../../../node/presence/registrations/reginfo-document.ts";
import { limits } from "../../../../node/runtime/limits.ts";

const CONTACT: ReginfoContact = {
  id: "0123456789ab",
  uri: `sip:${"&".repeat(200)}@127.0.0.1`,
  change: "unregistered",
  expiresSeconds: 4_294_967_295,
  q: 999,
  callId: '<"&>'.repeat(50),
  cseq: 4_294_967_295,
};
const serialize = (...contacts: ReginfoContact[]) =>
  serializeReginfo({ version: 0, full: true, aor: "sip:alice@example.com", id: "r", state: "active", contacts });

describe("a document of registrations (RFC 3680)", () => {
  it("takes no more room than is reckoned with for each contact", () => {
    expect(serialize(CONTACT, CONTACT).length - serialize(CONTACT).length).to.be.within(1000, bytesOfContact(CONTACT));
  });

  it("is well-formed whatever the client calls its registration", () => {
    const root = parseXml(Buffer.from(serialize({ ...CONTACT, callId: "a\0\x01b<" })), limits.presence.xml);
    const [registration] = childElements(root);
    expect(attributeOf(childElements(registration!)[0]!, "callid")).to.equal("a\ufffd\ufffdb<");
  });
});
