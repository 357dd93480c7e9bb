import { expect } from "chai";
import { AORTA_REGISTRATION } from "../../../node/federation/aorta-headers.ts";
import { formatSought } from "../../../node/federation/registration-elsewhere.ts";
import { serverAnswer } from "../../../node/registrar/server-answer.ts";
import { createRequest } from "../../../node/sip/message/build.ts";
import { binding } from "./bindings.ts";

/** What is repeated to a server that asks so. */
function answerTo(asked: string): string | undefined {
  const bindings = [binding({ cseq: 5 }), binding({ cseq: 7 }), binding({ callId: "another", cseq: 9 })];
  const address = "<sip:alice@example.com>";
  const request = createRequest({
    ...{ method: "REGISTER", uri: "sip:example.com", from: `${address};tag=a`, to: address },
    headers: [[AORTA_REGISTRATION, asked]],
  });
  return serverAnswer(request, { version: 1, counter: 1, member: 1 }, bindings).headers.get(AORTA_REGISTRATION);
}

describe("a server's question for a registration", () => {
  it("is answered by repeating it where its newest CSeq is between those that are asked for", () => {
    const ranges: [number, number, boolean][] = [
      [6, 8, true],
      [0, 8, true],
      [6, 7, false],
      [7, 8, false],
      [7, 6, false],
      [3, 6, false],
    ];
    for (const [after, before, expected] of ranges) {
      const asked = formatSought({ callId: "call-1", between: [after, before] });
      expect(answerTo(asked), asked).to.equal(expected ? asked : undefined);
    }
  });

  it("is answered without it where the registration is unknown, or the question cannot be read", () => {
    for (const asked of ["0 8 nobody's", "8 call-1", "0 8", "call-1", "a b call-1", "0 99999999999 call-1"])
      expect(answerTo(asked), asked).to.equal(undefined);
  });
});
