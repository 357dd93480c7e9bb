import { expect } from "chai";
import { createRequest } from "../../../node/sip/message/build.ts";
import { randomTag } from "../../../node/sip/message/tags.ts";
import { EdgeNode } from "../../helpers/edge-node.ts";
import { Agent } from "../session/session-world.ts";

const USER = "sip:user@example.com";
const PIDF =
  '<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:user@example.com"><tuple id="t"><status><basic>open</basic></status></tuple></presence>';

describe("how long registrations, publications and subscriptions last, as the operator has set it", () => {
  let node: EdgeNode;
  let agent: Agent;

  before(async () => {
    node = await EdgeNode.start("none", undefined, {
      registrarExpiry: { minSeconds: 30, defaultSeconds: 120, maxSeconds: 240 },
      presenceExpiry: { minSeconds: 40, defaultSeconds: 130, maxSeconds: 250 },
    });
    agent = new Agent("user", node.listener("UDP"));
    await agent.start();
  });
  after(async () => {
    await agent.stop();
    await node.stop();
  });

  const kinds = {
    REGISTER: { bounds: [30, 120, 240], fields: [] as [string, string][] },
    SUBSCRIBE: { bounds: [40, 130, 250], fields: [["Event", "presence"]] as [string, string][] },
    PUBLISH: {
      bounds: [40, 130, 250],
      fields: [
        ["Event", "presence"],
        ["Content-Type", "application/pidf+xml"],
      ] as [string, string][],
    },
  };
  for (const [method, { bounds, fields }] of Object.entries(kinds)) {
    it(`${method}: shorter is refused, longer is cut, and nothing said is the default`, async () => {
      const [min, usual, max] = bounds as [number, number, number];
      const granted = async (asked?: number) => {
        const expires: [string, string][] = asked === undefined ? [] : [["Expires", String(asked)]];
        const contact: [string, string][] = method === "PUBLISH" ? [] : [["Contact", `<${agent.contact}>`]];
        const uri = method === "REGISTER" ? "sip:example.com" : USER;
        const ends = { from: `<${USER}>;tag=${randomTag()}`, to: `<${USER}>` };
        const headers = [...fields, ...contact, ...expires];
        const body = method === "PUBLISH" ? PIDF : "";
        const { status, headers: said } = await agent.send(createRequest({ method, uri, ...ends, headers, body }));
        if (status === 423) return `423 ${said.get("Min-Expires")}`;
        return Number(said.get("Expires") ?? /;expires=(\d+)/.exec(said.get("Contact") ?? "")?.[1]);
      };
      expect([await granted(min - 1), await granted(min)]).to.deep.equal([`423 ${min}`, min]);
      expect(await granted()).to.equal(usual);
      expect([await granted(max), await granted(max + 1)]).to.deep.equal([max, max]);
    });
  }
});
