import { expect } from "chai";
import { formatCredentials } from "../../../node/sip/message/credentials.ts";
import { SessionWorld } from "../session/session-world.ts";

describe("a server that is started again while somebody guesses a user's password", function () {
  this.timeout(60_000);
  let world: SessionWorld;

  before(async () => {
    world = await SessionWorld.of(1, [], [], "digest");
  });
  after(() => world.stop());

  it("knows the user still where the password was right before, and lets them in", async () => {
    const joe = await world.agent("joe", 0);
    expect((await joe.register()).status).to.equal(200);
    await world.restart(0);
    const guess = async (username: string) => {
      const uri = "sip:example.com";
      const [nonce, response] = ["made-up", "0".repeat(32)];
      const params = new Map(
        Object.entries({ username, realm: "example.com", nonce, uri, response, algorithm: "MD5" }),
      );
      const request = joe.outside("REGISTER", uri, [
        ["Authorization", formatCredentials({ scheme: "Digest", params })],
      ]);
      return (await joe.send(request)).status;
    };
    const statuses = [];
    for (let at = 0; at < 10; at++) statuses.push(await guess("joe"));
    expect(new Set(statuses)).to.deep.equal(new Set([401]));
    expect((await joe.register()).status).to.equal(200);
    for (let at = 0; at < 10; at++) statuses.push(await guess("alice"));
    expect(statuses.at(-1), "who is not known there has to wait").to.equal(503);
  });
});
