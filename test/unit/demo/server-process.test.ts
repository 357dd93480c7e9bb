import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ServerProcess } from "../../../node/demo/server-process.ts";
import type { StoryFault } from "../../../node/demo/sightings.ts";

const forever = "setInterval(() => {}, 1000);";

describe("A server process of the demonstration", () => {
  let folder: string;
  let deaths: StoryFault[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "aorta-test-"));
    deaths = [];
  });

  afterEach(() => rm(folder, { recursive: true }));

  const start = (program: string): ServerProcess =>
    new ServerProcess("server 1", [process.execPath, "-e", program], join(folder, "log"), (fault) =>
      deaths.push(fault),
    );

  /** Resolves once the process has printed that it is ready. */
  const ready = async (server: ServerProcess): Promise<void> => {
    while (!(await server.logTail(1)).includes("ready")) await new Promise((resolve) => setImmediate(resolve));
  };

  it("is reported when it dies although nobody wanted it to", async () => {
    const fault = await new Promise<StoryFault>((resolve) => {
      void new ServerProcess("server 1", [process.execPath, "-e", "process.exit(3)"], join(folder, "log"), resolve);
    });
    expect(fault.message).to.equal("server 1 died: exit status 3");
  });

  it("is reported when it cannot even be started", async () => {
    const fault = await new Promise<StoryFault>((resolve) => {
      void new ServerProcess("server 1", [join(folder, "nothing-here")], join(folder, "log"), resolve);
    });
    expect(fault.message).to.match(/^server 1 died: .*ENOENT/);
  });

  it("may be killed by the story", async () => {
    const server = start(forever);
    await server.kill();
    expect(server.isRunning).to.equal(false);
    expect(deaths).to.deep.equal([]);
  });

  it("is drained with SIGTERM, and the end of its log can be read", async () => {
    const server = start(
      `process.on("SIGTERM", () => { console.error("bye"); process.exit(0); }); console.error("ready"); ${forever}`,
    );
    await ready(server);
    expect(await server.drain()).to.equal(true);
    expect(await server.logTail(2)).to.deep.equal(["ready", "bye"]);
    expect(deaths).to.deep.equal([]);
  });

  it("is told apart when it did not end well", async () => {
    const server = start(`process.on("SIGTERM", () => process.exit(4)); console.error("ready"); ${forever}`);
    await ready(server);
    expect(await server.drain()).to.equal(false);
  });
});
