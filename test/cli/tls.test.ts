import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { connect } from "node:tls";
import { expect } from "chai";
import { CertificateFolder, certificateFor } from "../helpers/certificates.ts";
import { Aorta, until } from "./aorta.ts";

describe("a node with TLS, run by the aorta command", function () {
  this.timeout(60_000);
  const aorta = new Aorta();
  const folder = new CertificateFolder();
  after(async () => {
    await aorta.clean();
    folder.remove();
  });

  /** The name in the certificate that a listener shows, and whether a client that trusts only `ca` takes it. */
  async function shown(address: string): Promise<unknown> {
    const socket = connect({ host: "127.0.0.1", port: Number(address.split(":").at(-1)), rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    return subject["CN"];
  }

  it("shows renewed certificates after SIGHUP, and goes on with the old ones where they cannot be used", async () => {
    mkdirSync(folder.path, { recursive: true });
    const files = folder.write("sip", await certificateFor(["old.example.com"], ["127.0.0.1"]));
    const flags = [
      "--tls",
      "127.0.0.1:0",
      "--wss",
      "127.0.0.1:0",
      "--tls-cert",
      files.certificate,
      "--tls-key",
      files.key,
    ];
    const node = await aorta.up("berlin", "--domain", "example.com", ...flags);
    const listeners = node.status.sip.filter((address) => /^(?:tls|wss) /.test(address));
    expect(listeners).to.have.length(2);
    for (const listener of listeners) expect(await shown(listener)).to.equal("old.example.com");

    folder.write("sip", await certificateFor(["new.example.com"], ["127.0.0.1"]));
    node.signal("SIGHUP");
    for (const listener of listeners)
      await until(
        () => shown(listener),
        (name) => name === "new.example.com",
      );

    folder.write("sip", { cert: "nonsense", key: "nonsense" });
    node.signal("SIGHUP");
    for (const listener of listeners) expect(await shown(listener)).to.equal("new.example.com");
    expect(await node.end("SIGTERM")).to.equal(0);
    expect(await node.stderr()).to.match(
      /no certificate \(PEM\) can be read from .*; the certificates of before stay in use/,
    );
  });

  it("says at SIGHUP that there is nothing to read again where there are none", async () => {
    const node = await aorta.up("rome", "--domain", "example.com");
    node.signal("SIGHUP");
    // Two signals at once are taken in whatever order: what the node answers now it answers after the first.
    await node.get("/v1/status");
    expect(await node.end("SIGTERM")).to.equal(0);
    expect(await node.stderr()).to.equal("aorta: there is nothing to read again: this node has no TLS certificates\n");
  });

  it("goes on at the signals by which other daemons open their logs anew, and opens no debugger", async () => {
    const node = await aorta.up("paris", "--domain", "example.com");
    for (const signal of ["SIGUSR1", "SIGUSR2"] as const) {
      node.signal(signal);
      await node.get("/v1/status");
    }
    expect(await node.end("SIGTERM")).to.equal(0);
    const said = (await node.stderr()).trimEnd().split("\n");
    expect(said.toSorted()).to.deep.equal(
      ["SIGUSR1", "SIGUSR2"].map(
        (signal) => `aorta: ${signal} means nothing to a node; SIGHUP makes it read its certificates again`,
      ),
    );
  });

  it("does not start without its certificate, and says which file it misses", async () => {
    const missing = folder.path + "/missing.pem";
    const { code, stderr } = await aorta.run([
      ...[
        "up",
        "--data",
        aorta.path("paris"),
        "--domain",
        "example.com",
        "--sip",
        "127.0.0.1:0",
        "--mesh",
        "127.0.0.1:0",
      ],
      ...["--tls", "127.0.0.1:0", "--tls-cert", missing, "--tls-key", missing],
    ]);
    expect(code).to.equal(2);
    expect(stderr).to.include(`no certificate (PEM) can be read from ${missing}`);
  });
});
