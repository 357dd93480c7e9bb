import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { expect } from "chai";
import type { SipResponse } from "../../node/sip/message/message.ts";
import { parseMessage } from "../../node/sip/message/parse-message.ts";
import { EdgeNode } from "../helpers/edge-node.ts";
import { rawClient } from "../sip/harness.ts";

const FOLDER = join(dirname(createRequire(import.meta.url).resolve("sip/package.json")), "test/messages");

/**
 * What a node of `example.com`, which wants users to authenticate, answers to the requests that its stack hands up: `rfc4475-torture.test.ts` has
 * the others. The RFC says what is valid; what a server may still refuse, as requests to other domains, is its own affair.
 */
const TABLE: Record<string, [status: number, why: string]> = {
  wsinv: [407, "valid; within a dialog whose way another server has recorded, so it is challenged"],
  intmeth: [407, "valid; challenged: a method that the node does not know is for the user's devices"],
  esc01: [403, "valid; to another domain"],
  escnull: [401, "valid; a REGISTER is challenged"],
  esc02: [403, "valid; % is a character of methods, no escape: no REGISTER, but a request to another domain"],
  lwsdisp: [407, "valid; challenged"],
  longreq: [407, "valid; challenged"],
  dblreq: [401, "valid; what follows the REGISTER in the datagram is no second one"],
  semiuri: [407, "valid; to a user with semicolons in the name"],
  transports: [407, "valid; unknown transports in Via are no affair of whom it is sent to"],
  mpart01: [403, "valid; to another domain"],
  baddate: [407, "the malformed Date may be passed over: nothing depends on it"],
  badbranch: [407, "a branch of nothing but the cookie does not tell transactions apart, other fields do"],
  unkscm: [416, "§3.3.2: an unknown scheme"],
  novelsc: [416, "§3.3.3: a known scheme that SIP cannot serve"],
  unksm2: [401, "§3.3.4: schemes in To and From are compared only; the REGISTER is challenged"],
  bext01: [420, "§3.3.5: extensions that this proxy does not know, all of them named in Unsupported"],
  invut: [407, "§3.3.6: what the body is, its recipient says"],
  regaut01: [401, "§3.3.7: credentials of an unknown scheme are as none"],
  zeromf: [483, "§3.3.11: a request to a user goes on, and may not any more"],
  cparam01: [401, "valid; challenged"],
  cparam02: [401, "valid; challenged"],
  regescrt: [401, "valid; challenged"],
  sdp01: [407, "§3.3.16: what is acceptable, its recipient says"],
  inv2543: [407, "§3.4.1: an INVITE of RFC 2543 is served as others are"],
};

describe("RFC 4475 torture messages at a node", () => {
  let node: EdgeNode;

  before(async () => {
    node = await EdgeNode.start("digest");
  });

  after(() => node.stop());

  for (const [name, [status, why]] of Object.entries(TABLE)) {
    it(`${name}: ${status}, ${why}`, async () => {
      // A frame is a message whatever it says of its length, and the answer comes back by the connection, whatever Via says.
      const peer = await rawClient(node.listener("WS"));
      peer.send(readFileSync(`${FOLDER}/${name}.dat`));
      const answer = parseMessage(Buffer.from(await peer.received.next())) as SipResponse;
      peer.close();
      expect(answer.status).to.equal(status);
      if (status === 401) expect(answer.headers.all("WWW-Authenticate")).to.have.length(1);
      if (status === 407) expect(answer.headers.all("Proxy-Authenticate")).to.have.length(1);
      if (status === 420) {
        const unsupported = answer.headers.all("Unsupported");
        expect(unsupported).to.deep.equal(["noProxiesSupportThis", "norDoAnyProxiesSupportThis"]);
      }
    });
  }
});
