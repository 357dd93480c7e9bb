import { expect } from "chai";
import { once } from "node:events";
import { Aorta, until } from "./aorta.ts";

describe("a node of which nobody reads what it prints", function () {
  this.timeout(30_000);
  const aorta = new Aorta();
  after(() => aorta.clean());

  it("is up all the same, and drains when it is asked to", async () => {
    const listeners = ["--sip", "127.0.0.1:0", "--mesh", "127.0.0.1:0"];
    const node = aorta.spawn(["up", "--domain", "example.com", "--data", aorta.path("rome"), ...listeners]);
    node.stdout!.destroy();
    node.stderr!.destroy();
    const ended = once(node, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
    // Were it to end with the line that says it is up, these would find nobody.
    for (const command of ["status", "status", "invite"]) {
      // It answers SIGHUP by a line, once it is up.
      if (command === "invite") node.kill("SIGHUP");
      await until(
        () => aorta.run([command, "--data", aorta.path("rome")]),
        ({ code }) => code === 0,
      );
    }
    node.kill("SIGTERM");
    expect(await ended).to.deep.equal([0, null]);
  });
});
