import { expect } from "chai";
import fc from "fast-check";
import { answerStun, isStun } from "../../../../node/sip/transport/stun.ts";

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"));
const TRANSACTION = "b7e7a701 bc34d686 fa87dfae";
const requestOf = (attributes = "") => {
  const length = hex(attributes).length.toString(16).padStart(4, "0");
  return hex(`0001 ${length} 2112a442 ${TRANSACTION} ${attributes}`);
};
const IPV4 = { address: "192.0.2.1", port: 32853 };
const IPV6 = { address: "2001:db8:1234:5678:11:2233:4455:6677", port: 32853 };
const told = (answer: Uint8Array | undefined) =>
  answer === undefined ? undefined : Buffer.from(answer).toString("hex");

/** RFC 5769 §2.1: with USERNAME, MESSAGE-INTEGRITY and FINGERPRINT, and PRIORITY of RFC 5245, which has to be understood. */
const SAMPLE = hex(`
  00010058 2112a442 ${TRANSACTION}
  80220010 5354554e 20746573 7420636c 69656e74
  00240004 6e0001ff
  80290008 932ff9b1 51263b36
  00060009 6576746a 3a683676 59202020
  00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2
  80280004 e57a3bcf`);

describe("STUN on the port of SIP (RFC 5626 §8)", () => {
  it("tells a client from where it is seen: the addresses of RFC 5769 §2.2 and §2.3", () => {
    expect(told(answerStun(requestOf(), IPV4))).to.equal(
      told(hex(`0101 000c 2112a442 ${TRANSACTION} 0020 0008 0001 a147 e112a643`)),
    );
    expect(told(answerStun(requestOf(), IPV6))).to.equal(
      told(hex(`0101 0018 2112a442 ${TRANSACTION} 0020 0014 0002 a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9`)),
    );
    const short = told(answerStun(requestOf(), { address: "2001:db8::1", port: 32853 }));
    expect(short?.slice(56)).to.equal("0113a9fab7e7a701bc34d686fa87dfaf");
  });

  it("refuses what it would have to understand and does not, and names it (RFC 5389 §7.3.1)", () => {
    expect(told(answerStun(SAMPLE, IPV4))).to.equal(
      told(
        hex(`0111 0024 2112a442 ${TRANSACTION}
             0009 0015 00000414 556e6b6e 6f776e20 41747472 69627574 65000000
             000a 0002 0024 0000`),
      ),
    );
    const [before, after] = [SAMPLE.subarray(20, 40), SAMPLE.subarray(60)];
    const rest = Buffer.concat([before, after]).toString("hex");
    expect(told(answerStun(requestOf(rest), IPV4)), "what may be passed over, and credentials").to.match(/^0101/);
  });

  it("answers nothing else: indications, answers, other methods, and what does not fill its length", () => {
    for (const type of ["0011", "0101", "0111", "0003"])
      expect(answerStun(hex(`${type} 0000 2112a442 ${TRANSACTION}`), IPV4), type).to.equal(undefined);
    expect(answerStun(requestOf("8022 0010 00000000"), IPV4)).to.equal(undefined);
    expect(answerStun(requestOf("8022 0000".repeat(133)), IPV4), "too long").to.equal(undefined);
    expect(answerStun(hex(`0001 0000 2112a443 ${TRANSACTION}`), IPV4), "of RFC 3489").to.equal(undefined);
  });

  it("takes no SIP message for STUN, and never fails", () => {
    for (const text of ["REGISTER sip:example.com SIP/2.0\r\n\r\n", "!1 sip:a SIP/2.0\r\n\r\n\r\n\r\n\r\n"])
      expect(isStun(Buffer.from(text))).to.equal(false);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (attributes) => {
        const request = requestOf(Buffer.from(attributes).toString("hex"));
        expect(isStun(request)).to.equal(attributes.length % 4 === 0);
        const answer = answerStun(request, IPV4);
        if (answer !== undefined) expect(isStun(answer)).to.equal(true);
      }),
    );
  });
});
