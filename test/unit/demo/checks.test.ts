import { expect } from "chai";
import { StoryFault } from "../../../node/demo/sightings.ts";
import { expectOwner, expectSuccess, expectThat, type OwnerView, type StageServer } from "../../../node/demo/stage.ts";

const alice = "sip:alice@example.com";
const server = (number: number, view: OwnerView = {}): StageServer =>
  ({ number, title: `server ${number}`, name: `server-${number}`, lookup: async () => view }) as unknown as StageServer;

describe("The checks of the story", () => {
  it("take a server's word on who owns a user, and its epoch", async () => {
    expect(await expectOwner(server(1, { owner: "server-2", epoch: "1.4.2" }), alice, server(2))).to.equal("1.4.2");
  });

  for (const [said, view] of [
    ["nobody", {}],
    ["server-3", { owner: "server-3", epoch: "1.4.3" }],
  ] as const) {
    it(`fail when a server should name the owner and names ${said}`, async () => {
      const error = await expectOwner(server(1, view), alice, server(2)).catch((thrown: unknown) => thrown);
      expect(error)
        .to.be.instanceOf(StoryFault)
        .with.property("message", `server 1 should say that server 2 owns ${alice}, but says ${said}`);
    });
  }

  it("fail on any answer that is not a success, with what was answered", () => {
    expectSuccess("PUBLISH", { status: 202, reason: "Accepted" });
    expect(() => expectSuccess("PUBLISH", { status: 302, reason: "Moved" })).to.throw(
      StoryFault,
      "PUBLISH was answered 302 Moved",
    );
    expect(() => expectSuccess("PUBLISH", { status: 503, reason: "Busy" })).to.throw(StoryFault);
  });

  it("fail when what should hold does not", () => {
    expectThat(true, () => "never asked");
    expect(() => expectThat(false, () => "it should hold")).to.throw(StoryFault, "it should hold");
  });
});
