import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { AortaNode, AortaNodeOptions, ConfigInput } from "../../node/index.ts";
import { createAortaNode, loadConfig } from "../../node/index.ts";
import type { Logger } from "../../node/runtime/logger.ts";
import { silentLogger } from "../../node/runtime/logger.ts";
import { Phone } from "../cli/phone.ts";
import { codeOf } from "../helpers/codes.ts";
import { eventually } from "../helpers/eventually.ts";

describe("a node in a process of another program", function () {
  this.timeout(20_000);
  let folder: string;
  const nodes: AortaNode[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "aorta-node-"));
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
    rmSync(folder, { recursive: true, force: true });
  });

  const create = (flags: ConfigInput["flags"], options: AortaNodeOptions = {}): AortaNode => {
    const ports = { sip: "127.0.0.1:0", mesh: "127.0.0.1:0", "log-level": "silent" };
    const config = loadConfig({ flags: { ...ports, data: join(folder, "data"), ...flags }, environment: {} });
    const node = createAortaNode(config, options);
    nodes.push(node);
    return node;
  };

  it("starts once however often it is started, and stops once however often it is stopped", async () => {
    const node = create({ domain: "example.com" });
    await Promise.all([node.start(), node.start()]);
    await node.start();
    expect(node.view().status()).to.include({ state: "running", domain: "example.com", boot: 1 });
    await Promise.all([node.stop(), node.stop()]);
    await node.stop();
    expect(() => node.view()).to.throw("not running");
  });

  it("can be started again after a stop, as the same server", async () => {
    const node = create({ domain: "example.com" });
    await node.start();
    const { id } = node.view().status().server;
    await node.stop();
    await node.start();
    expect(node.view().status().server.id).to.equal(id);
    expect(node.view().status().boot).to.equal(2);
  });

  it("says in its log how the domain calls it, whatever its host is called", async () => {
    const names: unknown[] = [];
    const logger: Logger = {
      ...silentLogger,
      info: (fields: { readonly name?: string }, message) => void (message === "node is up" && names.push(fields.name)),
      child: () => logger,
    };
    const node = create({ domain: "example.com", name: "berlin" });
    await node.start();
    await node.stop();
    await create({}, { logger }).start();
    expect(names).to.deep.equal(["berlin"]);
  });

  it("says in its log when it has founded a domain, as where the disk with its data was not there", async () => {
    const lines: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      info: (_fields, message) => void lines.push(message),
      child: () => logger,
    };
    const node = create({ domain: "example.com" }, { logger });
    await node.start();
    await node.stop();
    await node.start();
    expect(lines.filter((line) => line.includes("founded"))).to.have.length(1);
  });

  it("is down after a stop that came while it started", async () => {
    const node = create({ domain: "example.com" });
    const starting = node.start();
    await node.stop();
    await starting;
    expect(() => node.view()).to.throw("not running");
    await node.start();
    expect(node.view().status().state).to.equal("running");
  });

  it("starts after a stop that is still under way", async () => {
    const node = create({ domain: "example.com" });
    await node.start();
    const stopping = node.stop();
    await node.start();
    await stopping;
    expect(node.view().status().state).to.equal("running");
  });

  it("leaves nothing open when it cannot start, and can be started once the reason is gone", async () => {
    const first = create({ domain: "example.com" });
    await first.start();
    const second = create({});
    expect(await codeOf(second.start())).to.equal("DATA_IN_USE");
    await second.stop();
    await first.stop();
    await second.start();
    expect(second.view().status()).to.include({ state: "running", domain: "example.com" });
  });

  it("refuses to start without a domain, and lets go of what it had opened", async () => {
    const homeless = create({});
    expect(await codeOf(homeless.start())).to.equal("NO_DOMAIN");
    const founder = create({ domain: "example.com" });
    await founder.start();
  });

  it("tells its program what it owns, and what no longer", async () => {
    const changes: string[] = [];
    const node = create(
      { domain: "example.com", auth: "none" },
      { onOwnership: ({ kind, aor }) => changes.push(`${kind} ${aor}`) },
    );
    await node.start();
    const port = Number(node.view().status().sip[0]?.split(":").at(-1));
    const alice = await Phone.open("alice");
    expect(await alice.register(port)).to.equal(200);
    expect(changes).to.deep.equal(["won sip:alice@example.com"]);
    await node.stop();
    expect(changes).to.deep.equal(["won sip:alice@example.com", "lost sip:alice@example.com"]);
    alice.close();
  });

  it("is told when it has left the domain, and does not start again without an invite", async () => {
    const founder = create({ domain: "example.com", name: "founder", lease: "500ms" });
    await founder.start();
    const invite = async () => (await founder.view().invite({ ttlMs: 60_000, steward: false })).token;
    const other = { name: "joiner", data: join(folder, "other") };
    const joiner = create({ ...other, join: await invite() });
    await joiner.start();
    const departed = joiner.departed();
    await eventually(() => joiner.view().drainView().stewardUp, "link to the steward");
    await joiner.view().drain();
    expect(await departed).to.include({ domain: "example.com", inOrder: true });
    expect(joiner.view().status()).to.include({ state: "removed", owned: 0 });
    expect(joiner.view().drainView().state).to.equal("left");
    expect(joiner.view().status().server.name).to.equal("joiner");
    await joiner.stop();
    expect(await codeOf(joiner.start()), "by the token that is spent").to.equal("INVITE_USED");
    expect(await codeOf(create(other).start())).to.equal("REMOVED");
    const again = create({ ...other, join: await invite() });
    await again.start();
    expect(again.view().status().server.number).to.equal(3);
  });

  it("joins another node's domain by its invite", async () => {
    const founder = create({ domain: "example.com", name: "founder" });
    await founder.start();
    const { token } = await founder.view().invite({ ttlMs: 60_000, steward: false });
    const joiner = create({ join: token, name: "joiner", data: join(folder, "other") });
    await joiner.start();
    expect(joiner.view().status()).to.include({ domain: "example.com", steward: false });
    expect(
      founder
        .view()
        .peers()
        .map(({ name }) => name),
    ).to.deep.equal(["founder", "joiner"]);
  });
});
